"""Which third-party packages a script may import: read from its source, function by function, nothing is run.

A module's own statements run when it is imported; what stands in a function counts once that function, or a
class that has it, is named by something that counts.
"""

import ast
import functools
import sys
from dataclasses import dataclass, field
from pathlib import Path

from specgap.figures.columns import KINDS

ROOT = Path(__file__).parents[2]
_SOURCES = {"specgap": ROOT / "src/specgap"}
#: A module that imports others of its package by name, and those.
_IMPORTED_BY_NAME = {"specgap.figures.registry": {f"specgap.figures.{module}" for module in KINDS.values()}}


@dataclass
class _Module:
    """A module's statements by the name that they bind; `""` holds what runs when it is imported."""

    parts: dict[str, list[ast.stmt]] = field(default_factory=lambda: {"": []})
    names: dict[str, tuple[str, str]] = field(default_factory=dict)  # bound by import to (module, name or "")


@functools.cache
def third_party_imports(script: Path) -> frozenset[str]:
    """Return the top-level names of packages other than specgap and the standard library."""
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [(str(script), "")]
    while waiting:
        part = waiting.pop()
        if part in seen:
            continue
        seen.add(part)
        module, name = part
        if name:
            waiting.append((module, ""))
        for statement in _module(module).parts.get(name, []):
            for node in ast.walk(statement):
                _follow(module, node, found, waiting)
        if name and name not in _module(module).parts and name in _module(module).names:
            waiting.append(_module(module).names[name])
        waiting += [(other, "*") for other in _IMPORTED_BY_NAME.get(module, ())]
    return frozenset(found - sys.stdlib_module_names - {"specgap"})


def _follow(module: str, node: ast.AST, found: set[str], waiting: list[tuple[str, str]]) -> None:
    known = _module(module)
    if isinstance(node, ast.Import | ast.ImportFrom):
        for target, _ in _imported(node).values():
            found.add(target.partition(".")[0])
            if _file(target):
                waiting.append((target, ""))
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        if node.id in known.parts:
            waiting.append((module, node.id))
        elif node.id in known.names and _file(known.names[node.id][0]):
            waiting.append(known.names[node.id])
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        target, name = known.names.get(node.value.id, ("", ""))
        if not name and _file(target):
            waiting.append((target, node.attr))


@functools.cache
def _module(name: str) -> _Module:
    file = _file(name)
    assert file is not None
    tree = ast.parse(file.read_text(encoding="utf-8"))
    module = _Module()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module.names |= _imported(node)
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            module.parts[statement.name] = [statement]
            module.parts[""] += [ast.Expr(decorator) for decorator in statement.decorator_list]
        elif not (isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"):
            module.parts[""].append(statement)
    module.parts["*"] = [statement for name, part in module.parts.items() if name for statement in part]
    return module


def _imported(node: ast.Import | ast.ImportFrom) -> dict[str, tuple[str, str]]:
    """Return what an import binds: a name to (module, "") or to (module, name in it)."""
    if isinstance(node, ast.Import):
        return {(a.asname or a.name.partition(".")[0]): (a.name, "") for a in node.names}
    assert node.module is not None
    bound = {}
    for alias in node.names:
        inner = f"{node.module}.{alias.name}"
        bound[alias.asname or alias.name] = (inner, "") if _file(inner) else (node.module, alias.name)
    return bound


@functools.cache
def _file(module: str) -> Path | None:
    """Return a module's source; None of one that is not specgap's. A script is known by its path."""
    if module.endswith(".py"):
        return Path(module)
    package, *inner = module.split(".")
    if package not in _SOURCES:
        return None
    path = _SOURCES[package].joinpath(*inner)
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)
