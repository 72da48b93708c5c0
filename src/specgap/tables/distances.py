"""`distances.csv` and `distributions.csv`: p, q and p − q of judged tokens, every unit weighing the same.

Both read what a state knows of units, `pa.table(state.unit_histograms()).to_pandas()`. Judged are accepted
and rejected tokens; a unit without any is left out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from specgap.stats import distances as stats
from specgap.stats.distances import PERMUTATIONS, UnitHistograms
from specgap.tables.acceptance import Mode
from specgap.tables.counts import Row, frame_of
from specgap.tables.keys import group_key, unit_key
from specgap.tables.membership import Group, pair_notes, shared_notes

#: Bins of a unit's histogram, and the range of each quantity, as `rust_agg` has them.
N_BINS = 64
RANGES = {"p": (0.0, 1.0), "q": (0.0, 1.0), "difference": (-1.0, 1.0)}
COLUMNS = (
    "group_a",
    "group_b",
    "quantity",
    "wasserstein",
    "ks",
    "p_wasserstein",
    "p_ks",
    "n_units_a",
    "n_units_b",
    "mode",
    "pilot",
    "note",
)
_LEVELS = {"median": 0.5, "p05": 0.05, "p25": 0.25, "p75": 0.75, "p95": 0.95}
DISTRIBUTION_COLUMNS = (
    "group",
    "quantity",
    "low",
    "high",
    "share",
    *_LEVELS,
    "n_units",
    "mode",
    "pilot",
    "note",
)
_EDGES = np.array([np.linspace(*bounds, N_BINS + 1) for bounds in RANGES.values()])


def distances(
    unit_histograms: pd.DataFrame,
    grouping: str,
    groups: Sequence[Group],
    *,
    mode: Mode,
    seed: int,
    permutations: int = PERMUTATIONS,
    within_strata: bool = True,
) -> pd.DataFrame:
    """Return a row per pair of groups, as listed, and quantity: Wasserstein-1, KS, and their p-values.

    What is permuted is in `stats.distances.distances`: units, within strata where these are wanted. A unit
    with prompts in several strata counts in that of most of its prompts (the first by name of several such).
    Descriptive: p-values are not corrected for the number of pairs. `note` says why a cell is empty.
    """
    units = _units(unit_histograms, grouping, groups, within_strata=within_strata)
    rows = []
    for a, b in combinations(groups, 2):
        rows += _pair(a, b, units[a.name], units[b.name], seed, permutations)
    return frame_of([row | {"mode": mode, "pilot": groups[0].pilot} for row in rows], COLUMNS)


def distributions(
    unit_histograms: pd.DataFrame, grouping: str, groups: Sequence[Group], *, mode: Mode
) -> pd.DataFrame:
    """Return a row per group, quantity and bin, empty bins too, with the quantiles repeated in each row.

    A group with nothing judged has one row per quantity, without numbers. The last bin holds its `high`.
    """
    units = _units(unit_histograms, grouping, groups)
    rows: list[Row] = []
    for group in groups:
        rows += _bins(group, units[group.name])
    return frame_of([row | {"mode": mode, "pilot": groups[0].pilot} for row in rows], DISTRIBUTION_COLUMNS)


def _pair(
    a: Group, b: Group, units_a: UnitHistograms, units_b: UnitHistograms, seed: int, permutations: int
) -> list[Row]:
    row: Row = {
        "group_a": a.name,
        "group_b": b.name,
        "n_units_a": len(units_a),
        "n_units_b": len(units_b),
    }
    empty = [group.name for group, units in ((a, units_a), (b, units_b)) if not len(units)]
    notes = pair_notes(a, b)
    if empty:
        note = "; ".join([*notes, *(f"nothing judged ({name})" for name in empty)])
        return [row | {"quantity": quantity, "note": note} for quantity in RANGES]
    found = stats.distances(units_a, units_b, _EDGES, seed=seed, permutations=permutations)
    columns = {name: getattr(found, name) for name in ("wasserstein", "ks", "p_wasserstein", "p_ks")}
    note = "; ".join([*notes, *_test_notes(found, permutations), *shared_notes(a, b)])
    return [
        row
        | {name: None if values is None else float(values[at]) for name, values in columns.items()}
        | {"quantity": quantity, "note": note}
        for at, quantity in enumerate(RANGES)
    ]


def _bins(group: Group, units: UnitHistograms) -> list[Row]:
    if not len(units):
        note = "; ".join([*group.notes, "nothing judged"])
        return [{"group": group.name, "quantity": q, "n_units": 0, "note": note} for q in RANGES]
    rows: list[Row] = []
    for quantity, edges, shares in zip(RANGES, _EDGES, stats.distribution(units), strict=True):
        at = stats.quantiles(shares, edges, tuple(_LEVELS.values()))
        same: Row = {"group": group.name, "quantity": quantity, "n_units": len(units)}
        same |= dict(zip(_LEVELS, at.tolist(), strict=True)) | {"note": "; ".join(group.notes)}
        bins = zip(edges[:-1].tolist(), edges[1:].tolist(), shares.tolist(), strict=True)
        rows += [same | {"low": low, "high": high, "share": share} for low, high, share in bins]
    return rows


def _units(
    frame: pd.DataFrame, grouping: str, groups: Sequence[Group], *, within_strata: bool = True
) -> dict[str, UnitHistograms]:
    """Return the units of each group with a judged token, sorted by name."""
    keys = [group_key(grouping, group.name) for group in groups]
    frame = frame[(frame["verdict"] != "discarded") & frame["group"].isin(keys)]
    strata = sorted({row.stratum or "" for group in groups for row in group.rows.values()})
    number = {stratum: at if within_strata else 0 for at, stratum in enumerate(strata)}
    return {
        group.name: _histograms(frame[frame["group"] == key], _strata_of(group, grouping), number)
        for group, key in zip(groups, keys, strict=True)
    }


def _histograms(frame: pd.DataFrame, strata: Mapping[str, str], number: Mapping[str, int]) -> UnitHistograms:
    codes, units = pd.factorize(frame["unit"], sort=True)
    counts = np.zeros((len(units), len(RANGES), N_BINS))
    quantity = frame["quantity"].map({name: at for at, name in enumerate(RANGES)})
    # Of an empty frame no column has numbers.
    places = (codes, quantity.to_numpy(dtype=np.int64), frame["bin"].to_numpy(dtype=np.int64))
    np.add.at(counts, places, frame["count"].to_numpy(dtype=np.float64))
    stratum = np.array([number[strata[unit]] for unit in units], dtype=np.int64)
    full = counts.sum(axis=2).all(axis=1)
    return UnitHistograms(counts[full], stratum[full])


def _strata_of(group: Group, grouping: str) -> dict[str, str]:
    seen: dict[str, Counter[str]] = {}
    for row in group.rows.values():
        unit = unit_key(grouping, group.name, row.term, row.prompt)
        seen.setdefault(unit, Counter())[row.stratum or ""] += 1
    return {unit: min(n, key=lambda name: (-n[name], name)) for unit, n in seen.items()}


def _test_notes(found: stats.Distances, permutations: int) -> list[str]:
    if found.p_ks is None:
        return ["no test: the groups share no stratum"]
    notes = [f"{found.permutations} permutations"] if found.permutations < permutations else []
    if found.n_fixed:
        notes.append(f"units in strata that the other group lacks: {found.n_fixed}")
    return notes
