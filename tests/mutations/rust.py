"""Faults in rust_agg: the crate's own tests, and the extension with the fault in it, for tests in Python."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.mutations.trees import Tree

_FAILED = re.compile(r"^test (.+) \.\.\. FAILED$|^    ([\w:]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Crate:
    """A tree's crate; all its builds share a folder, so that each compiles only what a fault changes."""

    tree: Tree
    target: Path

    def compiles(self, limit: float) -> bool:
        """Return whether the crate and its tests compile."""
        done = self._cargo(limit, "test", "--no-run")
        return done is not None and done.returncode == 0

    def failing(self, limit: float) -> str | None:
        """Return the first of the crate's tests that fails, nothing where all pass."""
        done = self._cargo(limit, "test")
        if done is None:
            return f"cargo test (not done in {limit:.0f} s)"
        if done.returncode == 0:
            return None
        named = _FAILED.search(done.stdout)
        return f"cargo test {named[1] or named[2]}" if named else "cargo test (ended without a name)"

    def extension(self) -> Path:
        """Return a folder to import rust_agg from, as it was compiled last."""
        folder = self.tree.known / f"{self.tree.folder.name}-extension"
        shutil.rmtree(folder, ignore_errors=True)
        source = self.tree.folder / "rust_agg/rust_agg"
        shutil.copytree(source, folder / "rust_agg", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        shutil.copy2(self.target / "debug/deps/librust_agg.so", folder / "rust_agg/_core.abi3.so")
        return folder

    def _cargo(self, limit: float, *arguments: str) -> subprocess.CompletedProcess[str] | None:
        manifest = self.tree.folder / "rust_agg/Cargo.toml"
        command = ["cargo", *arguments, "--locked", "--quiet", "--manifest-path", str(manifest)]
        environment = {**self.tree.environment(), "CARGO_TARGET_DIR": str(self.target)}
        command = ["timeout", "--kill-after=5", str(limit), *command]
        done = subprocess.run(command, env=environment, text=True, capture_output=True, check=False)
        return None if done.returncode in (124, 137) else done
