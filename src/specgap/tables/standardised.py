"""`standardised_acceptance.csv`: groups' acceptance at one mix of draft positions, whatever their γ."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from specgap.stats.positions import Band, Table, standardised_rates
from specgap.tables.acceptance import Mode
from specgap.tables.counts import Row, frame_of
from specgap.tables.layout import Entries
from specgap.tables.membership import Group

#: Of each prompt id: position to (judged, accepted).
ByPosition = Mapping[int, Mapping[int, tuple[int, int]]]
COLUMNS = (
    "group",
    "acceptance_rate",
    "standardised_rate",
    "standardised_low",
    "standardised_high",
    "n_positions",
    "mode",
    "pilot",
    "note",
)


def standardised_acceptance(
    groups: Sequence[Group], found: Entries, positions: ByPosition, *, mode: Mode
) -> pd.DataFrame:
    """Return a row per group: its pooled rate, and that at the positions' pooled shares of judged tokens.

    `n_positions` is the number of positions that all groups reach; judged tokens at others are not in the
    standardised rate, and `note` says how many percent of the group's those are. Intervals take units as
    clusters. See `stats.positions` for the formulas.
    """
    judged, accepted = counts_by_position(found.prompts, positions)
    own = [found.layout.group == number for number in range(len(groups))]
    rates = standardised_rates([(judged[o], accepted[o], found.layout.unit[o]) for o in own])
    rows = [
        _row(group, band, judged[o], accepted[o], rates.reached) | {"mode": mode}
        for group, band, o in zip(groups, rates.groups, own, strict=True)
    ]
    return frame_of(rows, COLUMNS)


def counts_by_position(prompts: Sequence[int], positions: ByPosition) -> tuple[Table, Table]:
    """Return judged and accepted tokens of `prompts` by position, each (prompts, positions) from position 1.

    Prompts may be listed more than once; those without an entry have 0 everywhere.
    """
    place = {prompt: at for at, prompt in enumerate(dict.fromkeys(prompts))}
    found = [
        (place[prompt], position, judged, accepted)
        for prompt in place
        for position, (judged, accepted) in positions.get(prompt, {}).items()
    ]
    row, column, judged, accepted = np.array(found, dtype=np.int64).reshape(-1, 4).T
    tables = np.zeros((2, len(place), int(column.max(initial=0))), dtype=np.int64)
    tables[0, row, column - 1], tables[1, row, column - 1] = judged, accepted
    listed = np.array([place[prompt] for prompt in prompts], dtype=np.int64)
    return tables[0][listed], tables[1][listed]


def _row(group: Group, band: Band, judged: Table, accepted: Table, reached: np.ndarray) -> Row:
    whole = int(judged.sum())
    low, high = band.interval or (None, None)
    notes = [*group.notes, *([band.note] if band.note else [])]
    outside = whole - int(judged[:, reached].sum())
    if outside and band.value is not None:
        notes.append(f"{100 * outside / whole:.1f} % of judged tokens at positions that not all groups reach")
    return {
        "group": group.name,
        "acceptance_rate": int(accepted.sum()) / whole if whole else None,
        "standardised_rate": band.value,
        "standardised_low": low,
        "standardised_high": high,
        "n_positions": len(reached),
        "pilot": group.pilot,
        "note": "; ".join(notes),
    }
