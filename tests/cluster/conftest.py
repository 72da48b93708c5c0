"""One Slurm for all tests of this folder, and what a run without it gives."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lab import Cluster, Lab, digests, pause_after_shards
from tests.support.sandbox import Sandbox
from tests.support.tiny_study import prepare_study

#: Real rounds, one shard after the other, up to their counts: what the faults are tried on.
ROUNDS = {"collector": "assisted", "shards": {"number": 6, "per_job": 3}}
COUNTED = "results/aggregates/tiny/sampled/heuristic-3/state.rust_agg"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    # A short path: sockets have no long names.
    folder = Path(tempfile.mkdtemp(prefix="specgap-slurm-"))
    lab = Lab(folder)
    try:
        lab.up()
        yield lab
    finally:
        if (folder / "env.sh").exists():
            lab.down()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """The tiny study, not yet run."""
    return prepare_study(tmp_path_factory.mktemp("prepared") / "study")


@pytest.fixture(scope="session")
def whole(prepared: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of all results of the tiny study, run on this machine alone."""
    return _run_locally(prepared, tmp_path_factory.mktemp("whole") / "study")


@pytest.fixture(scope="session")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """A study of real rounds, not yet run, whose jobs can be made slower."""
    sandbox = prepare_study(tmp_path_factory.mktemp("rounds") / "study", **ROUNDS)
    pause_after_shards(sandbox)
    return sandbox


@pytest.fixture(scope="session")
def counted(rounds: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the results of a study of real rounds, run on this machine alone up to its counts."""
    return _run_locally(rounds, tmp_path_factory.mktemp("counted") / "study", COUNTED)


@pytest.fixture
def cluster(lab: Lab, rounds: Sandbox, tmp_path: Path) -> Cluster:
    """A copy of the study of real rounds, ready to be submitted."""
    return copied(lab, rounds, tmp_path)


def copied(lab: Lab, sandbox: Sandbox, folder: Path, profile: str = "profiles/slurm") -> Cluster:
    shutil.copytree(sandbox.folder, folder / "study")
    return Cluster(lab, Sandbox(folder / "study"), profile)


def _run_locally(sandbox: Sandbox, folder: Path, *targets: str) -> dict[str, str]:
    shutil.copytree(sandbox.folder, folder)
    local = Sandbox(folder)
    run = local.snakemake("--", *targets)
    assert run.code == 0, run.output
    return digests(local)
