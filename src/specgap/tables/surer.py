"""`surer_tokens.csv`: the tokens that the draft was surer of than the target (q > p), by group and verdict.

Counts come from the aggregate. Mean p, mean q, what the target emitted instead and the example are read from
the records by `read_surer`, a million rows at a time; memory grows with the number of distinct (group, token)
and (group, token, replacement), not with rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from specgap.errors import TableError
from specgap.tables.acceptance import Mode
from specgap.tables.counts import Row, frame_of
from specgap.tables.membership import Group
from specgap.tables.surer_records import Key, SurerRecords
from specgap.tables.vocabulary import token_text

COLUMNS = (
    "group",
    "verdict",
    "token",
    "text",
    "count",
    "n_prompts",
    "mean_p",
    "mean_q",
    "replaced_by",
    "example",
    "mode",
    "pilot",
    "note",
)
VERDICTS = ("accepted", "rejected")
NO_RECORDS = "counts only: this setting has no records"


@dataclass(frozen=True)
class SurerCounts:
    """Counts of one grouping from the aggregate: a row per group, verdict and token."""

    #: Index into the groups.
    group: np.ndarray
    #: 1 accepted, 0 rejected.
    verdict: np.ndarray
    token: np.ndarray
    count: np.ndarray
    n_prompts: np.ndarray


def surer_tokens(
    counts: SurerCounts,
    records: SurerRecords | None,
    groups: Sequence[Group],
    *,
    vocabulary: Mapping[int, str],
    texts: Mapping[int, str],
    mode: Mode,
) -> pd.DataFrame:
    """Return the table, sorted by group (as listed), verdict, count (descending) and token.

    `records` is None where a setting has none; then the columns that need them are empty, with a note.
    `replaced_by` names up to three tokens that the target emitted most often in place of a rejected one, as
    `text×count`. `example` is the text of the first listed prompt that the token was drafted for. Counts that
    differ between records and aggregate are a `TableError`.
    """
    order = np.lexsort((counts.token, -counts.count, 1 - counts.verdict, counts.group))
    rows = []
    for at in order.tolist():
        key = (int(counts.group[at]), int(counts.verdict[at]), int(counts.token[at]))
        row = _counted(key, int(counts.count[at]), int(counts.n_prompts[at]), groups, vocabulary)
        rows.append(row | _recorded(key, row, records, vocabulary, texts) | {"mode": mode})
    if records is not None and len(records.count) != len(rows):
        raise TableError(
            f"the records hold {len(records.count)} (group, verdict, token) with q > p; "
            f"wanted the aggregate's {len(rows)}"
        )
    return frame_of(rows, COLUMNS)


def top_tokens(frame: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return the first n rows of each group and verdict."""
    return frame.groupby(["group", "verdict"], sort=False).head(n)


def _counted(
    key: Key, count: int, n_prompts: int, groups: Sequence[Group], vocabulary: Mapping[int, str]
) -> Row:
    group, verdict, token = key
    return {
        "group": groups[group].name,
        "verdict": VERDICTS[1 - verdict],
        "token": token,
        "text": token_text(vocabulary, token, of="records"),
        "count": count,
        "n_prompts": n_prompts,
        "pilot": groups[group].pilot,
        "note": "; ".join(groups[group].notes),
    }


def _recorded(
    key: Key,
    row: Row,
    records: SurerRecords | None,
    vocabulary: Mapping[int, str],
    texts: Mapping[int, str],
) -> Row:
    if records is None:
        return {"note": "; ".join(filter(None, [row["note"], NO_RECORDS]))}
    recorded = records.count.get(key, 0)
    if recorded != row["count"]:
        raise TableError(
            f"token {row['token']} of group {row['group']!r} is {row['verdict']} with q > p {recorded} times "
            f"in the records; wanted {row['count']} times, as in the aggregate"
        )
    instead = [
        f"{token_text(vocabulary, token, of='records')}×{n}" for token, n in records.replaced_by.get(key, ())
    ]
    return {
        "mean_p": records.mean_p[key],
        "mean_q": records.mean_q[key],
        "replaced_by": "; ".join(instead),
        "example": texts[records.example[key]],
    }
