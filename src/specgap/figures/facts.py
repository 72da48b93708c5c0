"""What stands in every figure beside its data: models, decoding, setting, numbers of prompts and tokens."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from specgap.errors import TableError
from specgap.figures.spec import Spec


@dataclass(frozen=True)
class CellFacts:
    """Facts of one cell. `acceptance_rate` is pooled over all prompts.

    Over all settings `setting` is `all`, `n_judged` is summed, and the rate runs from `acceptance_rate` to
    `acceptance_rate_to`. So it is over all pairs, where `pair` is `all`, and `target` and `draft` say how
    many there are. `pilot` is the limit of prompts per group, `partial` says what is still missing.
    """

    pair: str
    target: str
    draft: str
    decoding: str
    mode: str
    setting: str
    grouping: str
    n_prompts: int
    n_judged: int
    acceptance_rate: float | None
    acceptance_rate_to: float | None = None
    n_settings: int = 1
    over_confident_ratio: float = 2.0
    pilot: int | None = None
    partial: str = ""
    n_pairs: int = 1


@dataclass(frozen=True)
class Counted:
    """The part of the facts that stands in a cell's tables."""

    n_prompts: int
    n_judged: int
    acceptance_rate: float | None
    acceptance_rate_to: float | None = None
    n_settings: int = 1
    n_pairs: int = 1


def counted_in_cell(folder: Path) -> Counted:
    """Read n and the rate of all prompts from `acceptance--overall.csv`."""
    (row,) = _rows(folder / "acceptance--overall.csv")[:1]
    rate = float(row["acceptance_rate"]) if row["acceptance_rate"] else None
    return Counted(int(row["n_prompts"]), int(row["n_judged"]), rate)


def timed_setting(folder: Path) -> str:
    """Read from `measured_speed_up.csv` which setting was timed: one of all that have a decoding's tables."""
    return _rows(folder / "measured_speed_up.csv")[0]["setting"]


def counted_over_settings(folder: Path, *, only: str | None = None) -> Counted:
    """Read n and the range of rates of all prompts from `settings.csv`, or those of one setting."""
    rows = [row for row in _everyone(folder / "settings.csv") if only in (None, row["setting"])]
    return replace(_over(rows, folder / "settings.csv"), n_settings=len(rows))


def counted_over_pairs(folder: Path) -> Counted:
    """Read n, summed over pairs, and the range of rates of all prompts from `pairs_overview.csv`."""
    rows = _everyone(folder / "pairs_overview.csv")
    return replace(_over(rows, folder / "pairs_overview.csv"), n_pairs=len(rows))


def _everyone(path: Path) -> list[dict[str, str]]:
    return [row for row in _rows(path) if row["grouping"] == "overall"]


def _over(rows: Sequence[Mapping[str, str]], path: Path) -> Counted:
    """Return the most prompts of any row, all of their tokens, and the range of their rates."""
    if not rows:
        raise TableError(f"{path} has no row of grouping 'overall'; wanted one of all prompts")
    rates = [float(row["acceptance_rate"]) for row in rows if row["acceptance_rate"]]
    return Counted(
        max(int(row["n_prompts"]) for row in rows),
        sum(int(row["n_judged"]) for row in rows),
        min(rates, default=None),
        max(rates, default=None),
    )


def facts_lines(facts: CellFacts) -> list[str]:
    """Return the facts as short phrases, in the order they are read."""
    where = (
        f"{facts.n_settings} setting{'s' * (facts.n_settings != 1)}"
        if facts.setting == "all"
        else facts.setting
    )
    pair = f"pair {facts.pair}: {_short(facts.target)} ← {_short(facts.draft)}"
    phrases = [
        f"{facts.n_pairs} pairs: {facts.target}, {facts.draft}" if facts.pair == "all" else pair,
        f"{facts.decoding} ({facts.mode})" if facts.decoding != facts.mode else facts.mode,
        where,
        f"{facts.n_prompts:,} prompts",
        f"{facts.n_judged:,} judged tokens",
        f"acceptance rate {rate_text(facts)}",
    ]
    if facts.pilot is not None:
        phrases.insert(0, f"PILOT: at most {facts.pilot} prompts per group")
    if facts.partial:
        phrases.insert(0, f"PARTIAL: {facts.partial}")
    return phrases


def _short(model: str) -> str:
    """Return a hub id as it is and of a folder its last two parts."""
    return "/".join(model.rstrip("/").split("/")[-2:])


def rate_text(facts: CellFacts) -> str:
    """Return the overall acceptance rate as it is written: `0.712`, `0.702 to 0.714`, or `not available`."""
    if facts.acceptance_rate is None:
        return "not available"
    low, high = f"{facts.acceptance_rate:.3f}", f"{facts.acceptance_rate_to or facts.acceptance_rate:.3f}"
    return low if low == high else f"{low} to {high}"


def fill(text: str, facts: CellFacts, group: str | None) -> str:
    """Fill the placeholders of a caption or an alt text."""
    return text.format_map(
        {
            "pair": facts.pair,
            "target": facts.target,
            "draft": facts.draft,
            "decoding": facts.decoding,
            "mode": facts.mode,
            "setting": facts.setting,
            "grouping": facts.grouping,
            "n_prompts": f"{facts.n_prompts:,}",
            "n_judged": f"{facts.n_judged:,}",
            "acceptance_rate": rate_text(facts),
            "over_confident_ratio": f"{facts.over_confident_ratio:g}",
            "group": group or "",
        }
    )


def caption_of(spec: Spec, facts: CellFacts, group: str | None) -> str:
    """Return the caption, ending with what a pilot or partial trace has to say."""
    caption = fill(spec.caption, facts, group)
    if facts.pilot is not None:
        caption += f" Pilot of at most {facts.pilot} prompts per group."
    if facts.partial:
        caption += f" Partial: {facts.partial}."
    return caption


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise TableError(f"table {path} cannot be read ({error.strerror}); wanted a CSV file") from error
    if not rows:
        raise TableError(f"table {path} has no rows; wanted at least one")
    return rows
