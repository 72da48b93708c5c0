"""Reads from traces and rounds what the aggregate does not keep of the tokens with q > p.

Everything is whole numbers until the last division (p and q in fixed point, multiples of 2⁻⁴⁰), so no result
depends on how the records are cut into files and batches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from specgap.errors import TableError
from specgap.files import read_parquet
from specgap.schema import Verdict
from specgap.tables.membership import Group

#: (index of the group, 1 accepted or 0 rejected, token id).
Key = tuple[int, int, int]

BATCH = 1 << 20
N_REPLACEMENTS = 3
_TRACE_COLUMNS = ["prompt", "sample", "round", "token", "p", "q", "verdict"]
_ROUND_COLUMNS = ["prompt", "sample", "round", "next_token"]
#: Token ids are below 2²², groups × 2 below 2²⁰: three of them fit a 64-bit key.
_TOKEN_BITS = 22
_MOST_GROUPS = 1 << 18
_FIXED_BITS = 40
_HALF = 20


@dataclass(frozen=True)
class SurerRecords:
    """What the records say of each (group, verdict, token) with q > p; rejected ones in `replaced_by`."""

    count: dict[Key, int]
    mean_p: dict[Key, float]
    mean_q: dict[Key, float]
    #: Id of the first listed prompt.
    example: dict[Key, int]
    #: Up to three (token, count), the most frequent first, ties by token id; rejected keys only.
    replaced_by: dict[Key, list[tuple[int, int]]]


def read_surer(
    trace_files: Sequence[Path], round_files: Sequence[Path], groups: Sequence[Group], prompts: Sequence[int]
) -> SurerRecords:
    """Read the judged tokens with q > p of all shards and fold them by `groups`.

    The n-th trace file and the n-th round file hold the same prompts and samples. `prompts` are all distinct
    ids in listed order. Raises `TableError` for a prompt that is not listed or a rejected token whose round
    is missing.
    """
    if len(groups) >= _MOST_GROUPS:
        raise TableError(f"{len(groups)} groups; wanted fewer than {_MOST_GROUPS}")
    if len(trace_files) != len(round_files):
        raise TableError(
            f"{len(trace_files)} files of traces and {len(round_files)} of rounds; wanted as many of both"
        )
    members = _Members.of(groups, prompts)
    tokens, replaced = (
        _Sums(("count", "p_high", "p_low", "q_high", "q_low"), "first"),
        _Sums(("count",), None),
    )
    for trace_file, round_file in zip(trace_files, round_files, strict=True):
        rounds = _Rounds.read(round_file, members)
        for batch in _surer_batches(trace_file):
            _fold(batch, rounds, members, tokens, replaced, source=trace_file)
    return _finish(tokens, replaced, prompts)


@dataclass(frozen=True)
class _Batch:
    """Judged tokens with q > p."""

    prompt: np.ndarray
    moment: np.ndarray
    token: np.ndarray
    p: np.ndarray
    q: np.ndarray
    accepted: np.ndarray


def _surer_batches(path: Path) -> Iterator[_Batch]:
    with pq.ParquetFile(path) as file:
        for table in file.iter_batches(batch_size=BATCH, columns=_TRACE_COLUMNS, use_threads=False):
            column = {name: table.column(name).to_numpy(zero_copy_only=False) for name in _TRACE_COLUMNS}
            keep = (column["q"] > column["p"]) & (column["verdict"] != Verdict.DISCARDED)
            kept = {name: values[keep] for name, values in column.items()}
            if len(kept["token"]) and int(kept["token"].max()) >= 1 << _TOKEN_BITS:
                raise TableError(f"{path}: token {kept['token'].max()}; wanted ids below {1 << _TOKEN_BITS}")
            yield _Batch(
                kept["prompt"],
                _moment(kept["sample"], kept["round"]),
                kept["token"].astype(np.int64),
                _fixed(kept["p"]),
                _fixed(kept["q"]),
                (kept["verdict"] == Verdict.ACCEPTED).astype(np.int64),
            )


@dataclass(frozen=True)
class _Rounds:
    """The token that ended each round, where one did. Key: the prompt's place, sample and round."""

    key: np.ndarray
    next_token: np.ndarray
    source: Path

    @classmethod
    def read(cls, path: Path, members: "_Members") -> "_Rounds":
        table = read_parquet(path, columns=_ROUND_COLUMNS)
        table = table.filter(table.column("next_token").is_valid())
        column = {name: table.column(name).to_numpy() for name in _ROUND_COLUMNS}
        listed = members.listed_at(column["prompt"], path)
        key = listed << 32 | _moment(column["sample"], column["round"])
        order = np.argsort(key, kind="stable")
        return cls(key[order], column["next_token"][order].astype(np.int64), path)

    def next_tokens(self, listed: np.ndarray, moment: np.ndarray) -> np.ndarray:
        """Return the token emitted in each of the given rounds."""
        wanted = listed << 32 | moment
        at = np.searchsorted(self.key, wanted)
        found = at < len(self.key)
        found[found] = self.key[at[found]] == wanted[found]
        if not found.all():
            missing = moment[np.argmin(found)]
            raise TableError(
                f"{self.source}: no correction token in round {missing & 0xFFFF} of a prompt's "
                f"sample {missing >> 16}; wanted one, since the trace has a rejected token there"
            )
        tokens: np.ndarray = self.next_token[at]
        return tokens


