"""A sandbox where `rust_agg`, torch and transformers cannot be imported, and nothing can be built."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

from tests.support.sandbox import Sandbox

MISSING = ("rust_agg", "torch", "transformers")
#: Read by every Python that finds its folder in PYTHONPATH, Snakemake's and those of its jobs.
_SITECUSTOMIZE = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {MISSING}:
            raise ModuleNotFoundError(f"No module named {{name!r}}, says the test", name=name)
sys.meta_path.insert(0, Missing())
"""


def without_models_and_builds(sandbox: Sandbox) -> Sandbox:
    """Return the sandbox, less the extension that stands in it, with an environment that has none either."""
    shutil.rmtree(sandbox.folder / "resources/build")
    beside = sandbox.folder / "bare"
    beside.mkdir()
    (beside / "sitecustomize.py").write_text(_SITECUSTOMIZE)
    cargo = beside / "cargo"
    cargo.write_text("#!/bin/sh\nexit 127\n")
    cargo.chmod(0o755)
    paths = {"PYTHONPATH": [sandbox.folder / "src", beside], "PATH": [beside, Path(os.environ["PATH"])]}
    variables = {name: os.pathsep.join(map(str, folders)) for name, folders in paths.items()}
    return replace(sandbox, environment={**sandbox.environment, **variables})
