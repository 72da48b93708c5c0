"""Jobs: what is kept, what is traced again, and that no row depends on how a trace was cut or interrupted."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from specgap.config import Study
from specgap.errors import ModelError, SpecgapError
from specgap.layout import plan_jobs
from specgap.models import load
from specgap.settings import Pair
from specgap.trace import rebuild
from specgap.trace.assisted import Assisted
from tests.support.thinned import thinned
from tests.support.tiny_models import random_pair
from tests.support.tracing import TEXTS, Traced, prompts, tiny_study, trace_cell

pytestmark = pytest.mark.slow

HEURISTIC = {"schedule": "heuristic", "num_assistant_tokens": 5}
CARRIED = HEURISTIC | {"carry_state": True}
PLAIN, CARRYING = "heuristic-5", "heuristic-5-carried"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return random_pair(tmp_path_factory.mktemp("pair"), seed=1, draft_noise=0.2)


@pytest.fixture(scope="module")
def study(pair: Pair) -> Study:
    return tiny_study(pair, HEURISTIC, CARRIED, samples=2)


@pytest.fixture(scope="module")
def undisturbed(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Traced]:
    """Return a function that gives the whole trace of a setting, made once and only read."""
    folder = tmp_path_factory.mktemp("undisturbed")
    made: dict[str, Traced] = {}

    def trace(setting: str) -> Traced:
        if setting not in made:
            made[setting] = trace_cell(study, setting, prompts(), folder / setting)
        return made[setting]

    return trace


def copied(trace: Traced, folder: Path) -> Path:
    """Return a copy of a trace's results folder, to be damaged or added to."""
    return Path(shutil.copytree(trace.results, folder / "results"))


def told(trace: Traced) -> list[str]:
    """Return each job's closing line without its name."""
    return [line.split(": ", 1)[1] for line in trace.lines if "kept" in line]


def test_the_first_line_names_the_device(undisturbed: Callable[[str], Traced]) -> None:
    assert undisturbed(PLAIN).lines[0].startswith("cpu (")


def test_a_second_call_keeps_every_shard(
    study: Study, undisturbed: Callable[[str], Traced], tmp_path: Path
) -> None:
    results = copied(undisturbed(PLAIN), tmp_path)
    again = trace_cell(study, PLAIN, prompts(), results)
    n_shards = sum(len(job.shards) for job in again.jobs)
    kept = [int(line.split()[0]) for line in told(again)]
    assert sum(kept) == n_shards
    assert again.exact_bytes() == undisturbed(PLAIN).exact_bytes()


def test_shuffled_prompts_give_the_same_files(
    study: Study, undisturbed: Callable[[str], Traced], tmp_path: Path
) -> None:
    shuffled = trace_cell(study, PLAIN, prompts(TEXTS[::-1]), tmp_path)
    assert shuffled.exact_bytes() == undisturbed(PLAIN).exact_bytes()


def test_rows_do_not_depend_on_the_number_of_shards(
    pair: Pair, undisturbed: Callable[[str], Traced], tmp_path: Path
) -> None:
    other = tiny_study(pair, HEURISTIC, samples=2, shards={"number": 1, "per_job": 1})
    trace = trace_cell(other, PLAIN, prompts(), tmp_path)
    for kind in ("traces", "rounds"):
        assert trace.rows(kind) == undisturbed(PLAIN).rows(kind)


