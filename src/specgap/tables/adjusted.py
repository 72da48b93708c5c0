"""`adjusted_differences.csv`: is the draft worse for a group, or its text harder for anyone? By pairs."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from specgap.stats.adjusted import Adjusted, adjusted_difference
from specgap.tables.acceptance import Mode
from specgap.tables.counts import Counts, Row, fixed_mean, frame_of, is_below, points, total
from specgap.tables.layout import Entries
from specgap.tables.membership import Group, pair_notes, shared_notes

COLUMNS = (
    "group_a",
    "group_b",
    "unadjusted_pp",
    "adjusted_pp",
    "adjusted_low_pp",
    "adjusted_high_pp",
    "support",
    "n_units_a",
    "n_units_b",
    "mode",
    "pilot",
    "note",
)
#: Number of tokens of a prompt, and its mean log-probability under p (None for a prompt of one token).
Measures = Mapping[int, tuple[int, float | None]]
_NAMES = ("length", "log p", "entropy")


def adjusted_differences(
    groups: Sequence[Group], found: Entries, measures: Measures, *, mode: Mode
) -> pd.DataFrame:
    """Return a row per pair of groups, a being the one with the higher pooled rate, the greatest first.

    `unadjusted_pp` is a − b of prompt means in points, over all prompts with something judged; `adjusted_pp`
    that at equal prompt length in tokens, mean log-probability of the prompt under p, mean entropy of p at
    judged positions, and template and stratum, over the prompts that both groups reach (`support`;
    `n_units_*` are units in it). Where those are not all prompts, `note` has the plain difference over them.
    See `stats.adjusted`.
    """
    rates = np.array([_rate(n) for n in found.counts], dtype=np.float64)
    known = [
        _covariates(n, measures.get(prompt)) for prompt, n in zip(found.prompts, found.counts, strict=True)
    ]
    covariates = np.array(known, dtype=np.float64).reshape(len(rates), len(_NAMES))
    member = found.layout.group.tolist()
    pooled = [
        total(n for k, n in zip(member, found.counts, strict=True) if k == number)
        for number in range(len(groups))
    ]
    rows = []
    for pair in combinations(range(len(groups)), 2):
        a, b = pair if not is_below(pooled[pair[0]], pooled[pair[1]]) else pair[::-1]
        difference = adjusted_difference(rates, covariates, found.layout, (a, b), names=_NAMES)
        rows.append(_row(groups[a], groups[b], difference, found.notes) | {"mode": mode})
    rows.sort(key=lambda row: math.inf if row["unadjusted_pp"] is None else -row["unadjusted_pp"])
    return frame_of(rows, COLUMNS)


def _rate(n: Counts) -> float:
    return n.accepted / n.judged if n.judged else math.nan


def _covariates(n: Counts, measured: tuple[int, float | None] | None) -> tuple[float, ...]:
    length, log_p = measured or (None, None)
    entropy = fixed_mean(n.entropy_sum, n.entropy_values)
    return tuple(math.nan if value is None else float(value) for value in (length, log_p, entropy))


def _row(a: Group, b: Group, found: Adjusted, said: Sequence[str]) -> Row:
    low, high = found.interval or (None, None)
    notes = [*pair_notes(a, b), *said, *found.notes, *_inside_note(found), *shared_notes(a, b)]
    return {
        "group_a": a.name,
        "group_b": b.name,
        "unadjusted_pp": points(found.raw),
        "adjusted_pp": points(found.adjusted),
        "adjusted_low_pp": points(low),
        "adjusted_high_pp": points(high),
        "support": _support(found),
        "n_units_a": found.n_units[0],
        "n_units_b": found.n_units[1],
        "pilot": a.pilot,
        "note": "; ".join(notes),
    }


def _support(found: Adjusted) -> str | None:
    """Spell the support, as `length 3–9 tokens, log p −4.1…−2.0, entropy 1.2–2.9; 84 % of prompts`."""
    if found.share is None:
        return None
    spelled = []
    for name, ends in zip(_NAMES, found.ranges, strict=True):
        if ends is None:
            continue
        low, high = ends
        if low > high:
            spelled.append(f"{name}: none")
        elif name == "length":
            spelled.append(f"length {low:.0f}–{high:.0f} tokens")
        else:
            # Between negative numbers a dash would be read as a sign.
            between = "…" if low < 0 else "–"
            spelled.append(f"{name} {low:.1f}{between}{high:.1f}".replace("-", "−"))
    return "; ".join([*([", ".join(spelled)] if spelled else []), f"{100 * found.share:.0f} % of prompts"])


def _inside_note(found: Adjusted) -> list[str]:
    if found.raw_inside is None or found.share == 1:
        return []
    return [f"without adjustment {100 * found.raw_inside:.1f} points on these prompts".replace("-", "−")]
