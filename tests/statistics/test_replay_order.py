"""The order effect: γ carried from prompt to prompt, replayed and in transformers, in the same order.

Greedy, every row is known, so that replay with an `order` has to give the rows of `generate` called prompt
after prompt with the γ that the last call left behind: as listed, backwards and at random, and from sample to
sample. At the end the same through whole jobs, files and all.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import rust_agg
from specgap.config import Study
from specgap.layout import Cell, plan_jobs
from specgap.prompts import PromptSet, Row
from specgap.replay import replay_job
from specgap.settings import Decoding, Pair, Setting
from specgap.trace.collect_paths import collect_paths_job
from specgap.trace.collect_tails import collect_tails_job
from tests.support.greedy_pairs import Comparison, Rows
from tests.support.pair_families import PROMPTS, family
from tests.support.replaying import collect_paths, collect_tails
from tests.support.thinned import thinned
from tests.support.tiny_models import random_pair
from tests.support.tracing import Traced, prompts, record, tiny_study, trace_cell

pytestmark = pytest.mark.slow

LONGEST = 16
HOW = Decoding(mode="greedy", max_new_tokens=LONGEST)
TEXTS = PROMPTS[:8]
LISTED = tuple(range(len(TEXTS)))
ORDERS = {
    "listed": LISTED,
    "backwards": LISTED[::-1],
    "at random": tuple(np.random.default_rng(4).permutation(len(TEXTS)).tolist()),
}
SETTINGS = [
    Setting(
        schedule="heuristic", num_assistant_tokens=number, confidence_threshold=threshold, carry_state=True
    )
    for number, threshold in ((3, 0.0), (20, 0.0), (5, 0.3))
]


def replayed(name: str, setting: Setting, order: Sequence[int] | None, samples: int = 1) -> Rows:
    """Replay over the greedy paths, the same in each sample; rows as a run through the order leaves them."""
    pair, whole = family(name), rust_agg.Replay("constant", LONGEST)
    schedule = rust_agg.Replay(
        setting.schedule,
        setting.num_assistant_tokens,
        confidence_threshold=setting.confidence_threshold,
        order=order,
    )
    parts = []
    for sample in range(samples):
        paths = collect_paths(pair, HOW, TEXTS, sample=sample)
        parts.append((paths, collect_tails(pair, HOW, TEXTS, paths, [whole], sample=sample)))
    paths, tails = (pa.concat_tables(tables) for tables in zip(*parts, strict=True))
    traces, rounds = rust_agg.replay_records(
        paths, schedule, max_new_tokens=LONGEST, eos=list(pair.eos_token_ids), tails=tails
    )
    return pa.table(traces), pa.table(rounds)


def held(name: str, found: Rows, wanted: Rows, samples: int) -> None:
    """Hold the rows of every sample to equality, near-ties apart."""
    comparison = Comparison(family(name), HOW)
    for sample in range(samples):
        one, other = (
            tuple(table.filter(pa.compute.equal(table["sample"], sample)) for table in rows)
            for rows in (found, wanted)
        )
        comparison.add(one, other, TEXTS)
    print(comparison)
    assert comparison.near_ties == 0


@pytest.mark.parametrize(("setting", "order", "name"), thinned(SETTINGS, ORDERS, ["llama", "gpt2"]))
def test_carried_rows_are_those_of_assisted_generation(
    name: str, order: str, setting: Setting, tmp_path: Path
) -> None:
    print(f"{name}, {setting.name}, prompts {order}", end=": ")
    real = record(family(name), HOW, setting, TEXTS, tmp_path, order=ORDERS[order])
    held(name, replayed(name, setting, ORDERS[order]), real, 1)


def test_state_is_carried_from_one_sample_to_the_next(tmp_path: Path) -> None:
    setting, order = SETTINGS[1], ORDERS["at random"]
    real = record(family("llama"), HOW, setting, TEXTS, tmp_path, order=order, samples=2)
    found = replayed("llama", setting, order, samples=2)
    held("llama", found, real, 2)
    first = [_requested_first(found[1], order[0], sample) for sample in (0, 1)]
    print(f"the first prompt is asked for {first} tokens in samples 0 and 1")
    assert first[0] == setting.num_assistant_tokens != first[1]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_another_order_drafts_another_number_of_tokens(setting: Setting) -> None:
    drafted = {
        name: sum(replayed("llama", setting, order)[1]["drafted"].to_pylist())
        for name, order in {**ORDERS, "anew": None}.items()
    }
    print(f"{setting.name}: {drafted} tokens drafted, wanted numbers that differ")
    assert len(set(drafted.values())) >= 3


@pytest.mark.parametrize("other", ["backwards", "anew"])
def test_rows_of_another_order_are_told_apart(other: str, tmp_path: Path) -> None:
    real = record(family("llama"), HOW, SETTINGS[0], TEXTS, tmp_path, order=LISTED)
    with pytest.raises(AssertionError, match="rows differ and top two are"):
        held("llama", replayed("llama", SETTINGS[0], ORDERS.get(other)), real, 1)


def _requested_first(rounds: pa.Table, prompt: int, sample: int) -> int:
    rows = rounds.to_pylist()
    return next(row["requested"] for row in rows if (row["prompt"], row["sample"]) == (prompt, sample))


# Through whole jobs ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return random_pair(tmp_path_factory.mktemp("pair"), seed=1, draft_noise=0.2)


def study_of(pair: Pair, collector: str, mode: str = "greedy", **keys: object) -> Study:
    """Return a study of six settings, two of them carried."""
    heuristic = {"schedule": "heuristic", "num_assistant_tokens": 3}
    return tiny_study(
        pair,
        heuristic,
        heuristic | {"carry_state": True},
        heuristic | {"num_assistant_tokens": 10, "confidence_threshold": 0.3, "carry_state": True},
        {"schedule": "constant", "num_assistant_tokens": 6},
        {"schedule": "constant", "num_assistant_tokens": 12, "confidence_threshold": 0.2},
        {"schedule": "heuristic_transient", "num_assistant_tokens": 4},
        **{"collector": collector, "samples": 2, "batch": 5} | keys,
        decodings={"sampled": {"mode": mode, "max_new_tokens": 16}},
    )


def replay_study(study: Study, results: Path) -> dict[str, Traced]:
    """Run the jobs of paths, of tails and of every setting's records."""
    texts = prompts()
    rows = tuple(
        Row(prompt, text, {"group": ("a",)}, None, None, None, "p:1") for prompt, text in texts.items()
    )
    known = PromptSet(rows, ("group",), None, None, (), None)
    for collect in (collect_paths_job, collect_tails_job):
        for job in plan_jobs(study, "sampled", "", list(texts)):
            collect(study, "tiny", "sampled", job, texts, results=results, log=lambda _: None)
    traced = {}
    for setting in study.settings:
        cell, jobs = (
            Cell("tiny", "sampled", setting.name),
            plan_jobs(study, "sampled", setting.name, list(texts)),
        )
        for job in jobs:
            replay_job(study, cell, job, known, results=results)
        traced[setting.name] = Traced(results, cell, jobs, [])
    return traced


