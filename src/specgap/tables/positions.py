"""`acceptance_by_position.csv`: how acceptance goes along a draft, one row per group and draft position."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from specgap.stats.positions import Band, position_bands
from specgap.tables.acceptance import Mode
from specgap.tables.counts import Counts, Row, frame_of, ratio
from specgap.tables.membership import Group
from specgap.tables.standardised import counts_by_position

COLUMNS = (
    "group",
    "position",
    "n_judged",
    "n_accepted",
    "conditional_acceptance",
    "low",
    "high",
    "n_units",
    "n_rounds",
    "survival",
    "survival_low",
    "survival_high",
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

    Positions run from 1 to the last one that the group had judged. `conditional_acceptance` is accepted at
    j / judged at j (empty where nothing was judged at j), `low` and `high` its 95 % band over units,
    `survival` the share of all the group's rounds with at least j accepted, with a band of its own,
    `n_prompts` the number of prompts with a judged token at j. Judged at j also is the number of rounds that
    got as far as j.
    """
    rows = [row for group in groups for row in _rows(group, positions, counts, mode)]
    return frame_of(rows, COLUMNS)


def _rows(
    group: Group, positions: Mapping[int, Positions], counts: Mapping[int, Counts], mode: Mode
) -> list[Row]:
    judged, accepted = counts_by_position(group.prompts, positions)
    rounds = np.array([counts.get(prompt, Counts()).rounds for prompt in group.prompts], dtype=np.int64)
    n_rounds, units = int(rounds.sum()), np.array(group.units, dtype=np.int64)
    bands = position_bands(judged, accepted, units)
    surviving = position_bands(np.broadcast_to(rounds[:, None], accepted.shape), accepted, units)
    n_judged, n_accepted, n_prompts = judged.sum(axis=0), accepted.sum(axis=0), (judged > 0).sum(axis=0)
    return [
        {
            "group": group.name,
            "position": at + 1,
            "n_judged": int(n_judged[at]),
            "n_accepted": int(n_accepted[at]),
            "conditional_acceptance": ratio(int(n_accepted[at]), int(n_judged[at])),
            **_bounds(band, "low", "high"),
            "n_units": band.n_units,
            "n_rounds": n_rounds,
            "survival": ratio(int(n_accepted[at]), n_rounds),
            **_bounds(surviving[at], "survival_low", "survival_high"),
            "n_prompts": int(n_prompts[at]),
            "mode": mode,
            "pilot": group.pilot,
            "note": "; ".join([*group.notes, *_gaps(int(n_judged[at]), n_rounds, band)]),
        }
        for at, band in enumerate(bands)
    ]


def _bounds(band: Band, *names: str) -> Row:
    return {} if band.interval is None else dict(zip(names, band.interval, strict=True))


def _gaps(n_judged: int, n_rounds: int, band: Band) -> list[str]:
    if not n_judged:
        return ["nothing judged", *["no rounds"] * (not n_rounds)]
    return [*["no rounds"] * (not n_rounds), *filter(None, [band.note])]
