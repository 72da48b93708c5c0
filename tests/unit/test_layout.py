"""How a trace is cut into shards and jobs."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specgap.config import Study, parse
from specgap.errors import TraceError
from specgap.layout import (
    ALL_PAIRS,
    Cell,
    Job,
    compared_cells,
    compared_pairs,
    counted_files,
    done_file,
    find_job,
    path_cells,
    plan_jobs,
    plan_parts,
    shard_file,
    stored_cells,
)

CELL = Cell("tiny", "sampled", "h")
numbers = st.integers(1, 9)
ids = st.lists(st.integers(0, 2**64 - 1), unique=True, min_size=1, max_size=60)


def study(**keys: object) -> Study:
    return parse({"shards": {"number": 4, "per_job": 2}, **keys}, source="test")


def plan(prompts: list[int], *, carried: bool = False, **keys: object) -> list[Job]:
    setting = {"schedule": "heuristic", "num_assistant_tokens": 5, "carry_state": carried, "name": "h"}
    return plan_jobs(study(settings=[setting], **keys), "sampled", "h", prompts)


def pieces(jobs: list[Job]) -> set[tuple[str, int, tuple[int, ...]]]:
    return {(shard.name, shard.sample, shard.prompts) for job in jobs for shard in job.shards}


@given(ids, st.integers(1, 3), st.booleans())
def test_every_prompt_is_traced_once_per_sample(prompts: list[int], samples: int, carried: bool) -> None:
    jobs = plan(prompts, samples=samples, carried=carried)
    traced = [(shard.sample, prompt) for job in jobs for shard in job.shards for prompt in shard.prompts]
    assert sorted(traced) == sorted((sample, prompt) for sample in range(samples) for prompt in prompts)


@given(ids, st.randoms())
def test_the_order_of_the_prompt_file_changes_no_shard(prompts: list[int], random: object) -> None:
    shuffled = prompts.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert plan(shuffled) == plan(prompts)


@given(ids, st.integers(0, 2**64 - 1))
def test_an_added_prompt_touches_one_shard_of_each_sample(prompts: list[int], added: int) -> None:
    if added in prompts:
        return
    changed = pieces(plan([*prompts, added], samples=3)) - pieces(plan(prompts, samples=3))
    assert sorted(sample for _, sample, _ in changed) == [0, 1, 2]


@given(ids)
def test_an_added_sample_leaves_the_other_jobs_alone(prompts: list[int]) -> None:
    fewer, more = plan(prompts, samples=2), plan(prompts, samples=3)
    assert more[: len(fewer)] == fewer
    assert {shard.sample for job in more[len(fewer) :] for shard in job.shards} == {2}


@given(ids)
def test_a_carried_trace_is_one_job_in_listed_order(prompts: list[int]) -> None:
    (job,) = plan(prompts, samples=2, carried=True)
    assert [prompt for shard in job.shards for prompt in shard.prompts] == prompts * 2
    assert [shard.sample for shard in job.shards] == sorted(shard.sample for shard in job.shards)


def test_a_job_computes_a_group_of_shards() -> None:
    jobs = plan(list(range(8)))
    assert [(job.name, [shard.name for shard in job.shards]) for job in jobs] == [
        ("s000-j0000", ["s000-p0000", "s000-p0001"]),
        ("s000-j0001", ["s000-p0002", "s000-p0003"]),
    ]


def part_of(jobs: list[Job], number: int) -> dict[str, str]:
    return {job.name: part for part, dealt in plan_parts(jobs, number).items() for job in dealt}


@given(ids, st.integers(1, 3), numbers)
def test_every_job_is_in_one_part_and_no_part_is_empty(prompts: list[int], samples: int, number: int) -> None:
    jobs = plan(prompts, samples=samples)
    parts = plan_parts(jobs, number)
    assert Counter(job.name for dealt in parts.values() for job in dealt) == Counter(job.name for job in jobs)
    assert all(parts.values())
    assert len(parts) <= number


@given(ids, st.integers(0, 2**64 - 1), numbers)
def test_more_prompts_and_samples_move_no_job_to_another_part(
    prompts: list[int], added: int, number: int
) -> None:
    before = part_of(plan(prompts, samples=2), number)
    after = part_of(plan([added, *(prompt for prompt in prompts if prompt != added)], samples=3), number)
    assert before.items() <= after.items()


@given(st.integers(1, 5), numbers)
def test_parts_of_a_whole_plan_differ_by_one_job_at_most(samples: int, number: int) -> None:
    sizes = [len(dealt) for dealt in plan_parts(plan(list(range(8)), samples=samples), number).values()]
    assert max(sizes) - min(sizes) <= 1


def names(jobs: list[Job], number: int, part: str | None = None) -> list[str]:
    files = counted_files(Path("results"), CELL, plan_parts(jobs, number), part)
    return [str(file).removeprefix("results/") for file in files]


def test_a_cell_of_one_part_is_counted_from_its_done_files() -> None:
    whole = [f"traces/tiny/sampled/h/s000-j000{number}.done.json" for number in (0, 1)]
    assert names(plan(list(range(8))), 1) == whole
    assert names(plan(list(range(8)), carried=True), 5) == ["traces/tiny/sampled/h/carried.done.json"]


def test_a_cell_of_several_parts_is_counted_from_their_states() -> None:
    jobs = plan(list(range(8)))
    assert names(jobs, 5) == [f"aggregates/tiny/sampled/h/parts/{part}-of-5.rust_agg" for part in (1, 2)]
    assert names(jobs, 5, "2-of-5") == ["traces/tiny/sampled/h/s000-j0001.done.json"]


def test_parts_dealt_in_another_way_are_other_files() -> None:
    jobs = plan(list(range(8)), samples=3)
    assert not set(names(jobs, 2)) & set(names(jobs, 5))
    with pytest.raises(TraceError, match="tiny/sampled/h has no part '1-of-5'; wanted one of 1-of-2, 2-of-2"):
        names(jobs, 2, "1-of-5")


def test_paths_and_tails_are_of_no_setting() -> None:
    cell = Cell("tiny", "sampled")
    assert (
        str(shard_file(Path("r"), "paths", cell, "s000-p0001")) == "r/paths/tiny/sampled/s000-p0001.parquet"
    )
    assert (
        str(done_file(Path("r"), cell, "s000-j0000", "tails")) == "r/tails/tiny/sampled/s000-j0000.done.json"
    )


@given(ids, st.integers(1, 3))
def test_paths_are_cut_as_a_setting_is_that_carries_nothing(prompts: list[int], samples: int) -> None:
    setting = {"schedule": "heuristic", "num_assistant_tokens": 5, "name": "h"}
    several = study(settings=[setting], samples=samples)
    assert plan_jobs(several, "sampled", "", prompts) == plan_jobs(several, "sampled", "h", prompts)
    with pytest.raises(TraceError, match="sampled has no job 'x'; wanted one of s000-j000"):
        find_job(several, "sampled", "", prompts, "x")


def test_cells_with_records_are_those_with_figures_or_real_rounds() -> None:
    settings = [
        {"schedule": "constant", "num_assistant_tokens": [1, 2]},
        {"schedule": "constant", "num_assistant_tokens": 1, "collector": "batched"},
    ]
    both = {"sampled": {}, "greedy": {"mode": "greedy", "settings": ["constant-1-batched"]}}
    several = parse(
        {"settings": settings, "decodings": both, "figures": {"settings": ["constant-2"]}}, source="test"
    )
    assert [cell.folder for cell in stored_cells(several)] == [
        "demo/sampled/constant-2",
        "demo/sampled/constant-1-batched",
        "demo/greedy/constant-1-batched",
    ]
    assert [cell.folder for cell in path_cells(several)] == ["demo/sampled"]


TWO_PAIRS = {name: {"target": "./t", "draft": f"./{name}"} for name in ("one", "two")}


def test_pairs_are_compared_at_the_main_setting_of_every_decoding_that_has_two() -> None:
    two = study(pairs=TWO_PAIRS, decodings={"sampled": {}, "greedy": {"mode": "greedy"}})
    assert compared_cells(two) == [Cell(ALL_PAIRS, name, "heuristic-5") for name in ("sampled", "greedy")]
    assert compared_cells(study(pairs={"one": TWO_PAIRS["one"]})) == []
    undrawn = {
        "decodings": {"sampled": {"settings": ["constant-5"]}},
        "figures": {"settings": ["constant-20"]},
    }
    assert compared_cells(study(pairs=TWO_PAIRS, **undrawn)) == []


def test_a_pair_that_a_partial_study_lacks_is_not_compared() -> None:
    three = study(pairs={**TWO_PAIRS, "three": {"target": "./t", "draft": "./three"}})
    lacking = three.model_copy(update={"absent": ["two/sampled/heuristic-5"]})
    assert compared_pairs(lacking, "sampled") == ["one", "three"]
    fewer = three.model_copy(update={"absent": [f"{name}/sampled/heuristic-5" for name in ("two", "three")]})
    assert compared_cells(fewer) == []
