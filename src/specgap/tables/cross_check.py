"""`cross_check.csv`: does replay give what real rounds give? A setting both ways on the same prompts."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from specgap.stats.ratio import Ratio, clustered_se, design_effect, log_interval, logit_interval, ratio_of
from specgap.tables.acceptance import Mode
from specgap.tables.counts import Counts, Discarded, Row, frame_of
from specgap.tables.membership import Group

COLUMNS = (
    "replayed",
    "checked",
    "collector",
    "grouping",
    "group",
    "quantity",
    "n_prompts",
    "n_terms",
    "replayed_value",
    "replayed_low",
    "replayed_high",
    "checked_value",
    "checked_low",
    "checked_high",
    "difference",
    "difference_se",
    "z",
    "n_prompts_differ",
    "n_prompts_differ_drafted",
    "mode",
    "pilot",
    "note",
)
#: With fewer prompts a standard error is itself uncertain.
FEW_CLUSTERS = 20
_Of = Callable[[Counts], int]
#: Quantity to what is summed above and below the line.
_QUANTITIES: dict[str, tuple[_Of, _Of]] = {
    "acceptance_rate": (lambda n: n.accepted, lambda n: n.judged),
    "block_efficiency": (lambda n: n.emitted, lambda n: n.rounds),
    "draft_acceptance_rate": (lambda n: n.accepted, lambda n: n.drafted),
}
_Pair = tuple[list[Counts], list[Counts]]


def cross_check(
    replayed: Mapping[int, Counts],
    checked: Mapping[int, Counts],
    groups: Mapping[str, Sequence[Group]],
    *,
    mode: Mode,
    discarded: Discarded,
) -> pd.DataFrame:
    """Return a row per quantity and group of `groups` (grouping to groups), over prompts that both have.

    `replayed` and `checked` hold what was counted for each prompt; `checked` those alone that real rounds
    traced. `discarded` is what replay knows of discarded tokens; where it is `unknown` there is no row for
    `draft_acceptance_rate`. Intervals and `difference_se` (replayed − checked, paired by prompt) take prompts
    as clusters; `z` is the difference in standard errors, empty where that is 0. Under greedy decoding
    nothing is random: `n_prompts_differ` counts prompts whose accepted, rejected and emitted tokens or rounds
    differ, `n_prompts_differ_drafted` those that differ in drafted tokens; both must be 0 but where the
    target's two likeliest tokens are as good as equal.
    """
    traced = replayed.keys() & checked.keys()
    rows = []
    for quantity in _QUANTITIES:
        if quantity == "draft_acceptance_rate" and discarded == "unknown":
            continue
        for grouping, of in groups.items():
            pairs = [_pair(group, traced, replayed, checked) for group in of]
            effects = [design_effect([_ratio(quantity, pair[side]) for pair in pairs]) for side in (0, 1)]
            for group, pair in zip(of, pairs, strict=True):
                row = _compared(quantity, pair, effects) | _equal(pair, mode, discarded)
                rows.append(
                    {**_about(group, len(pair[0])), "grouping": grouping, "quantity": quantity, **row}
                )
    return frame_of([{**row, "mode": mode} for row in rows], COLUMNS)


def _pair(
    group: Group, traced: set[int], replayed: Mapping[int, Counts], checked: Mapping[int, Counts]
) -> _Pair:
    ids = [prompt for prompt in group.prompts if prompt in traced]
    return [replayed[prompt] for prompt in ids], [checked[prompt] for prompt in ids]


def _ratio(quantity: str, counts: Sequence[Counts]) -> Ratio:
    above, below = _QUANTITIES[quantity]
    return ratio_of([above(n) for n in counts], [below(n) for n in counts])


def _compared(quantity: str, pair: _Pair, effects: Sequence[float]) -> Row:
    both = [_ratio(quantity, counts) for counts in pair]
    row: Row = {}
    for name, one, effect in zip(("replayed", "checked"), both, effects, strict=True):
        is_rate = quantity != "block_efficiency"
        ends = logit_interval(one, effect=effect) if is_rate else log_interval(one)
        low, high = ends if ends is not None else (None, None)
        row |= {f"{name}_value": one.value, f"{name}_low": low, f"{name}_high": high}
    if both[0].value is None or both[1].value is None:
        return row
    difference = both[0].value - both[1].value
    se = clustered_se(both[0].shares - both[1].shares)
    return {
        **row,
        "difference": difference,
        "difference_se": se,
        "z": difference / se if se else None,
    }


def _equal(pair: _Pair, mode: Mode, discarded: Discarded) -> Row:
    if mode == "sampled":
        return {}
    sides = [[(n.accepted, n.rejected, n.rounds, n.emitted) for n in counts] for counts in pair]
    differ = sum(a != b for a, b in zip(*sides, strict=True))
    drafted = sum(a.drafted != b.drafted for a, b in zip(*pair, strict=True))
    return {
        "n_prompts_differ": differ,
        "n_prompts_differ_drafted": None if discarded == "unknown" else drafted,
    }


def _about(group: Group, n_prompts: int) -> Row:
    notes = [*group.notes, *([] if n_prompts else ["no prompt traced both ways"])]
    notes += ["few clusters"] if 0 < n_prompts < FEW_CLUSTERS else []
    return {
        "group": group.name,
        "n_prompts": n_prompts,
        "n_terms": group.n_terms,
        "pilot": group.pilot,
        "note": "; ".join(notes),
    }
