"""`pairs_overview.csv`, every pair of a study, and `pair_differences.csv`, between drafts of one target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from specgap.config import OVERALL
from specgap.settings import Model, Pair
from specgap.stats.clusters import OWN_SPREAD
from specgap.stats.intervals import Interval, each_prompt, rates
from specgap.stats.layout import Ints
from specgap.stats.paired import Difference, differences, holm
from specgap.tables.acceptance import Mode
from specgap.tables.counts import Counts, Row, frame_of, points, ratio, total
from specgap.tables.intervals import bounds
from specgap.tables.layout import Entries, entries, judged_sums
from specgap.tables.membership import Group

COLUMNS = (
    "grouping",
    "group",
    "pair",
    "target",
    "draft",
    "acceptance_rate",
    "acceptance_rate_prompt_mean",
    "these_low",
    "these_high",
    "like_low",
    "like_high",
    "block_efficiency",
    "n_terms",
    "n_units",
    "n_prompts",
    "n_judged",
    "mode",
    "pilot",
    "note",
)
DIFFERENCE_COLUMNS = (
    "target",
    "pair_a",
    "pair_b",
    "grouping",
    "group",
    "difference_pp",
    "these_low_pp",
    "these_high_pp",
    "like_low_pp",
    "like_high_pp",
    "p",
    "p_adjusted",
    "change_vs_others_pp",
    "change_low_pp",
    "change_high_pp",
    "change_p_adjusted",
    "n_terms",
    "n_units",
    "n_prompts",
    "n_prompts_left_out",
    "mode",
    "pilot",
    "note",
)
NOTHING_JUDGED = "nothing judged"
NO_OTHER_PROMPTS = "no change against others: no prompt outside the group"
#: Their spread is borrowed from groups that may have other numbers of prompts per unit.
FEW_UNITS = f"fewer than {OWN_SPREAD} units: not tested"


@dataclass(frozen=True)
class Counted:
    """One pair of a study: its name, its models, and what was counted of each prompt id."""

    name: str
    models: Pair
    counts: Mapping[int, Counts]


def pairs_overview(
    pairs: Sequence[Counted], groupings: Mapping[str, Sequence[Group]], *, mode: Mode
) -> pd.DataFrame:
    """Return each group's rates under each pair, in the order given, the pooled one with its two intervals.

    The numbers are those of the pairs' own `intervals.csv`; `n_prompts` counts prompts with something judged.
    """
    rows = []
    targets = by_target({pair.name: pair.models for pair in pairs})
    called = {name: target for target, names in targets.items() for name in names}
    for grouping, groups in groupings.items():
        by_pair = [_rates(pair, called[pair.name], groups, mode) for pair in pairs]
        rows += [{"grouping": grouping, **row} for of_group in zip(*by_pair, strict=True) for row in of_group]
    return frame_of(rows, COLUMNS)


def pair_differences(
    pairs: Sequence[Counted], groupings: Mapping[str, Sequence[Group]], *, mode: Mode
) -> pd.DataFrame:
    """Return the differences in acceptance rate, paired by prompt, of every two pairs that share a target.

    a is the pair listed first, and the difference a − b. p-values are adjusted by Holm's method over groups
    and comparisons of one target, those of changes by themselves; groups of fewer than `OWN_SPREAD` units and
    all prompts together have no adjusted p.
    """
    rows = []
    known = {
        (pair.name, grouping): entries(groups, pair.counts)
        for pair in pairs
        for grouping, groups in groupings.items()
    }
    for target, of_target in by_target({pair.name: pair.models for pair in pairs}).items():
        found = [
            {"target": target, "pair_a": a, "pair_b": b, "grouping": grouping, **row}
            for a, b in combinations(of_target, 2)
            for grouping, groups in groupings.items()
            for row in _differences(
                known[a, grouping], known[b, grouping], groups, mode, has_others=grouping != OVERALL
            )
        ]
        family = [row for row in found if row["grouping"] != OVERALL and row["n_units"] >= OWN_SPREAD]
        for name in ("p", "change_p"):
            for row, p in zip(family, holm([row[name] for row in family]), strict=True):
                row[f"{name}_adjusted"] = p
        rows += found
    return frame_of(rows, DIFFERENCE_COLUMNS)


def by_target(pairs: Mapping[str, Pair]) -> dict[str, list[str]]:
    """Return what each target is called, and the names of its pairs.

    Targets are one where all of their settings are equal; those that would share a name are numbered.
    """
    targets: list[Model] = []
    for pair in pairs.values():
        targets += [] if pair.target in targets else [pair.target]
    names = [target.name for target in targets]
    called = [
        f"{name} ({names[: at + 1].count(name)})" if names.count(name) > 1 else name
        for at, name in enumerate(names)
    ]
    return {
        name: [pair for pair, models in pairs.items() if models.target == target]
        for name, target in zip(called, targets, strict=True)
    }


def _rates(pair: Counted, target: str, groups: Sequence[Group], mode: Mode) -> list[Row]:
    found = entries(groups, pair.counts)
    sums = judged_sums(found)
    means = [rate.value for rate in rates(found.layout, each_prompt(sums))]
    rows = []
    for group, rate, mean in zip(groups, rates(found.layout, sums), means, strict=True):
        counted = total(pair.counts.get(prompt, Counts()) for prompt in group.prompts)
        missing = [NOTHING_JUDGED] if rate.value is None else rate.notes
        rows.append(
            {
                "pair": pair.name,
                "target": target,
                "draft": pair.models.draft.name,
                "acceptance_rate": rate.value,
                "acceptance_rate_prompt_mean": mean,
                **bounds("these", rate.these),
                **bounds("like", rate.like),
                "block_efficiency": ratio(counted.emitted, counted.rounds),
                "n_units": rate.n_units,
                "n_prompts": rate.n_prompts,
                "n_judged": counted.judged,
                **_about(group, mode, [*found.notes, *missing]),
            }
        )
    return rows


def _differences(
    of_a: Entries, of_b: Entries, groups: Sequence[Group], mode: Mode, *, has_others: bool
) -> list[Row]:
    one, other = judged_sums(of_a), judged_sums(of_b)
    alone = one.counted != other.counted
    rows = []
    found = differences(of_a.layout, one, other, _numbered(of_a))
    for k, (group, difference) in enumerate(zip(groups, found, strict=True)):
        n_alone = int((alone & (of_a.layout.group == k)).sum())
        said = [*of_a.notes, *difference.notes]
        said += [f"prompts judged under one pair only, left out: {n_alone}"] if n_alone else []
        if has_others and difference.value is not None and difference.change is None:
            said.append(NO_OTHER_PROMPTS)
        said += [FEW_UNITS] if has_others and 0 < difference.n_units < OWN_SPREAD else []
        row = {"n_prompts_left_out": n_alone, **_numbers(difference)}
        rows.append({**row, **_about(group, mode, said)})
    return rows


def _numbers(found: Difference) -> Row:
    return {
        "difference_pp": points(found.value),
        **_points("these", found.these),
        **_points("like", found.like),
        "p": found.p,
        "change_vs_others_pp": points(found.change),
        **_points("change", found.change_like),
        "change_p": found.change_p,
        "n_units": found.n_units,
        "n_prompts": found.n_prompts,
    }


def _points(name: str, interval: Interval | None) -> Row:
    if interval is None:
        return {}
    return {f"{name}_low_pp": points(interval.low), f"{name}_high_pp": points(interval.high)}


def _about(group: Group, mode: Mode, said: Sequence[str]) -> Row:
    return {
        "group": group.name,
        "n_terms": group.n_terms,
        "mode": mode,
        "pilot": group.pilot,
        "note": "; ".join([*group.notes, *said]),
    }


def _numbered(found: Entries) -> Ints:
    """Return a number for the prompt of each entry; ids are larger than an int64 holds."""
    numbers = {prompt: at for at, prompt in enumerate(dict.fromkeys(found.prompts))}
    return np.array([numbers[prompt] for prompt in found.prompts], dtype=np.int64)
