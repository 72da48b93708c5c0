"""Jobs say which weights and which token ids they had, and are counted together where these are the same."""

import json
import runpy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tokenizers import processors

from specgap.config import Study
from specgap.errors import TraceError
from specgap.layout import Cell, done_file, plan_jobs
from specgap.prompts import PromptSet, Row
from specgap.prompts.storage import write_prompts
from specgap.replay import Source
from specgap.settings import Pair
from specgap.trace.collect_paths import collect_paths_job
from specgap.trace.collect_tails import collect_tails_job
from specgap.trace.done import read_alike, read_done
from specgap.trace.shards import Tokens
from tests.support.tiny_models import EOS, random_pair, word_tokenizer
from tests.support.tracing import TEXTS, Traced, prompts, tiny_study, trace_cell

pytestmark = pytest.mark.slow

SETTING = {"schedule": "constant", "num_assistant_tokens": 3}
NAME = "constant-3"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return random_pair(tmp_path_factory.mktemp("pair"), seed=1, draft_noise=0.2)


@pytest.fixture(scope="module")
def traced(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Traced:
    """Two samples, so that each prompt is in two jobs."""
    return trace_cell(tiny_study(pair, SETTING, samples=2), NAME, prompts(), tmp_path_factory.mktemp("whole"))


@pytest.fixture
def copy(traced: Traced, tmp_path: Path) -> Traced:
    return Traced(Path(shutil.copytree(traced.results, tmp_path / "results")), traced.cell, traced.jobs, [])


@pytest.fixture(scope="module")
def collected(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    results = tmp_path_factory.mktemp("collected")
    study = tiny_study(pair, SETTING, collector="replay")
    for job in plan_jobs(study, "sampled", "", list(prompts())):
        for collector in (collect_paths_job, collect_tails_job):
            collector(study, "tiny", "sampled", job, prompts(), results=results, log=lambda _: None)
    return study, results


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def refusal(paths: list[Path]) -> str:
    with pytest.raises(TraceError) as caught:
        read_alike(paths)
    return str(caught.value)


# What is recorded ---------------------------------------------------------------------------------


def test_done_files_know_parameters_and_buffers_of_both_models(traced: Traced) -> None:
    facts = [read_done(path).facts for path in traced.done_files]
    assert len({one["target"]["loaded_xxh3_128"] for one in facts}) == 1
    assert facts[0]["target"]["loaded_xxh3_128"] != facts[0]["draft"]["loaded_xxh3_128"]


def test_shards_of_two_samples_have_the_same_prompts_with_the_same_ids(traced: Traced) -> None:
    shards = [shard for path in traced.done_files for shard in read_done(path).shards]
    assert len(shards) == 2 * len({shard.tokens for shard in shards})


def test_ids_are_known_whatever_the_order_of_the_prompts() -> None:
    ids = {3: [5, 6], 9: [7]}
    assert Tokens.of([3, 9], ids) == Tokens.of([9, 3], ids)
    moved = Tokens.of([3, 9], {3: [5], 9: [6, 7]})
    assert moved.prompts == Tokens.of([3, 9], ids).prompts
    assert moved.ids != Tokens.of([3, 9], ids).ids


def test_records_of_a_replayed_setting_hand_on_what_their_paths_had(collected: tuple[Study, Path]) -> None:
    _, results = collected
    done = {kind: sorted((results / kind).rglob("*.done.json")) for kind in ("paths", "tails")}
    tokens = [[shard.tokens for shard in read_done(path).shards] for paths in done.values() for path in paths]
    assert tokens[: len(tokens) // 2] == tokens[len(tokens) // 2 :]


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["target", "draft"])
def test_jobs_of_other_weights_are_refused_by_both_names(role: str, copy: Traced) -> None:
    first, *_, last = copy.done_files
    edit(last, lambda content: content["facts"][role].update(loaded_xxh3_128="f" * 32))
    said = refusal(copy.done_files)
    assert said.startswith(f"{last} was made with other parameters or buffers of {role} sha256:")
    assert f" than {first} " in said


def test_jobs_of_other_ids_for_the_same_prompts_are_refused_by_both_names(copy: Traced) -> None:
    first, *_, last = copy.done_files
    edit(last, lambda content: content["shards"][0]["tokens"].update(ids="f" * 32))
    said = refusal(copy.done_files)
    (other,) = [path for path in copy.done_files[:-1] if f" and {path} " in said]
    assert said.startswith(f"{last} and {other} were made with different token ids of the prompts of shard")
    assert other != first


def test_jobs_that_share_no_prompt_are_compared_by_the_ids_of_a_probe(copy: Traced) -> None:
    first, second = copy.done_files[:2]
    edit(second, lambda content: content["facts"].update(probe_xxh3_128="f" * 32))
    said = refusal([first, second])
    assert said.startswith(f"{second} and {first} were made with different token ids of the same text")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["facts"]["draft"].update(loaded_xxh3_128="f" * 32),
        lambda content: content["shards"][0]["tokens"].update(ids="f" * 32),
    ],
    ids=["weights", "ids"],
)
def test_tails_of_other_weights_or_ids_than_their_paths_are_refused(
    change: Callable[[dict[str, Any]], object], collected: tuple[Study, Path], tmp_path: Path
) -> None:
    study, whole = collected
    results = Path(shutil.copytree(whole, tmp_path / "results"))
    jobs = [job.name for job in plan_jobs(study, "sampled", "", list(prompts()))]
    cell = Cell("tiny", "sampled", NAME)
    assert Source.of(results, cell, jobs, tails=True).tails
    edit(done_file(results, Cell("tiny", "sampled"), jobs[0], "tails"), change)
    with pytest.raises(TraceError, match=r"tails/tiny/sampled/.*paths/tiny/sampled/s000"):
        Source.of(results, cell, jobs, tails=True)


