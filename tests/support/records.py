"""A language for traces: `trace("AAR AARDD -!")` is what one continuation recorded, round by round.

A, R, D are an accepted, a rejected and a discarded token, `-` a round in which nothing was drafted, and `!`
after a round says that the length limit cut it. A round ends with one more token from the target: a
correction after R, a bonus otherwise; none where it was cut.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field, fields, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from specgap.prompts import PromptSet, Row, prompt_id
from specgap.schema import ROUNDS, TRACES, Censored, Verdict

_VERDICTS = {"A": Verdict.ACCEPTED, "R": Verdict.REJECTED, "D": Verdict.DISCARDED}
_P_AND_Q = {"A": (0.75, 0.5), "R": (0.125, 0.5), "D": (0.25, 0.5)}


@dataclass(frozen=True)
class Record:
    """A row of `traces`."""

    prompt: int
    sample: int
    round: int
    position: int
    offset: int
    token: int
    p: float
    q: float
    overlap: float
    entropy: float
    verdict: int


@dataclass(frozen=True)
class RoundRecord:
    """A row of `rounds`."""

    prompt: int
    sample: int
    round: int
    requested: int
    drafted: int
    accepted: int
    emitted: int
    next_token: int | None
    next_p: float | None
    censored: int


@dataclass(frozen=True)
class Trace:
    """Records and rounds; traces of several prompts and samples are added."""

    records: list[Record] = field(default_factory=list)
    rounds: list[RoundRecord] = field(default_factory=list)

    def __add__(self, other: "Trace") -> "Trace":
        return Trace(self.records + other.records, self.rounds + other.rounds)

    def with_values(self, **changes: object) -> "Trace":
        """The same records with other values: `with_values(p=0.1)`."""
        return Trace([replace(record, **changes) for record in self.records], self.rounds)  # type: ignore[arg-type]


def trace(text: str, *, prompt: str = "", sample: int = 0, token: int = 7, next_token: int = 9) -> Trace:
    """Return the trace that `text` spells, for the prompt of this text."""
    key, offset = prompt_id(prompt), 0
    whole = Trace()
    for number, word in enumerate(text.split()):
        letters = word.strip("-!")
        records = [
            Record(
                key,
                sample,
                number,
                at + 1,
                offset + at,
                token,
                *_P_AND_Q[letter],
                0.625,
                1.5,
                _VERDICTS[letter],
            )
            for at, letter in enumerate(letters)
        ]
        n_accepted, cut = letters.count("A"), word.endswith("!")
        emitted = n_accepted + (not cut or "R" in letters)
        last = (next_token, 0.5) if emitted > n_accepted else (None, None)
        why = Censored.MAX_LENGTH if cut else Censored.NONE
        requested = len(letters) + cut
        drawn = RoundRecord(key, sample, number, requested, len(letters), n_accepted, emitted, *last, why)
        whole = whole + Trace(records, [drawn])
        offset += emitted
    return whole


def write_shards(folder: Path, shards: Sequence[Trace]) -> tuple[list[Path], list[Path]]:
    """Write each trace as a shard; return the files of traces and of rounds."""
    files: tuple[list[Path], list[Path]] = ([], [])
    for number, shard in enumerate(shards):
        parts = (("traces", TRACES, shard.records), ("rounds", ROUNDS, shard.rounds))
        for (kind, schema, rows), written in zip(parts, files, strict=True):
            path = folder / kind / f"s{number}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(_table(schema, rows), path)
            written.append(path)
    return files


def _table(schema: pa.Schema, rows: Iterable[Record | RoundRecord]) -> pa.Table:
    values = [astuple(row) for row in rows]
    columns = list(zip(*values, strict=True)) if values else [()] * len(schema)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


assert [f.name for f in fields(Record)] == TRACES.names
assert [f.name for f in fields(RoundRecord)] == ROUNDS.names


def row(
    text: str,
    *groups: str,
    term: str | None = "term",
    template: str | None = "template",
    **others: tuple[str, ...],
) -> Row:
    """Return a prompt's row in `groups` of the grouping `category`, and in those of other groupings."""
    return Row(prompt_id(text), text, {"category": groups, **others}, term, template, None, "prompts.csv:2")


def prompt_set(*rows: Row, pilot: int | None = None) -> PromptSet:
    """Return the prompts of these rows; the groupings are those of the first."""
    groupings = tuple(rows[0].groups)
    return PromptSet(rows, groupings, unit="term", block="template", notices=(), pilot=pilot)
