"""Runs of pytest in children of this process, which has imported the libraries, but never specgap.

Of a run of a few tests nine seconds of ten are imports. A child sees the tests and the package of its tree.
"""

import json
import math
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.mutations.trees import Tree
from tests.support.forking import import_for_children

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

#: Wall time of a run as a multiple of the CPU time that it may take.
_PATIENCE = 30.0
_INTERNAL = 3  # pytest's code of its own errors


class BrokenSuiteError(Exception):
    """The tests of a tree cannot be run at all."""


#: What is said to have failed where a process ended before it could say so.
DIED = "the process of the tests died"


@dataclass(frozen=True)
class Ran:
    """How a run of tests ended, and at which."""

    failed: str | None  # node id of the first test that failed, or why no test could be run
    code: int  # of pytest; 4: a test that was asked for is not there
    seconds: float
    late: bool = False  # it was ended since it took too long


@dataclass(eq=False)
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
    import_for_children(_LIBRARIES)


def collect(tree: Tree, arguments: Sequence[str]) -> list[str]:
    """Return the node ids of the tests that these arguments of pytest select in a tree."""
    out = _in_child(tree, [*arguments, "--collect-only", "-n", "0"], 900, None)
    if not out["tests"]:
        raise BrokenSuiteError(
            f"no tests could be collected in {tree.folder}; see {tree.known}/log-{os.getpid()}"
        )
    return list(out["tests"])


def run_tests(tree: Tree, tests: Sequence[str], limit: float, extension: Path | None = None) -> Ran:
    """Run tests in this order up to the first that fails; after `limit` seconds of CPU the run is ended."""
    asked = tree.known / f"asked-{os.getpid()}"
    asked.write_text("\n".join(tests), encoding="utf-8")
    start = time.monotonic()
    out = _in_child(tree, ["-x", "-n", "0", "-m", "", f"@{asked}"], limit, extension)
    if out["code"] == _INTERNAL and out["failed"] is None:
        raise BrokenSuiteError(f"pytest itself failed in {tree.folder}; see {tree.known}/log-{os.getpid()}")
    return Ran(out["failed"], out["code"], round(time.monotonic() - start, 1), out["late"])


def _in_child(tree: Tree, arguments: list[str], limit: float, extension: Path | None) -> dict[str, Any]:
    answer = tree.known / f"answer-{os.getpid()}.json"
    answer.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _child(tree, arguments, limit, extension, answer)
    late = _ends_late(child, limit)
    if late or not answer.exists():
        return {"failed": None if late else DIED, "code": -1, "tests": [], "late": late}
    return {**json.loads(answer.read_text(encoding="utf-8")), "late": False}


def _ends_late(child: int, limit: float) -> bool:
    """Wait for a child; return whether it took too long, in which case all that it started is killed too.

    Its own seconds of CPU are what counts, since machines are shared; what waits for others is given longer.
    """
    end = time.monotonic() + _PATIENCE * limit
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def _child(tree: Tree, arguments: list[str], limit: float, extension: Path | None, answer: Path) -> None:
    """Run pytest in a tree, write down how it ended, and end."""
    code, watch = -1, _Watch()
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(limit), resource.RLIM_INFINITY))
        _enter(tree, extension)
        import pytest

        base = f"--basetemp={tree.known / f'temporary-{os.getppid()}'}"
        # Plugins of pytest are among what the libraries have imported.
        quiet = ["-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        code = int(pytest.main([*quiet, base, *arguments], plugins=[watch]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
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
