"""`intervals.csv`: every rate of every group with its two intervals, pooled and as a mean over prompts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from specgap.stats.intervals import Interval, Rate, Scale, each_prompt, rates
from specgap.tables.acceptance import NOT_COLLECTED, Mode
from specgap.tables.counts import Counts, Discarded, Row, frame_of
from specgap.tables.layout import Entries
from specgap.tables.membership import Group

COLUMNS = (
    "group",
    "quantity",
    "weight",
    "value",
    "these_low",
    "these_high",
    "these_se",
    "like_low",
    "like_high",
    "like_se",
    "design_effect",
    "n_units",
    "n_templates",
    "n_prompts",
    "n_whole",
    "mode",
    "pilot",
    "note",
)
GREEDY_OVERLAP = "not the acceptance probability under greedy decoding"
_FIXED = 2.0**-40


@dataclass(frozen=True)
class Quantity:
    """A rate: what is divided by what, and where its intervals are symmetric."""

    part: Callable[[Counts], float]
    whole: Callable[[Counts], float]
    scale: Scale = "logit"
    #: Whether it is a share of tokens or rounds, so that it has a design effect.
    counted: bool = True
    #: Whether it needs the number of drafted tokens.
    drafted: bool = False
    #: Whether it needs p and q, or whatever else a server does not count.
    tokens: bool = False


QUANTITIES = {
    "acceptance_rate": Quantity(lambda n: n.accepted, lambda n: n.judged),
    "overlap": Quantity(
        lambda n: n.overlap_sum * _FIXED, lambda n: n.overlap_values, counted=False, tokens=True
    ),
    "draft_acceptance_rate": Quantity(lambda n: n.accepted, lambda n: n.drafted, drafted=True),
    "token_acceptance_ratio": Quantity(lambda n: n.accepted, lambda n: n.emitted),
    "block_efficiency": Quantity(lambda n: n.emitted, lambda n: n.rounds, "log"),
    "gamma_mean": Quantity(lambda n: n.drafted, lambda n: n.rounds, "log", drafted=True),
    "share_cut": Quantity(lambda n: n.cut, lambda n: n.rounds, tokens=True),
    "surer_rate": Quantity(lambda n: n.surer_accepted + n.surer_rejected, lambda n: n.judged, tokens=True),
    "severity": Quantity(lambda n: n.severity_sum * _FIXED, lambda n: n.judged, counted=False, tokens=True),
}


def intervals(
    groups: Sequence[Group],
    found: Entries,
    *,
    mode: Mode,
    discarded: Discarded = "full",
    has_tokens: bool = True,
) -> pd.DataFrame:
    """Return the table: for each group its rates, `weight` pooled (ΣA / ΣQ) and prompt_mean (mean of A / Q).

    `these_*` is the interval over these terms, `like_*` over terms like these (`specgap.stats.intervals`),
    both 95 %; `n_whole` the rate's denominator.
    """
    by_group: dict[str, list[Row]] = {group.name: [] for group in groups}
    for name, quantity in QUANTITIES.items():
        sums = found.sums(quantity.part, quantity.whole)
        missing = [NOT_COLLECTED] if quantity.drafted and discarded == "unknown" else []
        if not has_tokens and (quantity.tokens or missing):
            continue  # nothing to wait for: a server's counts will not have it
        said = [GREEDY_OVERLAP] if name == "overlap" and mode == "greedy" else []
        for weight, weighed in (("pooled", sums), ("prompt_mean", each_prompt(sums))):
            for group, rate in zip(groups, rates(found.layout, weighed, scale=quantity.scale), strict=True):
                row = {"quantity": name, "weight": weight, "mode": mode, **_about(group, rate)}
                if not missing:
                    row |= _numbers(rate)
                if weight == "prompt_mean" or not quantity.counted:
                    row["design_effect"] = None  # of tokens, which are not what is counted here
                row["note"] = "; ".join([*group.notes, *found.notes, *said, *(missing or _gaps(rate))])
                by_group[group.name].append(row)
    return frame_of([row for rows in by_group.values() for row in rows], COLUMNS)


def _about(group: Group, rate: Rate) -> Row:
    return {
        "group": group.name,
        "n_units": rate.n_units,
        "n_templates": group.n_templates,
        "n_prompts": rate.n_prompts,
        "pilot": group.pilot,
    }


def _numbers(rate: Rate) -> Row:
    return {
        "value": rate.value,
        "design_effect": rate.design_effect,
        "n_whole": rate.whole,
        **bounds("these", rate.these),
        **bounds("like", rate.like),
    }


def bounds(name: str, interval: Interval | None) -> Row:
    """Return an interval's columns, none where there is no interval."""
    if interval is None:
        return {}
    return {f"{name}_low": interval.low, f"{name}_high": interval.high, f"{name}_se": interval.se}


def _gaps(rate: Rate) -> Sequence[str]:
    return ["nothing to divide by"] if rate.value is None else rate.notes
