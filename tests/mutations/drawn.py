"""The sample of faults that tools make: drawn at one commit with a stated seed, and kept in `drawn.yaml`.

Left out by rule, since whether they are caught says nothing of a number or a file:

* replaced strings ("XX…XX", other case) and whatever stands in a `raise`: texts, or names that no table has;
* `None` in place of a value or an argument, and an argument without a name taken away: the first operation
  on it or the call itself fails, whichever test runs the line;
* how thick, pale or far apart something is drawn (`LOOKS`), which is left to the eye;
* in Rust, what `fmt` returns: error texts. What does not compile is no fault either, so a few more are drawn.

A sample is drawn evenly over the mutants that remain, in src and in rust_agg apart.
"""

import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.mutations.excerpts import by_diff, excerpt
from tests.mutations.fault import Fault

SEED = 18
N_SRC, N_RUST = 80, 44
#: Arguments of Matplotlib that change how a figure looks, and nothing that it shows.
LOOKS = frozenset(
    {
        *("alpha", "annotation_clip", "backgroundcolor", "borderaxespad", "borderpad", "bottom"),
        *("capsize", "clip_on", "color", "columnspacing", "edgecolor", "edgecolors", "facecolor"),
        *("facecolors", "fontsize", "fontstyle", "fontweight", "frameon", "gridspec_kw", "ha"),
        *("handlelength", "handletextpad", "height_ratios", "hspace", "labelpad"),
        *("labelspacing", "left", "length", "linespacing", "linestyle", "linestyles", "linewidth"),
        *("linewidths", "loc", "lw", "margin", "marker", "markeredgecolor", "markeredgewidth"),
        *("markerfacecolor", "markersize", "pad", "right", "rotation", "rotation_mode", "s", "size"),
        *("top", "transform", "va", "width", "width_ratios", "wspace", "zorder"),
    }
)


class MissingToolError(Exception):
    """A program that draws faults is not installed."""


def draw(tree: Path, seed: int = SEED) -> list[Fault]:
    """Return the sample of a tree."""
    rng = random.Random(seed)
    python = rng.sample(sorted(_python_mutants(tree)), N_SRC)
    rust = rng.sample(_rust_mutants(tree), N_RUST)
    return [_from_mutmut(tree, *one) for one in python] + [_from_cargo(tree, one) for one in rust]


def _python_mutants(tree: Path) -> Iterator[tuple[str, int]]:
    """Yield file and number of each mutant of the package that no rule leaves out."""
    for path in sorted((tree / "src/specgap").rglob("*.py")):
        module, mutations = _mutations(path)
        raised = _raised(module)
        for number, mutation in enumerate(mutations):
            if mutation.original_node not in raised and not _left_out(mutation):
                yield path.relative_to(tree).as_posix(), number


def _mutations(path: Path) -> tuple[Any, list[Any]]:
    from mutmut.mutation.file_mutation import create_mutations

    module, mutations, *_ = create_mutations(str(path), path.read_text(encoding="utf-8"))
    return module, mutations


def _raised(module: Any) -> set[Any]:
    """Return all nodes of `raise` statements."""
    import libcst
    import libcst.matchers as m

    found: set[Any] = set()

    class Nodes(libcst.CSTVisitor):
        def on_visit(self, node: libcst.CSTNode) -> bool:
            found.add(node)
            return True

    for statement in m.findall(module, m.Raise()):
        statement.visit(Nodes())
    return found


def _left_out(mutation: Any) -> bool:
    """Return whether a rule leaves this mutation of Python out."""
    import libcst

    old, new = mutation.original_node, mutation.mutated_node
    if isinstance(old, libcst.BaseString):
        return True
    if isinstance(old, libcst.Assign | libcst.AnnAssign):
        return _is_none(new.value)
    return isinstance(old, libcst.Call) and any(_left_out_of_call(*pair) for pair in _arguments(old, new))


def _arguments(old: Any, new: Any) -> list[tuple[Any, Any]]:
    """Return the first argument that differs, before and after (nothing where it was taken away)."""
    if len(new.args) < len(old.args):
        kept = [argument for argument in old.args if not any(argument is one for one in new.args)]
        return [(argument, None) for argument in kept[:1]]
    return [pair for pair in zip(old.args, new.args, strict=True) if pair[0] is not pair[1]][:1]


def _left_out_of_call(old: Any, new: Any) -> bool:
    if old.keyword is not None and old.keyword.value in LOOKS:
        return True
    return old.keyword is None if new is None else _is_none(new.value)


def _is_none(node: Any) -> bool:
    import libcst

    return isinstance(node, libcst.Name) and node.value == "None"


def _from_mutmut(tree: Path, file: str, number: int) -> Fault:
    path = tree / file
    module, mutations = _mutations(path)
    one = mutations[number]
    after = module.deep_replace(one.original_node, one.mutated_node).code
    old, new = excerpt(path.read_text(encoding="utf-8"), after)
    return Fault("mutmut", _said(module, one), file, old, new)


def _said(module: Any, mutation: Any) -> str:
    """Return what was written and what is now, shortened to a line."""
    old, new = (
        " ".join(module.code_for_node(node).split())
        for node in (mutation.original_node, mutation.mutated_node)
    )
    start = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    start = max(start - 24, 0)
    return f"{_cut(old, start)} → {_cut(new, start)}"


def _cut(text: str, start: int) -> str:
    return ("…" if start else "") + text[start : start + 60] + ("…" if len(text) > start + 60 else "")


def _rust_mutants(tree: Path) -> list[dict[str, Any]]:
    """Return the mutants of the crate that no rule leaves out, as `cargo mutants` lists them."""
    if shutil.which("cargo-mutants") is None:
        raise MissingToolError("cargo-mutants is not installed: cargo install cargo-mutants --locked")
    command = ["cargo", "mutants", "--list", "--json", "--diff", "--dir", str(tree / "rust_agg")]
    listed = subprocess.run(command, text=True, capture_output=True, check=True).stdout
    named = [one for one in json.loads(listed) if (one.get("function") or {}).get("function_name") != "fmt"]
    return [
        one for one in named if not (one.get("function") or {}).get("function_name", "").endswith("::fmt")
    ]


def _from_cargo(tree: Path, mutant: dict[str, Any]) -> Fault:
    file = f"rust_agg/{mutant['file']}"
    before = (tree / file).read_text(encoding="utf-8")
    after = by_diff(before, mutant["diff"]).replace(" /* ~ changed by cargo-mutants ~ */", "")
    old, new = excerpt(before, after)
    said = mutant["name"].split(": ", 1)[1]
    return Fault("cargo-mutants", said, file, old, new)
