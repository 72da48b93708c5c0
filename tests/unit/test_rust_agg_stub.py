"""The hand-written stub describes the module, and all of it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import rust_agg

STUB = Path(rust_agg.__file__).with_suffix(".pyi")


@pytest.mark.slow
def test_the_stub_agrees_with_the_module(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy.stubtest", "rust_agg"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_package_is_marked_as_typed() -> None:
    assert STUB.with_name("py.typed").is_file()


def documented(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Names of a module or class, and whether a docstring says what they are."""
    for node, following in pairwise([*body, ast.Pass()]):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield prefix + node.name, ast.get_docstring(node) is not None
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            said = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            yield prefix + node.target.id, said
        if isinstance(node, ast.ClassDef):
            yield from documented(node.body, f"{prefix}{node.name}.")


def test_every_public_name_is_documented() -> None:
    names = dict(documented(ast.parse(STUB.read_text(encoding="utf-8")).body))
    public = {name: said for name, said in names.items() if not any(p[0] == "_" for p in name.split("."))}
    assert [name for name, said in public.items() if not said] == []
    assert {name for name in public if "." not in name} == {n for n in rust_agg.__all__ if n[0] != "_"}
    for made in ("Grids", "Groups", "Shard"):
        assert names[f"{made}.__new__"]
