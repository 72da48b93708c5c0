"""Jobs of the batched collector: what is on disk, what is kept, and that no row depends on how it was cut."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from specgap.config import Study
from specgap.errors import ConfigError, TraceError
from specgap.settings import Model, Pair
from specgap.trace import read_done, verified_files
from specgap.trace.batched import Batched
from specgap.trace.draws import Array
from specgap.trace.ragged import RaggedBatch
from tests.support.tiny_models import gpt_neo_shaped_folder, random_pair
from tests.support.tracing import TEXTS, Traced, prompts, tiny_study, trace_cell

pytestmark = pytest.mark.slow

HEURISTIC = {"schedule": "heuristic", "num_assistant_tokens": 3}
NAME = "heuristic-3"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return random_pair(tmp_path_factory.mktemp("pair"), seed=1, draft_noise=0.2)


def study_of(pair: Pair, setting: Mapping[str, Any] = HEURISTIC, **keys: Any) -> Study:
    return tiny_study(pair, setting, **{"collector": "batched", "samples": 2, "batch": 3, **keys})


@pytest.fixture(scope="module")
def undisturbed(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Traced:
    return trace_cell(study_of(pair), NAME, prompts(), tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture
def copy(undisturbed: Traced, tmp_path: Path) -> Path:
    return Path(shutil.copytree(undisturbed.results, tmp_path / "results"))


def assert_same(found: Traced, wanted: Traced) -> None:
    for kind in ("traces", "rounds"):
        rows, known = found.rows(kind), wanted.rows(kind)
        assert len(rows) == len(known)
        for row, expected in zip(rows, known, strict=True):
            for name, value in expected.items():
                near = isinstance(value, float) and abs(row[name] - value) <= 1e-5
                assert near or row[name] == value, (kind, name)


# What is there --------------------------------------------------------------------------------------


def test_shards_have_traces_and_rounds_and_no_times(undisturbed: Traced) -> None:
    assert {path.name for path in undisturbed.results.iterdir()} == {"traces", "rounds"}
    for path in undisturbed.done_files:
        done = read_done(path)
        assert done.collector == "batched"
        assert all(set(shard.files) == {"traces", "rounds"} for shard in done.shards)
    with pytest.raises(TraceError, match="consists of traces, rounds; wanted its timings too"):
        verified_files(undisturbed.results, undisturbed.done_files, "timings")


def test_every_prompt_and_sample_is_there_once(undisturbed: Traced) -> None:
    firsts = [(row["prompt"], row["sample"]) for row in undisturbed.rows("rounds") if row["round"] == 0]
    assert sorted(firsts) == sorted((prompt, sample) for prompt in prompts() for sample in (0, 1))
    assert undisturbed.metadata()["collector"] == "batched"
    assert "rounds of tiny/sampled/heuristic-3" in undisturbed.lines[0]


def test_a_setting_alone_can_ask_for_it(pair: Pair, undisturbed: Traced, tmp_path: Path) -> None:
    study = study_of(pair, HEURISTIC | {"collector": "batched"}, collector="assisted")
    assert_same(trace_cell(study, "heuristic-3-batched", prompts(), tmp_path), undisturbed)


def test_greedy_jobs_are_those_of_assisted_generation(pair: Pair, tmp_path: Path) -> None:
    greedy = {"decodings": {"sampled": {"mode": "greedy", "max_new_tokens": 16}}}
    found, wanted = (
        trace_cell(study_of(pair, collector=collector, **greedy), NAME, prompts(), tmp_path / collector)
        for collector in ("batched", "assisted")
    )
    assert_same(found, wanted)


def test_a_pair_that_runs_a_text_at_a_time_says_so(tmp_path: Path) -> None:
    target = gpt_neo_shaped_folder(tmp_path / "target", 1)
    pair = Pair(target=Model(source=str(target)), draft=Model(source=str(target)))
    made = trace_cell(study_of(pair), NAME, prompts(["the man", "a woman"]), tmp_path / "results")
    assert any("prompts run one at a time" in line for line in made.lines)


def test_carried_state_is_refused_by_the_config(pair: Pair) -> None:
    with pytest.raises(ConfigError, match="carry_state with collector batched"):
        study_of(pair, HEURISTIC | {"carry_state": True})


# How it was cut -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys",
    [
        {"batch": 1},
        {"batch": 64},
        {"shards": {"number": 1, "per_job": 1}},
        {"shards": {"number": 7, "per_job": 3}},
    ],
    ids=["one at once", "all at once", "one shard", "many shards"],
)
def test_rows_do_not_depend_on_batches_shards_and_order(
    keys: dict[str, Any], pair: Pair, undisturbed: Traced, tmp_path: Path
) -> None:
    assert_same(trace_cell(study_of(pair, **keys), NAME, prompts(TEXTS[::-1]), tmp_path), undisturbed)


def test_a_second_call_runs_no_model(
    pair: Pair, undisturbed: Traced, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RaggedBatch, "__init__", lambda *_: pytest.fail("a model was run"))
    again = trace_cell(study_of(pair, batch=5), NAME, prompts(), copy)
    assert again.exact_bytes() == undisturbed.exact_bytes()
    assert all("0 traced, 0 stale" in line for line in again.lines if "kept" in line)


@pytest.mark.parametrize("n_shards", [0, 1, 4])
def test_an_interrupted_job_ends_byte_equal_to_an_undisturbed_one(
    n_shards: int, pair: Pair, undisturbed: Traced, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole, made = Batched.record, []

    def breaking(self: Batched, *args: Any, **kwargs: Any) -> Any:
        if len(made) == n_shards:
            raise KeyboardInterrupt
        made.append(1)
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(Batched, "record", breaking)
    with pytest.raises(KeyboardInterrupt):
        trace_cell(study_of(pair), NAME, prompts(), tmp_path)
    monkeypatch.undo()
    resumed = trace_cell(study_of(pair), NAME, prompts(), tmp_path)
    assert resumed.exact_bytes() == undisturbed.exact_bytes()


def test_a_shard_that_is_gone_or_damaged_is_made_again(pair: Pair, undisturbed: Traced, copy: Path) -> None:
    shards = sorted((copy / "traces").rglob("*.parquet"))
    shards[0].unlink()
    shards[-1].write_bytes(shards[-1].read_bytes()[:-1])
    mended = trace_cell(study_of(pair), NAME, prompts(), copy)
    assert mended.exact_bytes() == undisturbed.exact_bytes()


def test_a_batch_that_is_too_large_is_halved_and_no_row_changes(
    pair: Pair, undisturbed: Traced, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole, sizes = RaggedBatch.add, []

    def small(self: RaggedBatch, rows: Array, tokens: Array, lengths: Array) -> torch.Tensor:
        sizes.append(len(rows))
        # In the middle of a round: what the batch has recorded so far is lost.
        if len(rows) > 2 and len(sizes) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(self, rows, tokens, lengths)

    study = study_of(pair, batch=8, shards={"number": 1, "per_job": 1})
    monkeypatch.setattr("specgap.trace.batch.takes_ragged", lambda *_: True)
    monkeypatch.setattr(RaggedBatch, "add", small)
    made = trace_cell(study, NAME, prompts(), tmp_path)
    assert [line for line in made.lines if "out of memory" in line] == [
        "out of memory at a batch of 8; going on with 4",
        "out of memory at a batch of 4; going on with 2",
    ] * 2  # of each sample's job
    assert_same(made, undisturbed)


def test_a_device_that_holds_no_row_is_one_sentence(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def none(*_: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("specgap.trace.batch.takes_ragged", lambda *_: True)
    monkeypatch.setattr(RaggedBatch, "add", none)
    with pytest.raises(TraceError, match="ran out of memory with one row at a time"):
        trace_cell(study_of(pair), NAME, prompts(), tmp_path)
