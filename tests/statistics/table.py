"""The table of docs/statistics.md, from what `make test-statistics SIZE=full` measured."""

import json
import sys
from pathlib import Path

from tests.support.measured import Measured
from tests.support.sandbox import ROOT

DOCS = ROOT / "docs/statistics.md"
START, END = "<!-- simulations: made by make test-statistics SIZE=full -->", "<!-- end of simulations -->"
_HEAD = "| simulated | measured | value | wanted | worlds |\n|---|---|---|---|---|\n"


def rows(folder: Path) -> list[Measured]:
    """Return what was measured, guards behind the simulation they belong to."""
    found = [Measured(**json.loads(file.read_text(encoding="utf-8"))) for file in folder.glob("*.json")]
    return sorted(found, key=lambda one: (one.simulation, one.guard, one.quantity))


def table(found: list[Measured]) -> str:
    """Return the Markdown; a guard is what a wrong method does, in italics."""
    lines = []
    for one in found:
        said = f"*{one.quantity}*" if one.guard else one.quantity
        band = f"{_short(one.low)} … {_short(one.high)}"
        lines.append(f"| {one.simulation} | {said} | {one.value:.3f} | {band} | {one.worlds:,} |\n")
    return _HEAD + "".join(lines)


def replaced(text: str, made: str) -> str:
    """Return the document with another table between its marks."""
    before, rest = text.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n{made}{END}{after}"


def _short(value: float) -> str:
    return f"{value:.3g}"


if __name__ == "__main__":
    DOCS.write_text(
        replaced(DOCS.read_text(encoding="utf-8"), table(rows(Path(sys.argv[1])))), encoding="utf-8"
    )
