"""How a trace is cut into shards and jobs."""

from hypothesis import given
from hypothesis import strategies as st

from specgap.config import Study, parse
from specgap.layout import Job, plan_jobs

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
