"""Commands of tiny studies without their start: processes that have imported libraries, and fork for each.

Of the seconds that a dry run or a tiny job takes, nine of ten are imports. In `warm()` a command of a sandbox
is still what its user or its rule types; its Python hands the command over when it starts
(`warm_start/sitecustomize.py`). The servers know nothing of specgap, which each child imports from
its own sandbox. A command whose variables or network differ from the server's, in what libraries see when
they are imported, starts as ever.

`python -m tests.support.warm KIND FOLDER OWNER` is a server: one for all test processes, which ends when the
process OWNER does.
"""

import atexit
import fcntl
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.forking import ended, import_for_children, run_script

ROOT = Path(__file__).parents[2]
START = Path(__file__).parent / "warm_start"


@dataclass(frozen=True)
class Kind:
    """What a server has imported, with which variables, and which variables its libraries read at that."""

    libraries: tuple[str, ...]
    prefixes: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)


KINDS = {
    "job": Kind(
        libraries=(
            "jinja2",
            "matplotlib.backends.backend_agg",
            "matplotlib.backends.backend_pdf",
            "pandas",
            "PIL.PngImagePlugin",
            "pyarrow.compute",
            "pyarrow.parquet",
            "pydantic",
            "scipy.optimize",
            "scipy.stats",
            "statsmodels.regression.mixed_linear_model",
            "statsmodels.stats.libqsturng",
            "statsmodels.stats.multitest",
            "torch",
            "transformers.models.gpt2.modeling_gpt2",
            "transformers.models.gpt2.tokenization_gpt2",
            "transformers.models.gpt_neo.modeling_gpt_neo",
            "typer.main",
        ),
        prefixes=(
            *("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "TOKENIZERS_"),
            *("OMP_", "MPL", "CUDA_", "TORCH", "PYTHONHASHSEED"),
        ),
        # What rules and sandboxes set for every job.
        variables={"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    ),
    "snakemake": Kind(
        libraries=(
            "pyarrow.compute",
            "pyarrow.parquet",
            "pydantic",
            "snakemake.cli",
            "snakemake.report",
            "snakemake.scheduling.job_scheduler",
            "snakemake.workflow",
            "typer.main",
            "yaml",
        ),
        prefixes=("OMP_", "PYTHONHASHSEED", "SNAKEMAKE_", "XDG_"),
        variables={"OMP_NUM_THREADS": "1"},
    ),
}


@contextmanager
def warm() -> Iterator[None]:
    """Let commands of sandboxes that are run in this block start warm; servers stay for the next one."""
    owner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    # A short path: sockets have no long names.
    folder = Path(tempfile.gettempdir()) / f"specgap-warm-{owner}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for kind in KINDS:
            if not (folder / f"{kind}.json").exists():
                _start(kind, folder, owner)
    os.environ["SPECGAP_WARM"] = str(folder)
    try:
        yield
    finally:
        del os.environ["SPECGAP_WARM"]


def _start(kind: str, folder: Path, owner: int) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.warm", kind, str(folder), str(owner)],
        cwd=ROOT,
        env={**os.environ, **KINDS[kind].variables},
        start_new_session=True,
    )
    while not (folder / f"{kind}.json").exists():
        assert server.poll() is None, f"the warm server of {kind} has ended"
        time.sleep(0.05)
    # It is nobody's child to be waited for: it ends with the test run.
    server.returncode = 0


def main(name: str, folder: Path, owner: int) -> None:
    kind = KINDS[name]
    import_for_children(kind.libraries)
    assert "specgap" not in sys.modules
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who serve
    over = os.pidfd_open(owner)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / name))
        listening.listen(64)
        _tell(folder / f"{name}.json", kind)
        while over not in select.select([listening, over], [], [])[0]:
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _serve(connection)
            connection.close()
    shutil.rmtree(folder, ignore_errors=True)


def _tell(file: Path, kind: Kind) -> None:
    variables = {key: value for key, value in os.environ.items() if key.startswith(kind.prefixes)}
    network = str(Path("/proc/self/ns/net").readlink())
    told = {"prefixes": kind.prefixes, "variables": variables, "network": network}
    beside = file.with_suffix(".part")
    beside.write_text(json.dumps(told))
    beside.rename(file)


def _serve(connection: socket.socket) -> None:
    """Run one command for who is connected and return its code to it; end the command when it is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as lines:
        order = json.loads(lines.readline())
    child = os.fork()
    if child == 0:
        connection.close()
        _be_command(order, streams)
    handle = os.pidfd_open(child)
    ready, _, _ = select.select([handle, connection], [], [])
    if handle not in ready:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(OSError):
        connection.sendall(bytes([code if code >= 0 else 128 - code]))
    os._exit(0)


def _be_command(order: dict[str, Any], streams: list[int]) -> None:
    code = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["folder"])
        command = order["argv"]
        module = command[0] == "-m"
        paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        # In place of this module's own folder.
        sys.path[:1] = [order["folder"] if module else str(Path(command[0]).parent), *filter(None, paths)]
        sys.path_importer_cache.clear()
        code = _run_module(command[1:]) if module else run_script(command)
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run_module(command: list[str]) -> int:
    sys.argv = list(command)
    return ended(lambda: runpy.run_module(command[0], run_name="__main__", alter_sys=True))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
