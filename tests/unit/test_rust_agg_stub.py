"""The hand-written stub describes the module."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_stub_agrees_with_the_module(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "rust_agg"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_public_name_is_documented_in_the_stub() -> None:
    import ast

    import rust_agg

    stub = Path(rust_agg.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    nodes = [node for node in ast.parse(stub).body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    documented = {node.name for node in nodes if ast.get_docstring(node)}
    assert documented == {name for name in rust_agg.__all__ if not name.startswith("_")}
