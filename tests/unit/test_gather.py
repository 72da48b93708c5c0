"""What is taken over of a study that is still being traced: whole shards that are as the study is now."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from specgap.config import Study
from specgap.errors import ConfigError, TraceError
from specgap.gather import gather, so_far
from specgap.layout import Cell, Job, done_file, plan_jobs, shard_file, sidecar_file
from specgap.prompts import PromptSet
from specgap.prompts.promptset import Row
from specgap.settings import Pair
from specgap.trace import collect_job
from specgap.trace.collect_paths import collect_paths_job
from specgap.trace.collect_tails import collect_tails_job
from specgap.trace.done import read_done, shard_files
from specgap.unfinished import left_out, narrowed
from tests.support.tiny_models import random_pair
from tests.support.tracing import prompts, tiny_study

pytestmark = pytest.mark.slow

SETTINGS = (
    {"schedule": "constant", "num_assistant_tokens": 3},
    {"schedule": "heuristic", "num_assistant_tokens": 2, "carry_state": True},
    {"schedule": "constant", "num_assistant_tokens": 2, "collector": "replay"},
)
REAL, CARRIED, PATHS = (Cell("tiny", "sampled", name) for name in ("constant-3", "heuristic-2-carried", ""))


def prompt_set() -> PromptSet:
    rows = (
        Row(prompt, text, {"group": ("all",)}, None, None, None, "") for prompt, text in prompts().items()
    )
    return PromptSet(tuple(rows), ("group",), None, None, (), None)


def study_in(results: Path, pair: Pair, **keys: object) -> Study:
    return tiny_study(pair, *SETTINGS, results=str(results), **keys)


def collect(study: Study, cells: Sequence[Cell]) -> None:
    texts, results = prompts(), Path(study.results)
    for cell in cells:
        for job in jobs_of(study, cell):
            if cell.setting:
                collect_job(study, cell, job, texts, results=results, log=lambda _: None)
                continue
            for collector in (collect_paths_job, collect_tails_job):
                collector(study, cell.pair, cell.decoding, job, texts, results=results, log=lambda _: None)


def jobs_of(study: Study, cell: Cell) -> list[Job]:
    return plan_jobs(study, cell.decoding, cell.setting, prompt_set().distinct)


def shards_of(study: Study, cell: Cell) -> list[str]:
    return [shard.name for job in jobs_of(study, cell) for shard in job.shards]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return random_pair(tmp_path_factory.mktemp("pair"), seed=1, draft_noise=0.2)


@pytest.fixture(scope="module")
def traced(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = study_in(tmp_path_factory.mktemp("traced") / "results", pair)
    collect(study, [REAL, CARRIED, PATHS])
    for kind in ("vocabularies", "prompts"):
        (Path(study.results) / kind).mkdir()
        (Path(study.results) / kind / "tiny.parquet").touch()
    return study


@pytest.fixture
def study(traced: Study, tmp_path: Path) -> Study:
    """A copy of the traced study, to be looked at as a partial one."""
    results = tmp_path / "results"
    shutil.copytree(traced.results, results)
    return traced.model_copy(update={"results": str(results), "partial": True})


def gathered(study: Study, cell: Cell) -> list[str]:
    """Gather a run and return the shards that its done files list, the files of which must be sound."""
    narrow = narrowed(study)
    gather(narrow, cell, prompt_set(), log=lambda _: None)
    kinds = ("traces", "rounds") if cell.setting else ("paths", "tails")
    found = []
    for kind in kinds:
        first = kind if not cell.setting else "traces"
        done = [done_file(Path(narrow.results), cell, job.name, first) for job in jobs_of(study, cell)]
        found.append([shard.name for path in done for shard in read_done(path).shards])
        assert [file.path.stem for file in shard_files(Path(narrow.results), done, kind)] == found[-1]
    assert all(names == found[0] for names in found)
    return found[0]


def whole_file(study: Study, kind: str, cell: Cell, shard: str) -> Path:
    return shard_file(Path(study.results), kind, cell, shard)


def taken(study: Study, kind: str, cell: Cell, shard: str) -> Path:
    return shard_file(Path(narrowed(study).results), kind, cell, shard)


@pytest.mark.parametrize(
    ("cell", "kinds"),
    [(REAL, ("traces", "rounds", "timings")), (CARRIED, ("traces", "rounds")), (PATHS, ("paths", "tails"))],
    ids=["rounds", "carried", "paths"],
)
def test_a_study_that_has_ended_is_taken_over_whole(study: Study, cell: Cell, kinds: Sequence[str]) -> None:
    assert gathered(study, cell) == shards_of(study, cell)
    narrow = narrowed(study)
    for kind in kinds:
        for shard in shards_of(study, cell):
            assert taken(study, kind, cell, shard).samefile(whole_file(study, kind, cell, shard))
    for job in jobs_of(study, cell):
        files = [done_file(Path(one.results), cell, job.name, kinds[0]) for one in (study, narrow)]
        assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(
    ("cell", "kind"), [(REAL, "rounds"), (REAL, "traces"), (PATHS, "paths"), (PATHS, "tails")]
)
def test_a_shard_that_is_not_whole_is_left_out_alone(study: Study, cell: Cell, kind: str) -> None:
    missing, cut, half, *rest = shards_of(study, cell)
    whole_file(study, kind, cell, missing).unlink()
    file = whole_file(study, kind, cell, cut)
    file.write_bytes(file.read_bytes()[:-1])
    first = "traces" if cell.setting else kind
    sidecar_file(Path(study.results), first, cell, half).unlink()
    assert gathered(study, cell) == rest


def test_a_job_without_shards_is_a_job_that_lists_none(study: Study) -> None:
    first, *others = jobs_of(study, REAL)
    for job in others:
        for shard in job.shards:
            sidecar_file(Path(study.results), "traces", REAL, shard.name).unlink()
        done_file(Path(study.results), REAL, job.name).unlink()
    assert gathered(study, REAL) == [shard.name for shard in first.shards]
    n = sum(len(shard.prompts) for shard in first.shards)
    assert so_far(narrowed(study), REAL, prompt_set()) == f"{n} of 7 continuations traced so far"


def test_a_run_without_shards_has_no_figures_and_the_models_of_its_pair(study: Study) -> None:
    shutil.rmtree(Path(study.results) / "traces" / REAL.folder)
    assert gathered(study, REAL) == []
    assert narrowed(study).absent == [REAL.folder]
    done = [done_file(Path(narrowed(study).results), REAL, job.name) for job in jobs_of(study, REAL)]
    known = read_done(done_file(Path(study.results), PATHS, jobs_of(study, PATHS)[0].name, "paths"))
    assert all(read_done(path).facts == known.facts for path in done)


def test_shards_of_another_seed_are_left_out(study: Study, pair: Pair) -> None:
    other = study_in(Path(study.results), pair, seed=5)
    job, *_ = jobs_of(study, REAL)
    collect_job(other, REAL, job, prompts(), results=Path(study.results), log=lambda _: None)
    old = [shard for shard in shards_of(study, REAL) if shard not in {one.name for one in job.shards}]
    assert gathered(study, REAL) == old
    # As the study is with the other seed, it is the other way round.
    now = other.model_copy(update={"partial": True})
    assert gathered(now, REAL) == [shard.name for shard in job.shards]
    with pytest.raises(TraceError, match=r"no shard of pair 'tiny' .* is of the config and prompts"):
        gathered(now.model_copy(update={"seed": 6}), REAL)


def test_what_is_taken_over_stays_when_a_shard_is_written_again(study: Study, pair: Pair) -> None:
    assert gathered(study, REAL) == shards_of(study, REAL)
    shard = shards_of(study, REAL)[0]
    before = taken(study, "traces", REAL, shard).read_bytes()
    collect(study_in(Path(study.results), pair, seed=5), [REAL])
    assert whole_file(study, "traces", REAL, shard).read_bytes() != before
    assert taken(study, "traces", REAL, shard).read_bytes() == before


def test_a_filesystem_without_hard_links_gets_copies(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.link", refuse)
    assert gathered(study, REAL) == shards_of(study, REAL)
    shard = shards_of(study, REAL)[0]
    assert not taken(study, "traces", REAL, shard).samefile(whole_file(study, "traces", REAL, shard))


def test_a_study_without_shards_or_vocabulary_is_one_sentence(study: Study) -> None:
    (Path(study.results) / "vocabularies/tiny.parquet").unlink()
    with pytest.raises(ConfigError, match="no pair with a whole shard and its vocabulary yet"):
        narrowed(study)


def test_replays_that_carry_state_are_left_out_by_name(pair: Pair, tmp_path: Path, traced: Study) -> None:
    carried = {"schedule": "heuristic", "num_assistant_tokens": 4, "collector": "replay", "carry_state": True}
    whole = tiny_study(pair, *SETTINGS, carried, results=traced.results)
    study = whole.model_copy(update={"partial": True})
    name = whole.settings[-1].name
    assert name in [setting.name for setting in whole.settings_of("sampled")]
    assert name not in [setting.name for setting in study.settings_of("sampled")]
    assert any(name in notice for notice in left_out(study, narrowed(study)))
