"""The table of docs/reliability.md, of what was counted at full size: `python -m tests.faults.table`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.faults.faults import COUNTED, FAULTS, ROOT

DOCS = ROOT / "docs/reliability.md"
BEGIN, END = "<!-- counted by make reliability: begin -->", "<!-- end -->"
_HEADINGS = (
    "fault",
    "how it is injected",
    "times",
    "ended byte-equal",
    "one sentence, exit 2",
    "finished files kept",
    "finished files lost",
    "partial files",
)
_NUMBERS = ("injected", "equal", "sentences", "kept", "lost", "partial")


Counts = Mapping[str, Mapping[str, Any]]


def table(counts: Counts) -> str:
    """Return the table as Markdown, one row per fault of `FAULTS`; a dash where none was counted."""
    rows = [_HEADINGS, ["---"] * 2 + ["---:"] * len(_NUMBERS)]
    for name, (fault, how) in FAULTS.items():
        known = counts.get(name)
        rows.append([fault, how, *("–" if known is None else f"{known[n]:,}" for n in _NUMBERS)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def origin(counts: Counts) -> str:
    """Return the sentence that says when and of which commit these are the counts, all at full size."""
    small = sorted(name for name, count in counts.items() if count["size"] != "full")
    if small:
        raise SystemExit(f"{', '.join(small)}: not counted at full size; expected `make reliability`")
    return f"Counted at full size: {'; '.join(sorted({count['tree'] for count in counts.values()}))}."


def rows_of(page: str) -> list[tuple[str, str]]:
    """Return fault and injection of each row of a page's table."""
    lines = page.split(BEGIN)[1].split(END)[0].splitlines()
    rows = [line for line in lines if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return [(row[0], row[1]) for row in cells]


def write(docs: Path, counted: Path) -> None:
    """Put the table in its place."""
    before, rest = docs.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END, 1)[1]
    counts = json.loads(counted.read_text(encoding="utf-8"))
    made = f"{origin(counts)}\n\n{table(counts)}"
    docs.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    write(DOCS, COUNTED)
