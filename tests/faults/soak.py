"""Small studies, run by Snakemake in a loop and killed at random: `python -m tests.faults.soak MINUTES`.

The study is run to its end undisturbed once; later it is killed, as a whole process group or one of its jobs,
run again until it ends, and compared file by file.
"""

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults.study import prepared
from tests.support.sandbox import Sandbox

#: Times differ from run to run, and logs and Snakemake's own notes say when.
_NOT_COMPARED = re.compile(r"^(timings|logs)/|\.lock$|\.part$")
_TARGETS = ("results/report.html",)


@dataclass
class Tally:
    """What a soak has done so far."""

    kills: int = 0
    job_kills: int = 0
    resumptions: int = 0
    studies: int = 0
    compared: int = 0  # bytes
    differences: int = 0

    def line(self, minutes: float) -> str:
        return (
            f"{minutes:.1f} min: {self.studies} studies, {self.kills} kills of the process group, "
            f"{self.job_kills} of a job, {self.resumptions} resumptions, {self.compared:,} bytes compared, "
            f"differences: {self.differences}"
        )


class Run:
    """One `snakemake` in a process group of its own."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._log = sandbox.folder / "run.log"
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "study.yaml"]
        environment = {**os.environ, "PYTHONPATH": str(sandbox.folder / "src"), "OMP_NUM_THREADS": "1"}
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [*command, "--", *_TARGETS],
                cwd=sandbox.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ended(self, within: float) -> int | None:
        """Wait so many seconds; return the exit code, or None where it still runs."""
        try:
            return self._process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End the whole process group at once."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def kill_job(self, chance: random.Random) -> bool:
        """End one of the scripts that run now, if any does; Snakemake sees a job that failed."""
        jobs = [pid for pid in _group(self._process.pid) if b"scripts/" in _words(pid)]
        if not jobs:
            return False
        try:
            os.kill(chance.choice(jobs), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True


def _group(leader: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == leader and int(stat.parent.name) != leader:
            found.append(int(stat.parent.name))
    return found


def _words(pid: int) -> bytes:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return b""
    # The shell that holds a job is not it.
    return b"" if words[0].endswith(b"sh") else b" ".join(words)


def digests(results: Path) -> dict[str, tuple[str, int]]:
    found = {}
    for path in sorted(results.rglob("*")):
        name = path.relative_to(results).as_posix()
        if path.is_file() and not _NOT_COMPARED.search(name):
            data = path.read_bytes()
            found[name] = (hashlib.sha256(data).hexdigest(), len(data))
    return found


def soak(folder: Path, minutes: float, seed: int) -> Tally:
    chance, tally, start = random.Random(seed), Tally(), time.monotonic()
    sandbox = prepared(folder / "study")
    began = time.monotonic()
    code = Run(sandbox).ended(600)
    assert code == 0, (sandbox.folder / "run.log").read_text()
    longest, wanted = time.monotonic() - began, digests(sandbox.results)
    tally.studies += 1
    while time.monotonic() - start < 60 * minutes:
        shutil.rmtree(sandbox.results)
        shutil.rmtree(sandbox.folder / ".snakemake")
        _until_whole(sandbox, chance, longest, tally)
        found = digests(sandbox.results)
        tally.studies += 1
        tally.compared += sum(length for _, length in found.values())
        for name in sorted(found.keys() | wanted.keys()):
            if found.get(name) != wanted.get(name):
                tally.differences += 1
                print(f"differs: {name}", flush=True)
        print(tally.line((time.monotonic() - start) / 60), flush=True)
    return tally


def _until_whole(sandbox: Sandbox, chance: random.Random, longest: float, tally: Tally) -> None:
    """Run a study again and again, killing it, until it has ended."""
    left = chance.randrange(2, 6)
    while True:
        run = Run(sandbox)
        if not left:
            code = run.ended(600)
        elif (code := run.ended(chance.uniform(3, max(4, longest)))) is None and chance.random() < 0.6:
            run.kill()
            tally.kills += 1
            left -= 1
            _unlock(sandbox)
        elif code is None:
            tally.job_kills += run.kill_job(chance)
            left -= 1
            code = run.ended(600)
        if code == 0:
            return
        tally.resumptions += 1
        assert tally.resumptions < 100_000, (sandbox.folder / "run.log").read_text()[-5000:]
        if not left and code is not None and code != 0 and tally.resumptions > 10 * (tally.kills + 10):
            raise SystemExit((sandbox.folder / "run.log").read_text()[-5000:])


def _unlock(sandbox: Sandbox) -> None:
    # What a user is told to do after a kill.
    done = sandbox.snakemake("--unlock")
    assert done.code == 0, done.output


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as folder:
        tally = soak(Path(folder), minutes, seed)
    print(f"soak, seed {seed}: {tally.line(minutes)}")
    raise SystemExit(1 if tally.differences else 0)


if __name__ == "__main__":
    main()
