"""The table of docs/reliability.md, made of what the tests counted: `python -m tests.faults.table`."""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.faults.faults import COUNTED, FAULTS, ROOT

DOCS = ROOT / "docs/reliability.md"
BEGIN, END = "<!-- counted by make test-faults: begin -->", "<!-- end -->"
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


def table(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Return the table as Markdown, one row per fault of `FAULTS`; a dash where none was counted."""
    rows = [_HEADINGS, ["---"] * 2 + ["---:"] * len(_NUMBERS)]
    for name, (fault, how) in FAULTS.items():
        known = counts.get(name)
        rows.append([fault, how, *("–" if known is None else f"{known[n]:,}" for n in _NUMBERS)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def rows_of(page: str) -> list[tuple[str, str]]:
    """Return fault and injection of each row of a page's table."""
    lines = page.split(BEGIN)[1].split(END)[0].strip().splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [(row[0], row[1]) for row in cells]


def write(docs: Path, counted: Path) -> None:
    """Put the table in its place."""
    before, rest = docs.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END, 1)[1]
    made = table(json.loads(counted.read_text(encoding="utf-8")))
    docs.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    write(DOCS, COUNTED)
