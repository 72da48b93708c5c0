"""Steps run and killed cheaply: a process that has imported what they need, and forks a child for each.

`python -m tests.faults.server` is that process: orders come in, endings go out, one JSON text a line. A child
runs the thin script itself, as a rule's shell command does.
"""

import functools
import itertools
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.support.forking import import_for_children, run_script

ROOT = Path(__file__).parents[2]
#: No step of a tiny study takes as long; in seconds.
MOST_SECONDS = 120
#: What the steps import, so that no child has to; torch starts no thread before a child computes.
_IMPORTED = (
    "specgap.aggregate",
    "specgap.figures.forest",
    "specgap.figures.cells",
    "specgap.figures.difference",
    "specgap.figures.orders",
    "specgap.figures.sweep",
    "specgap.report.study",
    "specgap.replay",
    "specgap.tables.write_settings",
    "specgap.trace.collect",
    "specgap.trace.collect_paths",
    "specgap.trace.collect_tails",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.models.gpt2.tokenization_gpt2",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "typer.main",
)
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")


@dataclass(frozen=True)
class Order:
    """A step to run in `folder`, and what is to happen to it.

    `signal` ends it `after` seconds, or before its `event`-th change to a file below `watched` (from 1).
    There `copies` (from, to) are made instead, if any are given. `memory` is how many bytes of address space
    it may take beyond what it begins with. `no_room`: the forwards of its models, counted from 1, at which
    the device has no memory left; 0 means all of them.
    """

    command: Sequence[str]
    folder: str
    signal: int = 0
    after: float | None = None
    event: int = 0
    watched: str = ""
    copies: Sequence[tuple[str, str]] = ()
    memory: int = 0
    no_room: Sequence[int] = ()


@dataclass(frozen=True)
class Ending:
    """How a step ended: its exit code (minus the signal that ended it), and what it said and changed."""

    code: int
    seconds: float
    output: str
    n_events: int

    @property
    def sentence(self) -> str:
        """The one sentence of bad input; fails where a step ended in any other way."""
        lines = [line for line in self.output.splitlines() if line.startswith("specgap: ")]
        assert self.code == 2, self.output
        assert len(lines) == 1, self.output
        assert "Traceback" not in self.output, self.output
        return lines[0]


class Server:
    """The process, seen from a test."""

    def __init__(self) -> None:
        quiet = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "HF_HUB_OFFLINE"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server"],
            cwd=ROOT,
            env={**os.environ, **quiet, "TOKENIZERS_PARALLELISM": "false", "MPLBACKEND": "agg"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, order: Order) -> Ending:
        """Run a step to whatever end it comes to."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return Ending(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End the process by ending its input."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=MOST_SECONDS)
        self._process.stdout.close()


def main() -> None:
    import_for_children(_IMPORTED)
    for line in sys.stdin:
        print(json.dumps(asdict(_ending(Order(**json.loads(line))))), flush=True)


def _ending(order: Order) -> Ending:
    start = time.perf_counter()
    told, tell = os.pipe()
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.close(told)
            _be_step(order, output.fileno(), tell)
        os.close(tell)
        code = _code_of(child, order)
        output.seek(0)
        said = output.read().decode(errors="replace")
    with os.fdopen(told) as counts:
        n_events = int(counts.read() or 0)
    return Ending(code, time.perf_counter() - start, said, n_events)


def _code_of(child: int, order: Order) -> int:
    handle = os.pidfd_open(child)
    try:
        timed = order.signal and order.after is not None
        if not select.select([handle], [], [], order.after if timed else MOST_SECONDS)[0]:
            os.kill(child, order.signal if timed else signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        os.close(handle)


def _be_step(order: Order, output: int, tell: int) -> None:
    code, watch = 1, _Watch(order)
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(order.folder)
        if order.watched:
            sys.addaudithook(watch)
        if order.no_room:
            _leave_no_room(order.no_room)
        if order.memory:
            _limit_memory(order.memory)
        code = run_script(order.command)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(tell, str(watch.n_events).encode())
        os._exit(code)


class _Watch:
    """Counts what a step changes below a folder, and strikes at one of the changes, before it is made."""

    def __init__(self, order: Order) -> None:
        self._order, self.n_events = order, 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not (event in _CHANGES or (event == "open" and _writes(arguments))):
            return
        if not isinstance(arguments[0], str | os.PathLike):
            return
        if not str(Path.cwd() / arguments[0]).startswith(self._order.watched):
            return
        self.n_events += 1
        if self.n_events != self._order.event:
            return
        for source, target in self._order.copies:
            # As an update of a model does: a new file of the old name.
            beside = f"{target}.new"
            Path(beside).write_bytes(Path(source).read_bytes())
            Path(beside).replace(target)
        if self._order.signal:
            os.kill(os.getpid(), self._order.signal)


def _writes(arguments: tuple[Any, ...]) -> bool:
    flags = arguments[2]
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _limit_memory(more: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _leave_no_room(at: Sequence[int]) -> None:
    """Let some forwards fail as torch does where a device has no memory for what they want."""
    import torch
    from transformers import GPT2LMHeadModel

    forward, number = GPT2LMHeadModel.forward, itertools.count(1)

    @functools.wraps(forward)  # the signature says which arguments a model takes
    def limited(*args: Any, **kwargs: Any) -> Any:
        if next(number) in at or 0 in at:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(*args, **kwargs)

    GPT2LMHeadModel.forward = limited


if __name__ == "__main__":
    main()
