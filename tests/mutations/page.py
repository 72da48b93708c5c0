"""`tests/mutations.md`: how many faults each tier catches, the ones that none does, and all of them."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.mutations.campaign import Result
from tests.mutations.drawn import SEED
from tests.mutations.fault import Fault
from tests.mutations.tiers import NEW, OLD

_COLUMNS = (OLD, *NEW)
_MAKERS = {"mutmut": "mutmut, `src/specgap`", "cargo-mutants": "cargo-mutants, `rust_agg`", "hand": "by hand"}


@dataclass(frozen=True)
class Row:
    """A fault and what came of it, by tier; a tier that was not tried is not there."""

    fault: Fault
    results: Mapping[str, Result]

    def state(self, tier: str) -> str:
        return self.results[tier].state if tier in self.results else "not tried"

    def caught(self, tier: str) -> bool:
        return self.state(tier) == "caught"

    @property
    def by(self) -> str:
        """The test that fails, of the latest commit at which one does."""
        found = [self.results[tier.name].by for tier in (*NEW, OLD) if self.caught(tier.name)]
        return found[0] if found else ""

    @property
    def line(self) -> int:
        return next((one.line for one in self.results.values() if one.line), 0)


def page(rows: Sequence[Row], commits: Mapping[str, str], notes: Mapping[str, str]) -> str:
    """Return the page; `notes` says of a fault's key why none caught it, or what was done."""
    counted = [row for row in rows if row.results and "unviable" not in map(row.state, row.results)]
    parts = [
        _head(rows, counted, commits),
        _counts(counted),
        _missed(counted),
        _survivors(counted, notes),
        _all(counted),
    ]
    return "\n".join(parts)


def _head(rows: Sequence[Row], counted: Sequence[Row], commits: Mapping[str, str]) -> str:
    now = datetime.now(UTC).date().isoformat()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    drawn = sum(row.fault.maker != "hand" for row in counted)
    before, after = (commits[name][:7] for name in ("old", "new"))
    return f"""# Planted faults, and what catches them

Made by `make mutations` (`python -m tests.mutations`), {now}, on {machine}: {len(counted)} faults of
{len(rows)}. {drawn} of them are a random sample (seed {SEED}) of what tools make, by the rules in
`tests/mutations/drawn.py`; the others were written by hand. "Before" is the whole suite at commit {before},
the other columns are commit {after}. Tests run up to the first that fails; it passes without the fault.
–: the fault has no place in that commit. ?: not tried.
"""


def _counts(rows: Sequence[Row]) -> str:
    heads = [tier.heading for tier in _COLUMNS]
    lines = [
        _line(["faults", *(f"{head}: caught" for head in heads)]),
        _line(["---"] + ["---:"] * len(heads)),
    ]
    for maker, said in [*_MAKERS.items(), ("", "all")]:
        own = [row for row in rows if row.fault.maker == maker or not maker]
        lines.append(_line([said, *(_share(own, tier.name) for tier in _COLUMNS)]))
    return "\n".join(lines) + "\n"


def _share(rows: Sequence[Row], tier: str) -> str:
    tried = [row for row in rows if row.state(tier) in ("caught", "survived")]
    return f"{sum(row.caught(tier) for row in tried)} of {len(tried)}"


def _missed(rows: Sequence[Row]) -> str:
    """Return the sentence by which the division is judged."""
    before = [row for row in rows if row.caught(OLD.name)]
    parts = []
    for tier in NEW:
        tried = [row for row in before if row.state(tier.name) in ("caught", "survived")]
        caught = sum(row.caught(tier.name) for row in tried)
        parts.append(f"{tier.heading} catches {caught} of {len(tried)}")
    return f"Of the {len(before)} faults caught before, {' and '.join(parts)}.\n"


def _survivors(rows: Sequence[Row], notes: Mapping[str, str]) -> str:
    columns = [tier.name for tier in _COLUMNS]
    missed = [row for row in rows if any(row.state(name) == "survived" for name in columns)]
    lines = [_line(["", "fault", "where", *(tier.heading for tier in _COLUMNS), "why, or what was done"])]
    lines.append(_line(["---"] * 7))
    for row in missed:
        marks = [_mark(row, name) for name in columns]
        note = _cell(notes.get(row.fault.key, ""))
        lines.append(_line([row.fault.key, _cell(row.fault.what), _where(row), *marks, note]))
    return "## Faults that a tier lets through\n\n" + "\n".join(lines) + "\n"


def _all(rows: Sequence[Row]) -> str:
    heads = ["", "fault", "where", *(tier.heading for tier in _COLUMNS), "first test that fails"]
    lines = [_line(heads), _line(["---"] * len(heads))]
    for row in rows:
        marks = [_mark(row, tier.name) for tier in _COLUMNS]
        lines.append(_line([row.fault.key, _cell(row.fault.what), _where(row), *marks, _test(row.by)]))
    return "## All\n\n" + "\n".join(lines) + "\n"


def _mark(row: Row, tier: str) -> str:
    return {"caught": "caught", "survived": "**no**", "absent": "–"}.get(row.state(tier), "?")


def _where(row: Row) -> str:
    return f"{row.fault.file.removeprefix('src/specgap/')}:{row.line}"


def _test(node: str) -> str:
    file, _, name = node.rpartition("::")
    return _cell(
        f"{file.split('/')[-1].removesuffix('.py')}: {name.split('[')[0].removeprefix('test_')}"
        if file
        else node
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("`", "'").replace("*", "\\*")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
