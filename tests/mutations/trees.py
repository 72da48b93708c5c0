"""Private clones, in which faults are planted: the tree that one works in is never touched."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Tree:
    """A clone at one commit, and the folder in which what is known of that commit is kept."""

    folder: Path
    commit: str
    known: Path

    def environment(self, extension: Path | None = None) -> dict[str, str]:
        """Return the variables of tests of this tree; `extension` is a folder with another rust_agg."""
        paths = [*([extension] if extension else []), self.folder / "src"]
        searched = os.pathsep.join(map(str, paths))
        # No bytecode: of two faults of one length in one second the second would run the first's.
        return {**os.environ, "PYTHONPATH": searched, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def full_commit(name: str) -> str:
    return _git(ROOT, "rev-parse", "--verify", f"{name}^{{commit}}")


def clone(commit: str, cache: Path, worker: int = 0) -> Tree:
    """Return a fresh clone of a commit, one for each worker."""
    known = cache / commit[:10]
    folder = known / f"tree-{worker}"
    shutil.rmtree(folder, ignore_errors=True)
    known.mkdir(parents=True, exist_ok=True)
    _git(ROOT, "clone", "--quiet", "--no-checkout", str(ROOT), str(folder))
    _git(folder, "checkout", "--quiet", commit)
    return Tree(folder, commit, known)


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, text=True, capture_output=True, check=True).stdout.strip()
