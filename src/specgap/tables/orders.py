"""`order_effect.csv`: what a group is served like depends on whom it follows, where γ is carried over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from specgap.prompts import PromptSet
from specgap.tables.acceptance import Mode
from specgap.tables.counts import Counts, Row, frame_of, ratio, total
from specgap.tables.membership import Group, groups_in

COLUMNS = (
    "setting",
    "series",
    "order",
    "group",
    "n_terms",
    "n_groups_before",
    "n_drafted",
    "n_judged",
    "n_accepted",
    "draft_acceptance_rate",
    "acceptance_rate",
    "gamma_mean",
    "block_efficiency",
    "mode",
    "pilot",
    "note",
)
#: `series` of the fixed instrument, which starts every prompt anew, and of the orders of the groups.
RESET, CARRIED = "reset", "carried"
N_ORDERS = 20
#: Tries at an order that has not been drawn yet, for each one wanted.
_TRIES = 50


@dataclass(frozen=True)
class GroupOrder:
    """The groups in the order in which they are served, and every prompt of the study in that order."""

    groups: tuple[str, ...]
    prompts: tuple[int, ...]


def group_orders(prompts: PromptSet, rng: np.random.Generator, *, n: int = N_ORDERS) -> list[GroupOrder]:
    """Return `n` different random orders of the main grouping's groups; fewer where there are not as many.

    Within a group prompts stand as listed. A prompt of several groups comes with the first of them, prompts
    of no group come last.
    """
    groups = groups_in(prompts, prompts.groupings[0])
    drawn: dict[tuple[int, ...], GroupOrder] = {}
    for _ in range(_TRIES * n):
        if len(drawn) < n:
            chosen = tuple(rng.permutation(len(groups)).tolist())
            drawn.setdefault(chosen, _order([groups[place] for place in chosen], prompts))
    return list(drawn.values())


def _order(groups: Sequence[Group], prompts: PromptSet) -> GroupOrder:
    listed = [prompt for group in groups for prompt in group.prompts]
    return GroupOrder(
        tuple(group.name for group in groups), tuple(dict.fromkeys([*listed, *prompts.distinct]))
    )


def order_effect(
    by_order: Sequence[tuple[GroupOrder, Mapping[int, Counts]]],
    fixed: Mapping[int, Counts],
    groups: Sequence[Group],
    *,
    setting: str,
    mode: Mode,
) -> pd.DataFrame:
    """Return each group's rates under the fixed instrument (`order` 0) and under every order (from 1).

    `by_order` holds what was counted for each prompt where the setting's γ was carried through that order,
    and `fixed` where it began anew with every prompt. `n_groups_before` were served before the group.
    """
    rows = [_row(group, fixed, {"series": RESET, "order": 0}) for group in groups]
    for number, (order, counts) in enumerate(by_order, start=1):
        for group in groups:
            about = {"series": CARRIED, "order": number, "n_groups_before": order.groups.index(group.name)}
            rows.append(_row(group, counts, about))
    return frame_of([{**row, "setting": setting, "mode": mode} for row in rows], COLUMNS)


def _row(group: Group, counts: Mapping[int, Counts], about: Row) -> Row:
    n = total(counts.get(prompt, Counts()) for prompt in group.prompts)
    return {
        **about,
        "group": group.name,
        "n_terms": group.n_terms,
        "n_drafted": n.drafted,
        "n_judged": n.judged,
        "n_accepted": n.accepted,
        "draft_acceptance_rate": ratio(n.accepted, n.drafted),
        "acceptance_rate": ratio(n.accepted, n.judged),
        "gamma_mean": ratio(n.drafted, n.rounds),
        "block_efficiency": ratio(n.emitted, n.rounds),
        "pilot": group.pilot,
        "note": "; ".join([*group.notes, *([] if n.judged else ["nothing judged"])]),
    }
