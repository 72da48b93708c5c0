"""The Slurm that `slurm_up.sh` brings up: what the tests do to it, and a study that is run on it."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.sandbox import Run, Sandbox

SUPPORT = Path(__file__).parent
#: Nothing here lasts longer (seconds), on a machine that is shared.
PATIENCE = 1200
#: What differs between runs that give the same: what they say, the clock's time, what jobs were given.
_NOT_COMPARED = ("logs", "timings", "study/config.json")


def wait_until(true: Callable[[], object], what: str, *, seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.2)


def alive(pid: int) -> bool:
    """Say whether a process runs; one that has ended and that nobody has reaped has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except FileNotFoundError:
        return False


@dataclass(frozen=True)
class Lab:
    """A Slurm of one node with 48 cores and 2 stand-ins for GPUs, in a folder of its own."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.folder / "etc/slurm.conf")}

    def up(self) -> str:
        return self._bash("slurm_up.sh", str(self.folder))

    def down(self, *arguments: str) -> str:
        return self._bash("slurm_down.sh", str(self.folder), *arguments)

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self.environment, text=True, capture_output=True, check=False, timeout=PATIENCE
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def pid(self, daemon: str) -> int:
        return int((self.folder / "run" / daemon / "pid").read_text())

    def lose_node(self) -> None:
        """Take the power from the node: KILL what runs in its network namespace, slurmd and jobs."""
        kill = 'while pids=$(ip netns pids "$LAB_NET") && [ "$pids" ]; do kill -9 $pids 2>/dev/null; done'
        self.run("bash", "-c", f". {self.folder}/env.sh; {kill}")

    def _bash(self, script: str, *arguments: str) -> str:
        return self.run("bash", str(SUPPORT / script), *arguments)


@dataclass
class Submitted:
    """Snakemake with a study on a cluster, in the background."""

    sandbox: Sandbox
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    def finish(self) -> Run:
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGTERM)
            raise
        return Run(code, self.log.read_text())

    def kill(self) -> None:
        """End the head process, and it alone, with KILL, if it still runs."""
        self.process.kill()
        self.process.wait()


@dataclass
class Cluster:
    """A study that is run on a Slurm."""

    lab: Lab
    sandbox: Sandbox
    profile: str = "profiles/slurm"
    #: How its jobs' names begin; the profile's `specgap` is for the test that cancels all of that name.
    job_prefix: str = "test"
    count: int = field(default=0)

    def __post_init__(self) -> None:
        """Set partition and account, as a user does: in the profile, once each."""
        file = self.sandbox.folder / self.profile / "profile.yaml"
        text = file.read_text()
        for own, lab in (("main", "cpu"), ("mine", "lab")):
            assert text.count(f'"{own}"') == 1
            text = text.replace(f'"{own}"', lab)
        file.write_text(text)

    def jobs(self, *states: str) -> list[str]:
        """Return the ids of the study's jobs that wait or run; of those in the states that are named."""
        chosen = [f"--states={','.join(states)}"] if states else []
        return self._of_study(self.lab.run("squeue", "--noheader", "--format=%Z|%i", *chosen))

    def past(self) -> list[str]:
        """Return the state of each job that the study has ever had."""
        command = ("sacct", "--allocations", "--noheader", "--parsable2", "--duplicates")
        return self._of_study(self.lab.run(*command, "--format=WorkDir,State", "--starttime=now-1days"))

    def cancel(self) -> None:
        """Cancel what the study still has waiting or running."""
        if jobs := self.jobs():
            self.lab.run("scancel", *jobs)
            wait_until(lambda: not self.jobs(), "jobs to be gone")

    def hurry(self) -> None:
        """Let no job of the study pause from now on."""
        (self.sandbox.folder / "hurry").touch()

    def written(self) -> Counter[str]:
        """Return how often each shard was written whole (`pause_after_shards`)."""
        return Counter((self.sandbox.folder / "written").read_text().split())

    def _of_study(self, rows: str) -> list[str]:
        folder = f"{self.sandbox.folder}|"
        return [row.removeprefix(folder) for row in rows.splitlines() if row.startswith(folder)]

    def submit(self, *arguments: str, **variables: str) -> Submitted:
        """Start Snakemake with the profile; status checks come sooner than on a machine that others use."""
        self.count += 1
        log = self.sandbox.folder / f"head-{self.count}.log"
        command = [sys.executable, "-m", "snakemake", "--profile", self.profile]
        command += ["--configfile", "study.yaml", "--seconds-between-status-checks", "2"]
        if self.profile == "profiles/slurm":
            command += ["--slurm-init-seconds-before-status-checks", "2"]
            command += ["--slurm-jobname-prefix", self.job_prefix]
        environment = {**self.lab.environment, "OMP_NUM_THREADS": "1"}
        environment |= {**self.sandbox.environment, **variables}
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*command, *arguments],
                cwd=self.sandbox.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        return Submitted(self.sandbox, process, log)

    def run(self, *arguments: str, **variables: str) -> Run:
        return self.submit(*arguments, **variables).finish()


def digests(sandbox: Sandbox) -> dict[str, str]:
    """Return the digest of every result of a study by its path."""
    found = {}
    for file in sorted(sandbox.results.rglob("*")):
        path = file.relative_to(sandbox.results)
        compared = not {path.parts[0], str(path)} & {*_NOT_COMPARED}
        if file.is_file() and compared and not path.name.startswith("."):
            found[str(path)] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def whole_shards(sandbox: Sandbox) -> dict[str, tuple[int, int]]:
    """Return inode and time of each shard that is whole: whose sidecar, written last, is there.

    One that is computed again is another file.
    """
    sidecars = [*sandbox.results.glob("paths/**/s*-p*.json"), *sandbox.results.glob("traces/**/s*-p*.json")]
    files = [sidecar.with_suffix(".parquet") for sidecar in sidecars]
    return {str(file): (file.stat().st_ino, file.stat().st_mtime_ns) for file in sorted(files)}


def pause_after_shards(sandbox: Sandbox) -> None:
    """Let jobs of this sandbox pause after each shard: time for a fault.

    For the seconds in `SHARD_PAUSE`, or until the study has a file `hurry`.

    They also say which shards they wrote whole, in `written`; which device they had and when, in `devices/`.
    """
    code = sandbox.folder / "src/specgap/trace/shards.py"
    code.write_text(code.read_text() + (SUPPORT / "pausing.py").read_text())
