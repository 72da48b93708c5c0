"""What every peer counts, and the rule by which it counts."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

N_GROUPS = 10
N_VERDICTS = 3
N_BINS = 100
N_JOINT = 50
#: A continuation has 96 tokens and its last is never drafted, so no draft position is greater.
MAX_POSITION = 95

#: The columns of `traces` that the work needs; nobody reads others.
COLUMNS = ["prompt", "position", "p", "q", "verdict"]

#: A value's bin is (number of edges <= value) - 1, in float64, and 1.0 belongs to the last bin.
PROBABILITY_EDGES = [k / N_BINS for k in range(N_BINS + 1)]
DIFFERENCE_EDGES = [(2 * k - N_BINS) / N_BINS for k in range(N_BINS + 1)]
JOINT_EDGES = [k / N_JOINT for k in range(N_JOINT + 1)]

# For p and q, floor(100.0 * value) is that bin: 100 * (a float32) is exact in float64, and no float32 lies
# between k/100 and the float64 nearest to it. The bin of the joint histogram is half of it, rounded down.
#
# p - q is any float64, and 50.0 * (p - q) is rounded. With this much added, floor(50.0 * (p - q) + NUDGE) is
# never too small and at most one too great, which comparing with the edge puts right.
NUDGE = 1e-12

Array = npt.NDArray[Any]
#: Flat counters that give the result (`Counts.from_fine`): one array of cells (3 * group + verdict) each.
N_CELLS = N_GROUPS * N_VERDICTS
FINE = {
    "joint": N_CELLS * (N_BINS + 1) ** 2,
    "difference": N_CELLS * (N_BINS + 1),
    "positions": N_CELLS * (MAX_POSITION + 1),
    "surer": N_CELLS,
}
# Peers that group by a key use two (`Counts.from_keys`):
# fine key: (((cell * 101 + p bin) * 101 + q bin) * 101 + difference bin) * 2 + (q > p)
# position key: cell * 96 + position

Counters = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """The result: every counter by group and verdict."""

    p: Counters  # [group, verdict, bin]
    q: Counters
    difference: Counters
    joint: Counters  # [group, verdict, bin of p, bin of q]
    positions: Counters  # [group, verdict, position]
    surer: Counters  # [group, verdict]: q > p

    @classmethod
    def zeros(cls) -> "Counts":
        """Nothing counted."""
        by = (N_GROUPS, N_VERDICTS)
        return cls(
            p=np.zeros((*by, N_BINS), np.int64),
            q=np.zeros((*by, N_BINS), np.int64),
            difference=np.zeros((*by, N_BINS), np.int64),
            joint=np.zeros((*by, N_JOINT, N_JOINT), np.int64),
            positions=np.zeros((*by, MAX_POSITION + 1), np.int64),
            surer=np.zeros(by, np.int64),
        )

    @classmethod
    def from_fine(cls, joint: Array, difference: Array, positions: Array, surer: Array) -> "Counts":
        """Return what follows from counts in 101 × 101 bins of p and q, the last of which are for 1.0 alone.

        Arrays are flat (`FINE`). The bins of p, of q and of the joint histogram are sums of the 101 × 101.
        """
        by = (N_GROUPS, N_VERDICTS)
        ones = np.asarray(joint, dtype=np.int64).reshape(*by, N_BINS + 1, N_BINS + 1)
        fine = _last_two_as_one(_last_two_as_one(ones, axis=2), axis=3)
        pairs = fine.reshape(*by, N_JOINT, 2, N_JOINT, 2)
        return cls(
            p=fine.sum(axis=3),
            q=fine.sum(axis=2),
            difference=_last_two_as_one(
                np.asarray(difference, dtype=np.int64).reshape(*by, N_BINS + 1), axis=2
            ),
            joint=pairs.sum(axis=(3, 5)),
            positions=np.asarray(positions, dtype=np.int64).reshape(*by, MAX_POSITION + 1),
            surer=np.asarray(surer, dtype=np.int64).reshape(by),
        )

    @classmethod
    def from_keys(cls, keys: Array, counts: Array, position_keys: Array, position_counts: Array) -> "Counts":
        """Return what follows from rows grouped by fine key and by position key (see the constants)."""
        rest, surer = np.divmod(keys.astype(np.int64), 2)
        rest, difference = np.divmod(rest, N_BINS + 1)
        cell = rest // (N_BINS + 1) ** 2
        return cls.from_fine(
            joint=sums(rest, counts, FINE["joint"]),
            difference=sums(cell * (N_BINS + 1) + difference, counts, FINE["difference"]),
            positions=sums(position_keys.astype(np.int64), position_counts, FINE["positions"]),
            surer=sums(cell, counts * surer, FINE["surer"]),
        )

    @classmethod
    def total(cls, parts: Iterable["Counts"]) -> "Counts":
        """Add up counts that were made apart."""
        total = cls.zeros()
        for part in parts:
            for field in fields(cls):
                getattr(total, field.name)[...] += getattr(part, field.name)
        return total

    def digests(self) -> dict[str, str]:
        """SHA-256 of every array, by which two processes tell whether all counts are equal."""
        zeros = Counts.zeros()
        found = {}
        for field in fields(self):
            array = np.ascontiguousarray(getattr(self, field.name), dtype=np.int64)
            if array.shape != getattr(zeros, field.name).shape:
                raise ValueError(f"{field.name} has shape {array.shape}")
            found[field.name] = hashlib.sha256(array.tobytes()).hexdigest()
        return found


@dataclass(frozen=True)
class Shard:
    """A Parquet file; its length (bytes), digest and rows are known from when it was written."""

    path: Path
    length: int
    xxh3_128: str
    rows: int


@dataclass(frozen=True)
class Files:
    """The input, on disk. `groups` has the columns prompt, group and unit, a prompt once."""

    traces: tuple[Shard, ...]
    rounds: tuple[Shard, ...]
    groups: pa.Table


@dataclass(frozen=True)
class Tables:
    """The input, loaded. `rounds` is None where the work is that of the peers."""

    traces: pa.Table
    rounds: pa.Table | None
    groups: pa.Table


class Peer(Protocol):
    """What a module of `peers/` offers. `threads` is an upper bound."""

    def count_files(self, files: Files, threads: int) -> Counts:
        """Count what lies in Parquet files."""

    def count_tables(self, tables: Tables, threads: int) -> Counts:
        """Count what is loaded."""


def first_cells(groups: pa.Table) -> tuple[Array, Array]:
    """Return the prompts, sorted, and the first of the cells of each (3 * group)."""
    prompt = groups["prompt"].to_numpy()
    order = np.argsort(prompt)
    return prompt[order], N_VERDICTS * groups["group"].to_numpy()[order].astype(np.int64)


def run_starts(prompt: Array) -> Array:
    """Return where runs of equal prompts begin."""
    return np.concatenate(([0], np.flatnonzero(prompt[1:] != prompt[:-1]) + 1))


def sums(index: Array, counts: Array, length: int) -> Counters:
    """Add up counts by index; bincount adds them as float64, exactly so below 2**53."""
    return np.bincount(index, weights=counts, minlength=length).astype(np.int64)


def _last_two_as_one(counts: Counters, *, axis: int) -> Counters:
    whole = np.take(counts, range(N_BINS), axis=axis)
    last: list[Any] = [slice(None)] * counts.ndim
    last[axis] = N_BINS - 1
    whole[tuple(last)] += np.take(counts, N_BINS, axis=axis)
    return whole