def test_texts_can_be_rebuilt_from_the_files_of_all_jobs(undisturbed: Callable[[str], Traced]) -> None:
    trace = undisturbed(PLAIN)
    texts = rebuild(trace.table("traces"), trace.table("rounds"))
    assert set(texts) == {(prompt, sample) for prompt in prompts() for sample in (0, 1)}
    emitted = sum(row["emitted"] for row in trace.rows("rounds"))
    assert sum(len(text) for text in texts.values()) == emitted


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that lets so many prompts be traced and then breaks off, as a killed job does."""

    def arrange(n_prompts: int) -> None:
        traced = []
        record = Assisted.record

        def breaking(self: Assisted, *args: Any, **kwargs: Any) -> Any:
            if len(traced) == n_prompts:
                raise KeyboardInterrupt
            traced.append(1)
            return record(self, *args, **kwargs)

        monkeypatch.setattr(Assisted, "record", breaking)

    return arrange


@pytest.mark.slow
@pytest.mark.parametrize(("n_prompts", "setting"), thinned([1, 4, 9], [PLAIN, CARRYING]))
def test_an_interrupted_trace_ends_byte_equal_to_an_undisturbed_one(
    setting: str,
    n_prompts: int,
    study: Study,
    undisturbed: Callable[[str], Traced],
    stop_after: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    stop_after(n_prompts)
    with pytest.raises(KeyboardInterrupt):
        trace_cell(study, setting, prompts(), tmp_path)
    monkeypatch.undo()
    resumed = trace_cell(study, setting, prompts(), tmp_path)
    assert resumed.exact_bytes() == undisturbed(setting).exact_bytes()


def test_a_resumed_carried_trace_keeps_its_first_shards(
    study: Study, stop_after: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stop_after(7)  # shards of 3, 3 and 1 prompts: a whole sample
    with pytest.raises(KeyboardInterrupt):
        trace_cell(study, CARRYING, prompts(), tmp_path)
    monkeypatch.undo()
    assert told(trace_cell(study, CARRYING, prompts(), tmp_path)) == [
        "3 shards kept, 3 traced, 0 stale or damaged ones replaced"
    ]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "damage", "setting"),
    thinned(["traces", "rounds"], [truncate, flip_a_bit, Path.unlink], [PLAIN, CARRYING]),
)
def test_a_damaged_shard_is_replaced_and_ends_byte_equal(
    setting: str,
    damage: Callable[[Path], None],
    kind: str,
    study: Study,
    undisturbed: Callable[[str], Traced],
    tmp_path: Path,
) -> None:
    whole = undisturbed(setting)
    results = copied(whole, tmp_path)
    second = sorted((results / kind / whole.cell.folder).glob("*.parquet"))[1]
    damage(second)
    mended = trace_cell(study, setting, prompts(), results)
    assert mended.exact_bytes() == whole.exact_bytes()
    assert sum("1 stale or damaged ones replaced" in line for line in told(mended)) == 1


def test_one_added_prompt_retraces_one_shard_per_sample(
    study: Study, undisturbed: Callable[[str], Traced], tmp_path: Path
) -> None:
    results = copied(undisturbed(PLAIN), tmp_path)
    before = undisturbed(PLAIN).exact_bytes()
    grown = trace_cell(study, PLAIN, prompts([*TEXTS, "w30 w31"]), results)
    after = grown.exact_bytes()
    changed = [name for name in after if name.endswith(".parquet") and before.get(name) != after[name]]
    shards = {Path(name).stem for name in changed}
    assert len(shards) == 2
    assert {shard.split("-")[0] for shard in shards} == {"s000", "s001"}


def test_one_more_sample_traces_only_that_sample(
    pair: Pair, undisturbed: Callable[[str], Traced], tmp_path: Path
) -> None:
    results = copied(undisturbed(PLAIN), tmp_path)
    before = undisturbed(PLAIN).exact_bytes()
    more = trace_cell(tiny_study(pair, HEURISTIC, samples=3), PLAIN, prompts(), results)
    after = more.exact_bytes()
    assert {name: after[name] for name in before} == before
    assert {Path(name).name.split("-")[0] for name in set(after) - set(before)} == {"s002"}


def test_two_samples_of_a_prompt_differ(undisturbed: Callable[[str], Traced]) -> None:
    trace = undisturbed(PLAIN)
    texts = rebuild(trace.table("traces"), trace.table("rounds"))
    assert all(texts[prompt, 0] != texts[prompt, 1] for prompt in prompts())


def first_requests(trace: Traced) -> dict[tuple[int, int], int]:
    """Return γ of each (sample, prompt)'s first round."""
    return {
        (row["sample"], row["prompt"]): row["requested"] for row in trace.rows("rounds") if row["round"] == 0
    }


def test_carried_state_makes_the_order_of_prompts_matter(
    study: Study, undisturbed: Callable[[str], Traced], tmp_path: Path
) -> None:
    forward = first_requests(undisturbed(CARRYING))
    backward = first_requests(trace_cell(study, CARRYING, prompts(TEXTS[::-1]), tmp_path))
    print(f"γ of first rounds: {list(forward.values())} forward, {list(backward.values())} backward")
    assert forward != backward
    assert set(first_requests(undisturbed(PLAIN)).values()) == {5}


def test_carried_state_is_what_transformers_leaves_behind(undisturbed: Callable[[str], Traced]) -> None:
    rounds = undisturbed(CARRYING).rows("rounds")
    order = [(sample, prompt) for sample in (0, 1) for prompt in prompts()]
    gamma = 5
    for sample, prompt in order:
        for row in rounds:
            if (row["sample"], row["prompt"]) == (sample, prompt):
                assert row["requested"] == gamma
                gamma = gamma + 2 if row["emitted"] == row["drafted"] + 1 else max(1, gamma - 1)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"decodings": {"sampled": {"max_new_tokens": 15}}},
        {"decodings": {"sampled": {"max_new_tokens": 16, "temperature": 0.9}}},
        {"prompt_format": {"kind": "raw", "user": "Go on."}},
    ],
    ids=["seed", "length", "temperature", "prompt format"],
)
def test_another_config_replaces_the_jobs_own_shards_and_says_so(
    change: dict[str, Any], pair: Pair, undisturbed: Callable[[str], Traced], tmp_path: Path
) -> None:
    results = copied(undisturbed(PLAIN), tmp_path)
    one = prompts(TEXTS[:1])
    (first, _) = plan_jobs(tiny_study(pair, HEURISTIC, samples=2), "sampled", PLAIN, list(one))
    changed = trace_cell(tiny_study(pair, HEURISTIC, **change), PLAIN, one, results)
    assert changed.jobs[0].shards[0].name == first.shards[0].name
    assert told(changed) == ["0 shards kept, 0 traced, 1 stale or damaged ones replaced"]