def test_parts_of_a_cell_are_added_up_only_where_their_jobs_go_together(
    pair: Pair, copy: Traced, tmp_path: Path
) -> None:
    study = tiny_study(pair, SETTING, samples=2, results=str(copy.results))
    (tmp_path / "config.json").write_text(study.model_dump_json())
    rows = tuple(Row(id_, text, {"group": ("a",)}, None, None, None, "") for id_, text in prompts().items())
    write_prompts(tmp_path / "prompts.parquet", PromptSet(rows, ("group",), None, None, (), None))
    edit(copy.done_files[-1], lambda content: content["facts"]["draft"].update(loaded_xxh3_128="f" * 32))
    merge = runpy.run_path("scripts/merge_states.py")["main"]
    files = (tmp_path / "config.json", "tiny", "sampled", NAME, tmp_path / "prompts.parquet")
    with pytest.raises(TraceError, match="other parameters or buffers of draft"):
        merge(*files, tmp_path / "state.rust_agg", [])


@pytest.mark.parametrize("key", ["loaded_xxh3_128", "probe_xxh3_128", "tokens"])
def test_a_done_file_without_a_digest_is_refused(key: str, copy: Traced) -> None:
    def forget(content: dict[str, Any]) -> None:
        for place in (content["facts"]["target"], content["facts"], content["shards"][0]):
            place.pop(key, None)

    edit(copy.done_files[0], forget)
    assert refusal(copy.done_files).endswith(
        "is not the done file of a trace job; wanted one, so trace again"
    )


# What is traced again -----------------------------------------------------------------------------


def kept(trace: Traced) -> list[str]:
    return [line.split(": ", 1)[1] for line in trace.lines if "kept" in line]


def test_shards_of_other_ids_are_traced_again(
    pair: Pair, copy: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = tiny_study(pair, SETTING, samples=2)
    assert all("0 traced, 0 stale" in line for line in kept(trace_cell(study, NAME, prompts(), copy.results)))
    now = Tokens.of
    monkeypatch.setattr(Tokens, "of", lambda prompts, ids: replace(now(prompts, ids), ids="f" * 32))
    again = kept(trace_cell(study, NAME, prompts(), copy.results))
    assert all(line.startswith("0 shards kept") for line in again)


# An EOS that the tokenizer appends ----------------------------------------------------------------


def test_a_tokenizer_that_appends_an_eos_gives_the_traces_of_one_that_does_not(
    traced: Traced, tmp_path: Path
) -> None:
    tokenizer = word_tokenizer()
    ids = [(EOS, tokenizer.eos_token_id)]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {EOS}", special_tokens=ids
    )
    appending = random_pair(tmp_path / "pair", seed=1, draft_noise=0.2, tokenizer=tokenizer)
    trace = trace_cell(tiny_study(appending, SETTING, samples=2), NAME, prompts(TEXTS), tmp_path / "results")
    for kind in ("traces", "rounds"):
        assert trace.rows(kind) == traced.rows(kind)
    assert read_done(trace.done_files[0]).facts["end_taken_off"] == EOS
    assert read_done(traced.done_files[0]).facts["end_taken_off"] is None
