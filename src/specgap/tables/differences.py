"""`group_differences.csv`: every pair of groups, the greatest difference first. Descriptive: no claim."""

from collections.abc import Sequence
from itertools import combinations

import pandas as pd

from specgap.tables.acceptance import Mode
from specgap.tables.counts import Counts, Row, frame_of
from specgap.tables.membership import Group

COLUMNS = (
    "group_a",
    "group_b",
    "acceptance_rate_a",
    "acceptance_rate_b",
    "difference",
    "difference_pp",
    "odds_ratio",
    "ratio",
    "n_judged_a",
    "n_judged_b",
    "n_terms_a",
    "n_terms_b",
    "n_prompts_shared",
    "headline",
    "claim",
    "mode",
    "pilot",
    "note",
)


def group_differences(groups: Sequence[Group], counts: Sequence[Counts], *, mode: Mode) -> pd.DataFrame:
    """Return the table; `counts` are the groups' totals, in the order of `groups`.

    a is the group with the higher pooled acceptance rate. `difference` is a − b, `difference_pp` the same in
    percentage points, `ratio` a / b, `odds_ratio` the odds of a over those of b. `headline` is true where
    both groups rest on at least `HEADLINE_UNITS` units. Where a rate is missing, or 0 or 1, what cannot be
    computed is empty and `note` says why. Pairs without a difference come last; ties keep the order of the
    groups.
    """
    ranked = list(zip(groups, counts, strict=True))
    rows = [_row(*_higher_first(a, b), mode=mode) for a, b in combinations(ranked, 2)]
    rows.sort(key=lambda row: -1.0 if row["difference"] is None else row["difference"], reverse=True)
    return frame_of(rows, COLUMNS)


_Ranked = tuple[Group, Counts]


def _higher_first(a: _Ranked, b: _Ranked) -> tuple[_Ranked, _Ranked]:
    if not (a[1].judged and b[1].judged):
        return a, b
    # Whole numbers, so that equal rates are equal.
    b_is_higher = b[1].accepted * a[1].judged > a[1].accepted * b[1].judged
    return (b, a) if b_is_higher else (a, b)


def _row(a: _Ranked, b: _Ranked, *, mode: Mode) -> Row:
    (group_a, n_a), (group_b, n_b) = a, b
    shared = len(group_a.rows.keys() & group_b.rows.keys())
    return {
        "group_a": group_a.name,
        "group_b": group_b.name,
        **_effect(n_a, n_b),
        "n_judged_a": n_a.judged,
        "n_judged_b": n_b.judged,
        "n_terms_a": group_a.n_terms,
        "n_terms_b": group_b.n_terms,
        "n_prompts_shared": shared,
        "headline": group_a.headline and group_b.headline,
        "claim": "descriptive",
        "mode": mode,
        "pilot": group_a.pilot,
        "note": "; ".join([*_group_notes(group_a, group_b), *_gaps(a, b), *_shared_note(shared)]),
    }


def _effect(n_a: Counts, n_b: Counts) -> Row:
    rate_a = n_a.accepted / n_a.judged if n_a.judged else None
    rate_b = n_b.accepted / n_b.judged if n_b.judged else None
    difference = None if rate_a is None or rate_b is None else rate_a - rate_b
    # Odds from counts: exact, and undefined exactly where a count is 0.
    odds_below = n_a.rejected * n_b.accepted
    return {
        "acceptance_rate_a": rate_a,
        "acceptance_rate_b": rate_b,
        "difference": difference,
        "difference_pp": None if difference is None else 100 * difference,
        "odds_ratio": n_a.accepted * n_b.rejected / odds_below if odds_below else None,
        "ratio": rate_a / rate_b if rate_a is not None and rate_b else None,
    }


def _group_notes(a: Group, b: Group) -> list[str]:
    notes = []
    for note in dict.fromkeys([*a.notes, *b.notes]):
        where = [group.name for group in (a, b) if note in group.notes]
        about_all = note.startswith("pilot") or len(where) == 2
        notes.append(note if about_all else f"{note} ({where[0]})")
    return notes


def _gaps(a: _Ranked, b: _Ranked) -> list[str]:
    unjudged = [group.name for group, counts in (a, b) if not counts.judged]
    if unjudged:
        return [f"nothing judged ({name})" for name in unjudged]
    notes = []
    if not a[1].rejected:
        notes.append(f"no odds ratio: all accepted ({a[0].name})")
    if not b[1].accepted:
        notes.append(f"no ratio and no odds ratio: none accepted ({b[0].name})")
    return notes


def _shared_note(n_shared: int) -> list[str]:
    return [f"prompts in both groups: {n_shared}"] if n_shared else []
