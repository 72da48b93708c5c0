"""One Slurm for all tests of this folder, in however many processes, and what a run without it gives."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.lab import Cluster, Lab, digests, pause_after_shards, wait_until
from tests.support.sandbox import Sandbox
from tests.support.size import SIZE
from tests.support.tiny_study import prepare_study
from tests.support.warm import warm

#: Where the Slurm lies, for this process and those it starts. A short path: sockets have no long names.
LAB = Path(os.environ.setdefault("SPECGAP_LAB", f"{tempfile.gettempdir()}/specgap-slurm-{os.getpid()}"))
#: Real rounds, one shard after the other, up to their counts: what the faults are tried on.
ROUNDS = {"collector": "assisted", "shards": {"number": 6, "per_job": SIZE.shards_per_job}}
COUNTED = "results/aggregates/tiny/sampled/heuristic-3/state.rust_agg"
#: How many tests need the Slurm alone.
N_ALONE = pytest.StashKey[int]()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Let tests that need the Slurm alone come first: no process has another test before one of them."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
    yield  # what is not asked for is taken out
    items.sort(key=lambda item: not _is_alone(item))
    config.stash[N_ALONE] = sum(map(_is_alone, items))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take the Slurm down when the processes that share it are through."""
    if hasattr(session.config, "workerinput") or not LAB.exists():
        return
    if (LAB / "env.sh").exists():
        Lab(LAB).down()
    shutil.rmtree(LAB)


def _is_alone(item: pytest.Item) -> bool:
    return "alone" in getattr(item, "fixturenames", ())


@contextmanager
def turn(file: Path) -> Iterator[None]:
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of all processes."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def slurm(shared: Path) -> Lab:
    """The Slurm, brought up by the first that needs it."""
    return brought_up(shared)


def brought_up(shared: Path) -> Lab:
    with turn(shared / "slurm.lock"):
        if not (LAB / "env.sh").exists():
            Lab(LAB).up()
    return Lab(LAB)


@pytest.fixture
def alone() -> None:
    """Ask that no other test uses the Slurm meanwhile."""


@pytest.fixture
def lab(slurm: Lab, shared: Path, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The Slurm: for each test that needs it `alone`, then for all others at a time."""
    if "alone" not in request.fixturenames:
        wait_until(
            lambda: len([*shared.glob("*.alone")]) == request.config.stash[N_ALONE], "tests that are alone"
        )
        yield slurm
        return
    with turn(shared / "alone.lock"):
        try:
            yield slurm
        finally:
            (shared / f"{request.node.name}.alone").touch()


@pytest.fixture(scope="session")
def rounds(shared: Path) -> Sandbox:
    """A study of real rounds, not yet run, whose jobs can be made slower."""

    def make(folder: Path) -> None:
        pause_after_shards(prepare_study(folder, **ROUNDS))

    return made_once(shared / "rounds", make)


@pytest.fixture(scope="session")
def counted(rounds: Sandbox, shared: Path) -> dict[str, str]:
    """Digests of the results of a study of real rounds, run on this machine alone up to its counts."""

    def make(folder: Path) -> None:
        shutil.copytree(rounds.folder, folder)
        # Mostly waiting and downloads: meanwhile there is time for a study.
        with ThreadPoolExecutor() as beside, warm():
            slurm = beside.submit(brought_up, shared)
            run = Sandbox(folder).snakemake("--", COUNTED)
        assert run.code == 0, run.output
        slurm.result()

    return digests(made_once(shared / "counted", make))


@pytest.fixture
def cluster(lab: Lab, rounds: Sandbox, tmp_path: Path) -> Iterator[Cluster]:
    """A copy of the study of real rounds, ready to be submitted."""
    with copied(lab, rounds, tmp_path) as cluster:
        yield cluster


@contextmanager
def copied(
    lab: Lab, sandbox: Sandbox, folder: Path, profile: str = "profiles/slurm", **variables: str
) -> Iterator[Cluster]:
    """Copy a study, to be submitted with these variables; none of its jobs outlives the block."""
    shutil.copytree(sandbox.folder, folder / "study")
    cluster = Cluster(lab, Sandbox(folder / "study", variables), profile)
    try:
        yield cluster
    finally:
        cluster.cancel()


def made_once(folder: Path, make: Callable[[Path], None]) -> Sandbox:
    """Return what `make` puts into a folder, for the first process that asks, while all others wait."""
    with turn(folder.with_suffix(".lock")):
        if not folder.exists():
            beside = folder.with_suffix(".making")
            make(beside)
            beside.rename(folder)
    return Sandbox(folder)
