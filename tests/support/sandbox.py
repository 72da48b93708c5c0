"""A copy of the workflow in a folder of its own, so that a test may run it, edit it and run it again."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.support.warm import START

ROOT = Path(__file__).parents[2]
_COPIED = ("Snakefile", "workflow", "scripts", "src", "config", "envs", "profiles", "rust_agg")
#: By cell, by group, under one mode, over settings, from records, of times, over pairs.
FEW_FIGURES = frozenset(
    {
        *("forest", "likelihood_difference", "calibration", "schedule_sweep", "schedule_state"),
        *("distinctive_tokens", "measured_speed_up", "pairs_overview"),
    }
)
#: Those of which the original study had nineteen.
ORIGINAL_FIGURES = frozenset(
    {
        *("probabilities_accepted", "probabilities_rejected", "probabilities_both"),
        *("likelihood_difference", "largest_difference", "surer_draft"),
    }
)
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "target", "*.so")


@dataclass(frozen=True)
class Run:
    """What a command did."""

    code: int
    output: str

    def job_counts(self) -> dict[str, int]:
        """Return Snakemake's job statistics, without `all` and the total."""
        rows = re.findall(r"^(\w+) +(\d+)$", self.output.split("Job stats:")[-1], flags=re.MULTILINE)
        return {name: int(count) for name, count in rows if name not in ("all", "total")}


@dataclass(frozen=True)
class Sandbox:
    """A runnable copy of the workflow with one study's config."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)  # beside this process's own

    @property
    def config(self) -> Path:
        return self.folder / "study.yaml"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def write_config(self, **keys: object) -> None:
        self.config.write_text(yaml.safe_dump(keys, sort_keys=False, allow_unicode=True))

    def draw_few(self, few: Collection[str] = FEW_FIGURES) -> None:
        """Leave the figures of these ids: by default one for each way in which they are planned and drawn."""
        path = self.folder / "config/figures.yaml"
        head, *entries = re.split(r"^(?=- id: )", path.read_text(), flags=re.MULTILINE)
        path.write_text(head + "".join(entry for entry in entries if entry.split()[2] in few))

    def snakemake(self, *arguments: str) -> Run:
        """Run Snakemake on the study; options come before targets, behind `--`."""
        return self.workflow("--configfile", "study.yaml", *arguments)

    def workflow(self, *arguments: str) -> Run:
        """Run Snakemake without saying which study."""
        return self.run(sys.executable, "-m", "snakemake", "--cores", "2", *arguments)

    def snakemake_without_network(self, *arguments: str) -> Run:
        """Run Snakemake where there is no route, not even to this machine itself (needs root)."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "study.yaml"]
        return self.run("unshare", "--net", *command, *arguments)

    def dry_run(self, *targets: str) -> Run:
        return self.snakemake("--dry-run", "--", *targets)

    def script(self, name: str, *arguments: str) -> Run:
        return self.run(sys.executable, f"scripts/{name}", *arguments)

    def run(self, *command: str) -> Run:
        paths = [self.folder / "src", *([START] if "SPECGAP_WARM" in os.environ else [])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"}
        environment |= self.environment
        done = subprocess.run(
            command, cwd=self.folder, env=environment, text=True, capture_output=True, check=False
        )
        return Run(done.returncode, done.stdout + done.stderr)

    @contextmanager
    def edited(self, file: str, old: str, new: str) -> Iterator[None]:
        """Replace text in a file for the length of a block; afterwards it is as old as it was."""
        path = self.folder / file
        before, times = path.read_text(), path.stat()
        assert old in before, f"{file} has no {old!r}"
        path.write_text(before.replace(old, new))
        try:
            yield
        finally:
            path.write_text(before)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def make_sandbox(folder: Path) -> Sandbox:
    """Copy the workflow into `folder`; the extension installed here stands for the one its rule builds."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=_NOT_COPIED)
        else:
            shutil.copy2(source, folder / name)
    spec = importlib.util.find_spec("rust_agg")
    assert spec is not None
    assert spec.origin is not None
    shutil.copytree(Path(spec.origin).parent, folder / "resources/build/rust_agg/rust_agg")
    return Sandbox(folder)
