"""`group_differences.csv`: every pair of groups, the greatest difference first, and what may be claimed."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from specgap.stats.gaps import Gaps
from specgap.stats.power import detectable
from specgap.tables.acceptance import Mode
from specgap.tables.counts import Counts, Row, frame_of, is_below, points
from specgap.tables.membership import Group, pair_notes, shared_notes, shared_prompts

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
    "contrast_pp",
    "contrast_se_pp",
    "simultaneous_low_pp",
    "simultaneous_high_pp",
    "p_adjusted",
    "detectable_pp",
    "claim",
    "mode",
    "pilot",
    "note",
)
#: Where no template is in both groups.
APART = "no template in common: theirs count as drawn at random"
#: What changes its sign with the order of two groups.
_ORIENTED = ("contrast_pp", "simultaneous_low_pp", "simultaneous_high_pp")


def group_differences(
    groups: Sequence[Group], counts: Sequence[Counts], test: Gaps | None, *, mode: Mode
) -> pd.DataFrame:
    """Return the table; `counts` are the groups' totals, in the order of `groups`.

    a is the group with the higher pooled acceptance rate. `difference` is a − b, `difference_pp` the same
    in percentage points, `ratio` a / b, `odds_ratio` the odds of a over those of b. `headline` is true
    where both groups rest on at least `HEADLINE_UNITS` units. Where a rate is missing, or 0 or 1, what
    cannot be computed is empty and `note` says why. Pairs without a difference come last; ties keep the
    order of the groups.

    What `test` says of a pair stands beside it: `contrast_pp` is a − b among units within strata, which
    differs from `difference_pp` where groups differ in their strata or in the weight of their units, then
    its standard error, its simultaneous interval, its adjusted p, and the smallest gap between these two that
    is found with 80 % power. `claim` is `different` where `Gaps.different` says so.
    """
    ranked = list(zip(groups, counts, strict=True))
    tests = {} if test is None else _tests(test)
    rows = [_row(*_higher_first(a, b), tests, mode=mode) for a, b in combinations(ranked, 2)]
    rows.sort(key=lambda row: -1.0 if row["difference"] is None else row["difference"], reverse=True)
    return frame_of(rows, COLUMNS)


_Ranked = tuple[Group, Counts]


def _higher_first(a: _Ranked, b: _Ranked) -> tuple[_Ranked, _Ranked]:
    return (b, a) if is_below(a[1], b[1]) else (a, b)


#: What the test says of a pair, and of it turned round.
_Tests = dict[tuple[str, str], Row]


def _tests(test: Gaps) -> _Tests:
    """Return the columns of each ordered pair of groups that the test can compare."""
    found: _Tests = {}
    least, different = detectable(test), test.different
    for at in test.comparable.nonzero()[0].tolist():
        a, b = (test.groups[k] for k in test.pairs[at])
        contrast, low, high = (100 * float(of[at]) for of in (test.contrast, test.low, test.high))
        p = float(test.p_adjusted[at])
        either: Row = {
            "contrast_se_pp": 100 * float(test.se[at]),
            "p_adjusted": p,
            "detectable_pp": None if np.isnan(least[at]) else 100 * float(least[at]),
            "claim": "different" if different[at] else "not distinguishable",
            "note": "" if test.joined[at] else APART,
        }
        for pair, ends in (((a, b), (contrast, low, high)), ((b, a), (-contrast, -high, -low))):
            found[pair] = dict(zip(_ORIENTED, ends, strict=True)) | either
    return found


def _row(a: _Ranked, b: _Ranked, tests: _Tests, *, mode: Mode) -> Row:
    (group_a, n_a), (group_b, n_b) = a, b
    effect = _effect(n_a, n_b)
    claim = tests.get((group_a.name, group_b.name), {"claim": "not estimable", "note": ""})
    return {
        "group_a": group_a.name,
        "group_b": group_b.name,
        **effect,
        "n_judged_a": n_a.judged,
        "n_judged_b": n_b.judged,
        "n_terms_a": group_a.n_terms,
        "n_terms_b": group_b.n_terms,
        "n_prompts_shared": shared_prompts(group_a, group_b),
        "headline": group_a.headline and group_b.headline,
        **claim,
        "mode": mode,
        "pilot": group_a.pilot,
        "note": "; ".join(
            [
                *pair_notes(group_a, group_b),
                *_gaps(a, b),
                *shared_notes(group_a, group_b),
                *_sign_note(effect, claim),
                *filter(None, [claim["note"]]),
            ]
        ),
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
        "difference_pp": points(difference),
        "odds_ratio": n_a.accepted * n_b.rejected / odds_below if odds_below else None,
        "ratio": rate_a / rate_b if rate_a is not None and rate_b else None,
    }


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


def _sign_note(effect: Row, claim: Row) -> list[str]:
    """Say where rates within strata, units weighted equally, order two groups the other way than pooled."""
    turned = (effect["difference"] or 0.0) * claim.get("contrast_pp", 0.0) < 0
    return ["within strata the other way round"] if turned else []