def _moment(sample: np.ndarray, number: np.ndarray) -> np.ndarray:
    return (sample.astype(np.int64) << 16) | number.astype(np.int64)


def _fixed(values: np.ndarray) -> np.ndarray:
    return np.rint(values.astype(np.float64) * 2.0**_FIXED_BITS).astype(np.int64)


@dataclass(frozen=True)
class _Members:
    """The groups of each listed prompt, as one flat array with the places where each prompt's begin."""

    sorted_prompts: np.ndarray
    listed: np.ndarray
    starts: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, groups: Sequence[Group], prompts: Sequence[int]) -> "_Members":
        at = {prompt: number for number, prompt in enumerate(prompts)}
        pairs = [(at[prompt], number) for number, group in enumerate(groups) for prompt in group.rows]
        flat = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
        ids = np.array(prompts, dtype=np.uint64)
        order = np.argsort(ids)
        starts = np.searchsorted(flat[:, 0], np.arange(len(prompts) + 1))
        return cls(ids[order], order, starts, flat[:, 1])

    def listed_at(self, prompt: np.ndarray, source: Path) -> np.ndarray:
        """Return each prompt's place in the list."""
        at = np.searchsorted(self.sorted_prompts, prompt)
        known = at < len(self.sorted_prompts)
        known[known] = self.sorted_prompts[at[known]] == prompt[known]
        if not known.all():
            raise TableError(
                f"{source}: prompt {prompt[np.argmin(known)]} is not among the "
                f"{len(self.listed)} prompts of the study"
            )
        return self.listed[at]

    def spread(self, listed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (row, group) for each row and each group of its prompt."""
        n = self.starts[listed + 1] - self.starts[listed]
        row = np.repeat(np.arange(len(listed)), n)
        within = np.arange(len(row)) - np.repeat(np.cumsum(n) - n, n)
        return row, self.groups[np.repeat(self.starts[listed], n) + within]


class _Sums:
    """Whole-number sums by key, and the least value of one more column; sorted and compact."""

    def __init__(self, summed: tuple[str, ...], least: str | None) -> None:
        self.summed, self.least = summed, least
        names = [*summed, *([least] if least else [])]
        self.key = np.empty(0, dtype=np.int64)
        self.columns = {name: np.empty(0, dtype=np.int64) for name in names}

    def add(self, key: np.ndarray, columns: dict[str, np.ndarray]) -> None:
        """Add rows, any number for each key."""
        key, columns = self._reduced(key, columns)
        both = {name: np.concatenate([self.columns[name], values]) for name, values in columns.items()}
        self.key, self.columns = self._reduced(np.concatenate([self.key, key]), both)

    def _reduced(
        self, key: np.ndarray, columns: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        if not len(key):
            return key, columns
        order = np.argsort(key, kind="stable")
        key = key[order]
        starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
        add = {name: np.add.reduceat(columns[name][order], starts) for name in self.summed}
        if self.least:
            add[self.least] = np.minimum.reduceat(columns[self.least][order], starts)
        return key[starts], add


def _fold(
    batch: _Batch, rounds: _Rounds, members: _Members, tokens: _Sums, replaced: _Sums, *, source: Path
) -> None:
    listed = members.listed_at(batch.prompt, source)
    row, group = members.spread(listed)
    key = ((group << 1 | batch.accepted[row]) << _TOKEN_BITS) | batch.token[row]
    low = (1 << _HALF) - 1
    tokens.add(
        key,
        {
            "count": np.ones(len(row), dtype=np.int64),
            # Two halves of the fixed point: a sum of 2⁴⁰ rows still fits 64 bits.
            "p_high": batch.p[row] >> _HALF,
            "p_low": batch.p[row] & low,
            "q_high": batch.q[row] >> _HALF,
            "q_low": batch.q[row] & low,
            "first": listed[row],
        },
    )
    rejected = batch.accepted == 0
    instead = np.zeros(len(rejected), dtype=np.int64)
    instead[rejected] = rounds.next_tokens(listed[rejected], batch.moment[rejected])
    here = rejected[row]
    pair = ((group[here] << _TOKEN_BITS) | batch.token[row][here]) << _TOKEN_BITS | instead[row][here]
    replaced.add(pair, {"count": np.ones(len(pair), dtype=np.int64)})


def _finish(tokens: _Sums, replaced: _Sums, prompts: Sequence[int]) -> SurerRecords:
    mask = (1 << _TOKEN_BITS) - 1
    group, accepted = tokens.key >> (_TOKEN_BITS + 1), (tokens.key >> _TOKEN_BITS) & 1
    keys = list(zip(group.tolist(), accepted.tolist(), (tokens.key & mask).tolist(), strict=True))
    column = tokens.columns
    return SurerRecords(
        count=dict(zip(keys, column["count"].tolist(), strict=True)),
        mean_p=dict(zip(keys, _means(column, "p"), strict=True)),
        mean_q=dict(zip(keys, _means(column, "q"), strict=True)),
        example={key: prompts[first] for key, first in zip(keys, column["first"].tolist(), strict=True)},
        replaced_by=_most_frequent(replaced),
    )


def _means(column: dict[str, np.ndarray], name: str) -> list[float]:
    sums = np.ldexp(column[f"{name}_high"].astype(np.float64), _HALF) + column[f"{name}_low"]
    means: list[float] = np.ldexp(sums / column["count"], -_FIXED_BITS).tolist()
    return means


def _most_frequent(replaced: _Sums) -> dict[Key, list[tuple[int, int]]]:
    mask = (1 << _TOKEN_BITS) - 1
    owner, instead, count = replaced.key >> _TOKEN_BITS, replaced.key & mask, replaced.columns["count"]
    order = np.lexsort((instead, -count, owner))
    owner, instead, count = owner[order], instead[order], count[order]
    # Rank within the owner: distance from where the owner's stretch begins.
    rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
    best: dict[Key, list[tuple[int, int]]] = {}
    top = rank < N_REPLACEMENTS
    for one, token, n in zip(owner[top].tolist(), instead[top].tolist(), count[top].tolist(), strict=True):
        best.setdefault((one >> _TOKEN_BITS, 0, one & mask), []).append((token, n))
    return best