@pytest.mark.parametrize("name", ["torch", "transformers"])
def test_shards_of_another_library_release_are_replaced_and_the_log_names_both(
    name: str,
    study: Study,
    undisturbed: Callable[[str], Traced],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    results = copied(undisturbed(PLAIN), tmp_path)
    now = load._versions()
    monkeypatch.setattr(load, "_versions", lambda: now | {name: "9.8.7"})
    again = trace_cell(study, PLAIN, prompts(), results)
    assert all(line.startswith("0 shards kept, 0 traced, ") for line in told(again))
    n_shards = len(again.jobs[0].shards)
    lines = [line for line in again.lines if "were made with" in line]
    assert len(lines) == len(again.jobs)
    assert lines[0].startswith(f"{n_shards} shards were made with torch {now['torch']}, transformers ")
    before, after = lines[0].split("; they are traced again with ")
    assert f"{name} {now[name]}" in before
    assert f"{name} 9.8.7" in after
    assert again.metadata()[name] == "9.8.7"


def test_a_pair_placed_by_device_map_gives_the_same_rows(
    pair: Pair, undisturbed: Callable[[str], Traced], tmp_path: Path
) -> None:
    placed = Pair(
        target=pair.target.model_copy(update={"model_kwargs": {"device_map": "cpu"}}),
        draft=pair.draft.model_copy(update={"model_kwargs": {"device_map": "cpu"}}),
    )
    trace = trace_cell(tiny_study(placed, HEURISTIC, samples=2), PLAIN, prompts(), tmp_path)
    assert trace.metadata()["pair"]["draft"]["model_kwargs"] == {"device_map": "cpu"}
    for kind in ("traces", "rounds"):
        assert trace.rows(kind) == undisturbed(PLAIN).rows(kind)


def test_names_and_listed_settings_alone_make_no_shard_stale(
    pair: Pair, undisturbed: Callable[[str], Traced], tmp_path: Path
) -> None:
    results = copied(undisturbed(PLAIN), tmp_path)
    block = {"sampled": {"max_new_tokens": 16, "settings": [PLAIN]}}
    relisted = tiny_study(pair, HEURISTIC, CARRIED, samples=2, decodings=block, limit=3, unit=None)
    trace_cell(relisted, PLAIN, prompts(), results)
    trace = trace_cell(relisted, PLAIN, prompts(), results)
    assert all("0 traced, 0 stale" in line for line in told(trace))


def test_shards_of_prompts_no_longer_wanted_are_left_alone_and_not_listed(
    study: Study, undisturbed: Callable[[str], Traced], tmp_path: Path
) -> None:
    results = copied(undisturbed(PLAIN), tmp_path)
    kept = {path.name for path in (results / "traces").rglob("*.parquet")}
    fewer = trace_cell(study, PLAIN, prompts(TEXTS[:1]), results)
    assert {path.name for path in (results / "traces").rglob("*.parquet")} == kept
    assert {row["prompt"] for row in fewer.rows("rounds")} == set(prompts(TEXTS[:1]))


def test_a_prompt_longer_than_the_context_is_refused_before_weights_are_loaded(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "specgap.models.load.open_weights", lambda *_a, **_k: pytest.fail("weights were read")
    )
    study = tiny_study(pair, HEURISTIC)
    long = prompts(["w5", " ".join(["w6"] * 250)])
    with pytest.raises(
        ModelError, match="has 250 tokens and decoding adds up to 16, 266 in all; wanted at most"
    ):
        trace_cell(study, PLAIN, long, tmp_path)
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_prompt_without_tokens_is_refused(pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(SpecgapError, match="token"):
        trace_cell(tiny_study(pair, HEURISTIC), PLAIN, prompts([" "]), tmp_path)


def test_temporary_files_of_a_killed_job_are_cleared(study: Study, tmp_path: Path) -> None:
    one = prompts(TEXTS[:1])
    trace = trace_cell(study, PLAIN, one, tmp_path)
    whole = next((tmp_path / "traces").rglob("*.parquet"))
    part = whole.with_name(f".{whole.name}.4711.part")
    part.touch()
    whole.unlink()
    trace_cell(study, PLAIN, one, tmp_path)
    assert not part.exists()
    assert trace.exact_bytes()
