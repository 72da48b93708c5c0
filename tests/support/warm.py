"""Jobs of tiny studies without their start: a process that has imported their libraries, and forks for each.

Of the seconds that such a job takes, nine of ten are imports. In `warm()` a job of a sandbox is still the
command of its rule; its Python hands the script over when it starts (`warm_start/sitecustomize.py`). The
server knows nothing of specgap, which each job imports from its own sandbox. A job whose variables or network
differ from the server's, in what libraries see when they are imported, starts as ever.

`python -m tests.support.warm SOCKET` is the server.
"""

import atexit
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.forking import import_for_children, run_script

ROOT = Path(__file__).parents[2]
START = Path(__file__).parent / "warm_start"
_LIBRARIES = (
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
)
#: Variables that libraries read when they are imported.
_PREFIXES = (
    "HF_",
    "HUGGINGFACE_",
    "TRANSFORMERS_",
    "TOKENIZERS_",
    "OMP_",
    "MPL",
    "CUDA_",
    "TORCH",
    "PYTHONHASHSEED",
)
#: What rules and sandboxes set for every job.
VARIABLES = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


@contextmanager
def warm() -> Iterator[None]:
    """Let jobs of sandboxes that are run in this block start warm."""
    with tempfile.TemporaryDirectory(prefix="specgap-warm-") as folder:
        address = f"{folder}/socket"
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.warm", address],
            cwd=ROOT,
            env={**os.environ, **VARIABLES},
            start_new_session=True,
        )
        os.environ["SPECGAP_WARM"] = address
        try:
            while not Path(f"{address}.json").exists() and server.poll() is None:
                time.sleep(0.1)
            assert server.poll() is None, "the warm server has ended"
            yield
        finally:
            del os.environ["SPECGAP_WARM"]
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def main(address: str) -> None:
    import_for_children(_LIBRARIES)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who serve
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(64)
        _tell(Path(f"{address}.json"))
        while True:
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _serve(connection)
            connection.close()


def _tell(file: Path) -> None:
    variables = {key: value for key, value in os.environ.items() if key.startswith(_PREFIXES)}
    network = str(Path("/proc/self/ns/net").readlink())
    told = {"prefixes": _PREFIXES, "variables": variables, "network": network}
    beside = file.with_suffix(".part")
    beside.write_text(json.dumps(told))
    beside.rename(file)


def _serve(connection: socket.socket) -> None:
    """Run one script for who is connected and return its code to it; end the script when it is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as lines:
        order = json.loads(lines.readline())
    child = os.fork()
    if child == 0:
        connection.close()
        _be_script(order, streams)
    handle = os.pidfd_open(child)
    ready, _, _ = select.select([handle, connection], [], [])
    if handle not in ready:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(OSError):
        connection.sendall(bytes([code if code >= 0 else 128 - code]))
    os._exit(0)


def _be_script(order: dict[str, Any], streams: list[int]) -> None:
    code = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["folder"])
        script = Path(order["argv"][0])
        paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        # In place of the folder of `-m`.
        sys.path[:1] = [str(script.parent), *filter(None, paths)]
        importlib.invalidate_caches()
        code = run_script(order["argv"])
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