def test_files_of_replayed_settings_hold_the_rows_of_assisted_ones(pair: Pair, tmp_path: Path) -> None:
    assisted = study_of(pair, "assisted")
    replay = replay_study(study_of(pair, "replay"), tmp_path / "replay")
    for setting in assisted.settings:
        real = trace_cell(assisted, setting.name, prompts(), tmp_path / "assisted")
        gap = 0.0
        for kind in ("traces", "rounds"):
            found, wanted = replay[setting.name].rows(kind), real.rows(kind)
            assert len(found) == len(wanted) > 0
            gap = max(gap, *(_apart(*rows) for rows in zip(found, wanted, strict=True)))
        print(f"{setting.name}: rows of files are equal, p, q, overlap at most {gap:.1e} apart, band 1e-5")
        assert gap < 1e-5


def _apart(row: dict[str, object], known: dict[str, object]) -> float:
    """Return how far the probabilities of two rows are apart that are equal otherwise."""
    gap = 0.0
    for name, value in known.items():
        if isinstance(value, float) and isinstance(row[name], float):
            gap = max(gap, abs(row[name] - value))
        else:
            assert row[name] == value, (name, row, known)
    return gap


@pytest.mark.parametrize("mode", [pytest.param("greedy", marks=pytest.mark.landing), "sampled"])
def test_records_know_no_batch_no_shards_and_no_shard_that_was_made_again(
    pair: Pair, mode: str, tmp_path: Path
) -> None:
    study = study_of(pair, "replay", mode)
    whole = replay_study(study, tmp_path / "whole")
    cuts = {
        "batch": study_of(pair, "replay", mode, batch=1),
        "shards": study_of(pair, "replay", mode, shards={"number": 5, "per_job": 1}),
    }
    for cut, other in cuts.items():
        found = replay_study(other, tmp_path / cut)
        for name, traced in whole.items():
            for kind in ("traces", "rounds"):
                pairs = zip(found[name].rows(kind), traced.rows(kind), strict=True)
                assert max(_apart(*rows) for rows in pairs) < 1e-5, (cut, name, kind)
    before = _bytes(tmp_path / "whole")
    for kind in ("paths", "tails"):
        victim = sorted((tmp_path / "whole" / kind).rglob("*.parquet"))[1]
        victim.unlink()
        replay_study(study, tmp_path / "whole")
        assert victim.is_file()
        assert _bytes(tmp_path / "whole") == before, f"{victim.name} of {kind} made again changed a byte"
    print(f"{mode}: {len(before)} files keep their bytes when a shard of paths, then of tails, is made again")


def _bytes(results: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in sorted(results.rglob("*.*"))
        if path.is_file()
    }
