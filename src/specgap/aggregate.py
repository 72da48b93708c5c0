"""From shards to counts: the prompts' groups and the bins go to `rust_agg`, one state per cell comes back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

import rust_agg
from specgap.config import OVERALL, Bins
from specgap.errors import TraceError
from specgap.files import written_whole
from specgap.prompts import PromptSet
from specgap.tables.keys import group_key, unit_key
from specgap.tables.membership import Group, groups_in
from specgap.trace.done import RecordedFile

#: Least probability with a bin of its own in the joint histogram, as a power of ten.
_JOINT_DECADES = 6


def grids(bins: Bins) -> rust_agg.Grids:
    """Return the bin edges: k/n, −1 + 2k/n, and for p × q 0 and then equal steps of log10 from 10⁻⁶ to 1."""
    steps = _JOINT_DECADES * bins.joint_per_decade
    return rust_agg.Grids(
        probability=[k / bins.probability for k in range(bins.probability + 1)],
        difference=[(2 * k - bins.difference) / bins.difference for k in range(bins.difference + 1)],
        # Decimal powers, since those of the C library differ between machines in the last bit.
        joint=[0.0, *(float(_power_of_ten(k - steps, bins.joint_per_decade)) for k in range(steps + 1))],
    )


def _power_of_ten(numerator: int, denominator: int) -> Decimal:
    return Decimal(10) ** (Decimal(numerator) / denominator)


def groups_of(prompts: PromptSet) -> rust_agg.Groups:
    """Return who is counted where: the groups of all groupings, and all prompts together."""
    group_names: list[str] = []
    units: dict[tuple[int, str], int] = {}
    rows: list[tuple[int, int, int]] = []
    for grouping in (*prompts.groupings, OVERALL):
        for group in groups_in(prompts, grouping):
            rows += _memberships(grouping, group, len(group_names), units)
            group_names.append(group_key(grouping, group.name))
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    types = (("prompt", pa.uint64()), ("group", pa.uint32()), ("unit", pa.uint32()))
    table = pa.table({name: pa.array(c, dtype) for (name, dtype), c in zip(types, columns, strict=True)})
    return rust_agg.Groups(table, group_names, [name for _, name in units])


def _memberships(
    grouping: str, group: Group, number: int, units: dict[tuple[int, str], int]
) -> list[tuple[int, int, int]]:
    keys = {row.prompt: unit_key(grouping, group.name, row.term, row.prompt) for row in group.rows.values()}
    return [(prompt, number, units.setdefault((number, key), len(units))) for prompt, key in keys.items()]


def aggregate(
    trace_files: Sequence[Path | RecordedFile],
    round_files: Sequence[Path | RecordedFile],
    prompts: PromptSet,
    bins: Bins,
    ratio: float,
    *,
    threads: int,
) -> rust_agg.State:
    """Count shards; those whose length and digest are recorded are held to both before they are parsed.

    `ratio` is the config's `over_confident_ratio`. Raises `TraceError` where a file is damaged, or rows break
    the contract or belong to prompts that the study no longer has.
    """
    with named_faults():
        state = rust_agg.fold(
            [as_shard(file) for file in trace_files],
            [as_shard(file) for file in round_files],
            groups_of(prompts),
            grids=grids(bins),
            over_confident_ratio=ratio,
            threads=threads,
        )
    refuse_foreign(state, len(trace_files))
    return state


@contextmanager
def named_faults() -> Iterator[None]:
    """Turn what `rust_agg` says of a file or a row that it cannot use into a `TraceError`."""
    try:
        yield
    except rust_agg.DataError as error:
        # A row at fault lies in a file that is as it was written: tracing again would keep it.
        damaged = error.file is not None and error.row is None
        told = f"shard {error}; it is damaged or of another run, so trace again" if damaged else str(error)
        raise TraceError(told) from error
    except OSError as error:
        raise TraceError(str(error)) from error


def refuse_foreign(state: rust_agg.State, n_shards: int) -> None:
    """Raise `TraceError` where a state has met rows of prompts that the study no longer has."""
    foreign = state.n_rows_unmapped + state.n_rounds_unmapped
    if foreign:
        raise TraceError(
            f"{foreign} rows of the {n_shards} shards belong to prompts that are not in the study; "
            "run the trace again"
        )


def as_shard(file: Path | RecordedFile) -> Path | rust_agg.Shard:
    """Return what `rust_agg` is to read: with length and digest where they are recorded."""
    if isinstance(file, Path):
        return file
    return rust_agg.Shard(file.path, length=file.bytes, xxh3_128=file.xxh3_128, rows=file.rows)


def merge_states(paths: Sequence[Path]) -> rust_agg.State:
    """Add up the saved states of a cell's parts: equal bits for any parts in any order.

    Raises `TraceError` where a state is missing or damaged, has other bins or groups than the first, or
    counts what another has counted.
    """
    if not paths:
        raise TraceError("no states to add up; wanted one at least")
    merged = load(paths[0])
    n_prompts = len(merged.prompts())
    for path in paths[1:]:
        part = load(path)
        n_prompts += len(part.prompts())
        try:
            merged.merge(part)
        except rust_agg.StateError as error:
            raise TraceError(f"{path} does not go with {paths[0]}: {error}; count both again") from error
    # A sample of a prompt lies in one shard, so in one part.
    if len(merged.prompts()) != n_prompts:
        raise TraceError(
            f"the states {', '.join(map(str, paths))} count some prompts more than once; "
            "wanted the parts of one cell, each once"
        )
    return merged


def save(state: rust_agg.State, path: Path) -> None:
    """Write a state, whole or not at all; equal states give equal bytes."""
    with written_whole(path) as beside:
        state.save(beside)


def load(path: Path) -> rust_agg.State:
    """Read a saved state; raise `TraceError` where it is missing or damaged."""
    try:
        return rust_agg.State.load(path)
    except (rust_agg.StateError, OSError) as error:
        raise TraceError(f"{path}: {error}") from error
