"""One tiny study, made step by step and undisturbed, and the process that runs steps."""

import fcntl
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.server import Server
from tests.faults.study import Study, make_study


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, worker_id: str, server: Server) -> Study:
    """The study, whole, made once for all test processes: look, do not touch."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared if worker_id == "master" else shared.parent
    known = shared / "faults.study"
    with (shared / "faults.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not known.exists():
            known.write_bytes(pickle.dumps(make_study(shared / "faults", server)))
    made: Study = pickle.loads(known.read_bytes())
    return made


@pytest.fixture
def study(undisturbed: Study, tmp_path: Path) -> Iterator[Study]:
    """A whole copy, to be broken."""
    yield undisturbed.copied(tmp_path / "study")
    shutil.rmtree(tmp_path / "study")
