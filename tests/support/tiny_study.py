"""The tiny study of `tests/config/tiny.yaml`: its config, and a folder in which it can be run."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from tests.support.sandbox import ROOT, Sandbox, make_sandbox
from tests.support.tiny_models import gpt2_shaped_pair

CONFIG = ROOT / "tests/config/tiny.yaml"
TINY: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))


def prepare_study(folder: Path, **keys: Any) -> Sandbox:
    """Make a folder in which the tiny study, with other values of some keys, is ready to be run."""
    sandbox = make_sandbox(folder)
    gpt2_shaped_pair(folder / "models")
    shutil.copy(CONFIG.with_suffix(".csv"), folder / TINY["prompts"])
    sandbox.write_config(**{**TINY, **keys})
    return sandbox
