"""Runs of pytest in children of this process, which has imported the libraries, but never specgap.

Of a run of a few tests nine seconds of ten are imports. A child sees the tests and the package of its tree.
"""

import gc
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.mutations.trees import Tree

_LIBRARIES = (
    *(
        "jinja2",
        "matplotlib.backends.backend_agg",
        "matplotlib.backends.backend_pdf",
        "pandas",
        "PIL.PngImagePlugin",
    ),
    *(
        "pyarrow.compute",
        "pyarrow.parquet",
        "pydantic",
        "scipy.optimize",
        "scipy.stats",
        "torch",
        "typer",
        "yaml",
    ),
    *(
        "transformers",
        "transformers.generation.utils",
        "transformers.models.gpt2.modeling_gpt2",
        "statsmodels.api",
    ),
)

#: What is said to have failed where a process ended before it could say so.
DIED = "the process of the tests died"


@dataclass(frozen=True)
class Ran:
    """How a run of tests ended, and at which."""

    failed: str | None  # node id of the first test that failed, or why no test could be run
    code: int  # of pytest; 4: a test that was asked for is not there
    seconds: float
    late: bool = False  # it was ended since it took too long


@dataclass
class _Watch:
    """A plugin of pytest that keeps which tests there are and which failed first."""

    failed: str | None = None
    tests: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and self.failed is None:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and self.failed is None:
            self.failed = f"{report.nodeid} (cannot be collected)"

    def pytest_collection_finish(self, session: Any) -> None:
        self.tests = [item.nodeid for item in session.items]


def import_libraries() -> None:
    """Import what most tests need, once for all children."""
    for name in _LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def collect(tree: Tree, arguments: Sequence[str]) -> list[str]:
    """Return the node ids of the tests that these arguments of pytest select in a tree."""
    out = _in_child(tree, [*arguments, "--collect-only", "-n", "0"], 900, None)
    return list(out["tests"])


def run_tests(tree: Tree, tests: Sequence[str], limit: float, extension: Path | None = None) -> Ran:
    """Run tests in this order up to the first that fails; at `limit` seconds the run is ended."""
    asked = tree.known / f"asked-{os.getpid()}"
    asked.write_text("\n".join(tests), encoding="utf-8")
    start = time.monotonic()
    out = _in_child(tree, ["-x", "-n", "0", "-m", "", f"@{asked}"], limit, extension)
    return Ran(out["failed"], out["code"], round(time.monotonic() - start, 1), out["late"])


def _in_child(tree: Tree, arguments: list[str], limit: float, extension: Path | None) -> dict[str, Any]:
    answer = tree.known / f"answer-{os.getpid()}.json"
    answer.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _child(tree, arguments, extension, answer)
    if not _ends(child, limit):
        return {"failed": None, "code": -1, "tests": [], "late": True}
    if not answer.exists():
        return {"failed": DIED, "code": -1, "tests": [], "late": False}
    return {**json.loads(answer.read_text(encoding="utf-8")), "late": False}


def _ends(child: int, limit: float) -> bool:
    """Return whether a child ends in time; one that does not is killed with all that it started."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _child(tree: Tree, arguments: list[str], extension: Path | None, answer: Path) -> None:
    """Run pytest in a tree, write down how it ended, and end."""
    code, watch = -1, _Watch()
    try:
        os.setsid()
        _enter(tree, extension)
        import pytest

        base = f"--basetemp={tree.known / f'temporary-{os.getppid()}'}"
        code = int(pytest.main(["-q", "-p", "no:cacheprovider", base, *arguments], plugins=[watch]))
    finally:
        _write(answer, {"failed": watch.failed, "code": code, "tests": watch.tests})
        os._exit(0)


def _enter(tree: Tree, extension: Path | None) -> None:
    """Make this process one that was started in the tree."""
    log = os.open(tree.known / f"log-{os.getppid()}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(tree.folder)
    os.environ.clear()
    os.environ.update(tree.environment(extension))
    for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
        del sys.modules[name]
    own = str(Path(__file__).parents[2])
    elsewhere = [path for path in sys.path if path not in ("", own, f"{own}/src")]
    sys.path[:] = [*os.environ["PYTHONPATH"].split(os.pathsep), *elsewhere]
    sys.dont_write_bytecode = True


def _write(path: Path, value: object) -> None:
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(value), encoding="utf-8")
    unfinished.rename(path)
