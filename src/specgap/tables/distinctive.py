"""`distinctive_tokens.csv`: tokens with q > p that a group has more often than the rest. Exploratory.

By count all groups list the same function words; here a token leads for how much more often it was surer and
rejected (or accepted) in the group than in all other groups together.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from specgap.stats.distinctive import LEAST_UNITS, PRIOR_TOTAL, TokenCounts, log_odds, log_odds_interval
from specgap.stats.layout import Floats, Ints
from specgap.tables.acceptance import Mode
from specgap.tables.counts import Row, frame_of
from specgap.tables.keys import group_key, unit_key
from specgap.tables.membership import Group
from specgap.tables.vocabulary import token_text

COLUMNS = (
    "group",
    "verdict",
    "token",
    "text",
    "count",
    "n_prompts",
    "n_terms",
    "log_odds",
    "z",
    "low",
    "high",
    "mode",
    "pilot",
    "note",
)
VERDICTS = ("rejected", "accepted")
EXPLORATORY = "exploratory"
ONE_GROUP = "one group: nothing to compare with"
NO_REST = "no such token in any other group: nothing to compare with"
ONE_TOKEN = "one token alone: no log-odds"
FEW_UNITS = f"no interval: fewer than {LEAST_UNITS} units in the group or in all others"
NONE_ABOVE = "no token more frequent than in the rest"
#: Log-odds that differ from 0 by rounding alone are not above it.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Choice:
    """Which tokens are shown, and the total of the prior's counts."""

    least_prompts: int = 3
    least_terms: int = 2
    most_rows: int = 30
    prior_total: float = PRIOR_TOTAL

    @property
    def none_seen(self) -> str:
        """What is said of a group without a token seen often enough."""
        return f"no token in ≥ {self.least_prompts} prompts and ≥ {self.least_terms} terms"


def distinctive_tokens(
    tokens: pd.DataFrame,
    grouping: str,
    groups: Sequence[Group],
    *,
    vocabulary: Mapping[int, str],
    mode: Mode,
    seed: int,
    choice: Choice | None = None,
) -> pd.DataFrame:
    """Return the tokens above the rest, by group as listed, verdict (rejected first) and z (descending).

    `tokens` is `pa.table(state.tokens()).to_pandas()`. A token is shown where, with the verdict, it was seen
    in enough prompts and terms of the group and its log-odds are above 0. `low` and `high` are the 95 %
    interval of the log-odds from resampled terms. A prompt of two groups counts in each, so also in the
    rest of each. A group and verdict without a token has one row, whose note says why. Raises `TableError`
    where a token is not in `vocabulary`.
    """
    choice, rows = choice or Choice(), []
    counted = {verdict: _Counted.of(tokens, grouping, groups, verdict) for verdict in VERDICTS}
    for number, group in enumerate(groups):
        for verdict in VERDICTS:
            same = {"group": group.name, "verdict": verdict, "mode": mode, "pilot": group.pilot}
            for row in _rows(counted[verdict], number, choice, seed, len(groups)):
                text = {"text": token_text(vocabulary, row["token"], of="counts")} if "token" in row else {}
                note = "; ".join([*group.notes, row["note"]])
                rows.append(same | row | text | {"note": note})
    return frame_of(rows, COLUMNS)


@dataclass(frozen=True)
class _Counted:
    """Tokens of one verdict; units and groups are numbered, and tokens are places in `ids`."""

    ids: Ints
    counts: TokenCounts
    n_prompts: Ints
    group_of_unit: Ints

    @classmethod
    def of(cls, tokens: pd.DataFrame, grouping: str, groups: Sequence[Group], verdict: str) -> "_Counted":
        units, group_of_unit = _all_units(grouping, groups)
        frame = tokens[tokens[f"n_surer_{verdict}"] > 0]
        frame = frame[frame["group"].isin([group_key(grouping, group.name) for group in groups])]
        keys = zip(frame["group"], frame["unit"], strict=True)
        at = np.array([units[key] for key in keys], dtype=np.int64)
        ids, token = np.unique(frame["token"].to_numpy(dtype=np.int64), return_inverse=True)
        count, n_prompts = (
            frame[name].to_numpy(dtype=np.int64) for name in (f"n_surer_{verdict}", f"n_prompts_{verdict}")
        )
        return cls(ids, TokenCounts(at, token, count, len(units), len(ids)), n_prompts, group_of_unit)

    def seen(self, inside: NDArray[np.bool_]) -> tuple[Ints, Ints]:
        """Return in how many prompts and units of a group each token was; its units share no prompt."""
        chosen = inside[self.counts.unit]
        at, n = self.counts.token[chosen], len(self.ids)
        n_prompts = np.bincount(at, weights=self.n_prompts[chosen], minlength=n)
        return n_prompts.astype(np.int64), np.bincount(at, minlength=n)


def _all_units(grouping: str, groups: Sequence[Group]) -> tuple[dict[tuple[str, str], int], Ints]:
    units: dict[tuple[str, str], int] = {}
    group_of_unit: list[int] = []
    for number, group in enumerate(groups):
        key = group_key(grouping, group.name)
        for row in group.rows.values():
            units.setdefault((key, unit_key(grouping, group.name, row.term, row.prompt)), len(units))
        group_of_unit += [number] * (len(units) - len(group_of_unit))
    return units, np.array(group_of_unit, dtype=np.int64)


def _rows(counted: _Counted, group: int, choice: Choice, seed: int, n_groups: int) -> Iterator[Row]:
    inside = counted.group_of_unit == group
    count, rest = counted.counts.by_token(inside), counted.counts.by_token(~inside)
    n_prompts, n_terms = counted.seen(inside)
    fit = (n_prompts >= choice.least_prompts) & (n_terms >= choice.least_terms)
    missing = _why_none(fit, rest, n_groups, choice)
    if missing is not None:
        yield {"note": missing}
        return
    value, z = log_odds(count, rest, prior_total=choice.prior_total)
    shown = _leading(np.flatnonzero(fit & (value > _ROUNDING)), z, choice.most_rows)
    if not len(shown):
        yield {"note": NONE_ABOVE}
        return
    interval = log_odds_interval(counted.counts, inside, shown, seed=seed, prior_total=choice.prior_total)
    low, high = ([None] * len(shown),) * 2 if interval is None else (bound.tolist() for bound in interval)
    columns: dict[str, list[Any]] = {
        "token": counted.ids[shown].tolist(),
        "count": count[shown].astype(int).tolist(),
        "n_prompts": n_prompts[shown].tolist(),
        "n_terms": n_terms[shown].tolist(),
        "log_odds": value[shown].tolist(),
        "z": z[shown].tolist(),
        "low": low,
        "high": high,
        "note": [EXPLORATORY if interval else f"{EXPLORATORY}; {FEW_UNITS}"] * len(shown),
    }
    for row in zip(*columns.values(), strict=True):
        yield dict(zip(columns, row, strict=True))


def _why_none(fit: NDArray[np.bool_], rest: Floats, n_groups: int, choice: Choice) -> str | None:
    if n_groups == 1:
        return ONE_GROUP
    if not fit.any():
        return choice.none_seen
    if not rest.any():
        return NO_REST
    return ONE_TOKEN if len(fit) == 1 else None


def _leading(tokens: Ints, z: Floats, n: int) -> Ints:
    """Return the n tokens with the greatest z; ties in the order of their ids."""
    return tokens[np.argsort(-z[tokens], kind="stable")][:n]
