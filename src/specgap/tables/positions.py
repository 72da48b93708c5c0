"""`acceptance_by_position.csv`: how acceptance goes along a draft, one row per group and draft position."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from specgap.tables.acceptance import Mode
from specgap.tables.counts import Counts, Row, frame_of, ratio
from specgap.tables.membership import Group

COLUMNS = (
    "group",
    "position",
    "n_judged",
    "n_accepted",
    "conditional_acceptance",
    "n_rounds",
    "survival",
    "n_prompts",
    "mode",
    "pilot",
    "note",
)

#: Position to (judged, accepted).
Positions = Mapping[int, tuple[int, int]]


def acceptance_by_position(
    positions: Mapping[int, Positions],
    counts: Mapping[int, Counts],
    groups: Sequence[Group],
    *,
    mode: Mode,
) -> pd.DataFrame:
    """Return the table for `groups` from what each prompt had judged and accepted at each draft position.

    Positions run from 1 to the last one that the group had judged. `conditional_acceptance` is accepted at j
    / judged at j (empty where nothing was judged at j), `survival` the share of all the group's rounds with
    at least j accepted, `n_prompts` the number of prompts with a judged token at j. Judged at j also is the
    number of rounds that got as far as j.
    """
    rows = [row for group in groups for row in _rows(group, positions, counts, mode)]
    return frame_of(rows, COLUMNS)


def _rows(
    group: Group, positions: Mapping[int, Positions], counts: Mapping[int, Counts], mode: Mode
) -> list[Row]:
    judged: Counter[int] = Counter()
    accepted: Counter[int] = Counter()
    n_prompts: Counter[int] = Counter()
    for prompt in group.prompts:
        for position, (n_judged, n_accepted) in positions.get(prompt, {}).items():
            judged[position] += n_judged
            accepted[position] += n_accepted
            n_prompts[position] += n_judged > 0
    n_rounds = sum(counts[prompt].rounds for prompt in group.prompts if prompt in counts)
    return [
        {
            "group": group.name,
            "position": position,
            "n_judged": judged[position],
            "n_accepted": accepted[position],
            "conditional_acceptance": ratio(accepted[position], judged[position]),
            "n_rounds": n_rounds,
            "survival": ratio(accepted[position], n_rounds),
            "n_prompts": n_prompts[position],
            "mode": mode,
            "pilot": group.pilot,
            "note": "; ".join([*group.notes, *_gaps(judged[position], n_rounds)]),
        }
        for position in range(1, max(judged, default=0) + 1)
    ]


def _gaps(n_judged: int, n_rounds: int) -> list[str]:
    return ["nothing judged"] * (not n_judged) + ["no rounds"] * (not n_rounds)
