"""A channel for the stand-in for conda, made once, and where environments of it lie."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sandbox import ROOT
from tests.support.size import SIZE_NAME

STANDIN = ROOT / "tests/support/conda_standin"


@pytest.fixture(scope="session")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a process needs to find the stand-in and its channel."""
    folder = tmp_path_factory.mktemp("channels")
    environments = sorted((ROOT / "envs").glob("*.yaml"))
    subprocess.run(
        [sys.executable, STANDIN / "channel.py", folder / "conda-forge", *environments], check=True
    )
    # At full size the extension is what its rule makes of it.
    quick = {} if SIZE_NAME == "full" else {"RUSTC_WORKSPACE_WRAPPER": str(STANDIN / "rustc_quick")}
    programs = [STANDIN / "bin", Path(sys.executable).parent, os.environ["PATH"]]
    return {
        "PATH": os.pathsep.join(map(str, programs)),
        "CONDA_STANDIN_ALIAS": folder.as_uri(),
        "CONDA_STANDIN_CACHE": str(folder / "unpacked"),
        # Crates that this checkout has built are not built again.
        "CARGO_TARGET_DIR": str(ROOT / "rust_agg/target"),
        **quick,
    }


@pytest.fixture(scope="session")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where environments lie: as on a cluster, outside the study."""
    return tmp_path_factory.mktemp("shared") / "conda"
