"""`rust_agg` against a recount in plain Python: every table, to the last bit, however the data are cut."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rust_agg
from tests.property.rust_agg_recount import (
    EXP_EDGES,
    LOG_EDGES,
    TABLES,
    Plan,
    as_traces,
    equal_edges,
    random_traces,
    recount,
    rounds_table,
    rows_of,
    traces_table,
)

LARGEST = 2**64 - 1
PROMPTS = (0, 1, 2, 7, LARGEST)
UNMAPPED = 99
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def probabilities() -> st.SearchStrategy[float]:
    """float32 probabilities, often on an edge, often in a ratio near a fixed edge of log(p / q)."""
    edges = [float(np.float32(edge)) for edge in (*equal_edges(0, 1, 10), *equal_edges(0, 1, 64))]
    powers = [float(np.float32(factor)) for factor in EXP_EDGES if factor <= 1]
    return st.floats(0, 1, width=32) | st.sampled_from(edges) | st.sampled_from(powers)


@st.composite
def trace_rows(draw: st.DrawFn, largest: int = 40) -> pa.Table:
    row = st.fixed_dictionaries(
        {
            "prompt": st.sampled_from((*PROMPTS, UNMAPPED)),
            "sample": st.sampled_from((0, 1, 65535)),
            "position": st.sampled_from((1, 2, 3, 70)),
            "token": st.sampled_from((0, 1, 5, 2**32 - 1)),
            "p": probabilities(),
            "q": probabilities(),
            "overlap": st.floats(-0.5, 1.5, width=32) | st.just(float("nan")),
            "entropy": st.floats(0, 64, width=32) | st.just(float("nan")),
            "verdict": st.integers(0, 2),
        }
    )
    return traces_table(draw(st.lists(row, max_size=largest)))


@st.composite
def round_rows(draw: st.DrawFn) -> pa.Table:
    row = st.fixed_dictionaries(
        {
            "prompt": st.sampled_from((*PROMPTS, UNMAPPED)),
            "sample": st.sampled_from((0, 1, 9)),
            "requested": st.integers(0, 65535),
            "emitted": st.integers(0, 65535),
            "next_p": st.none() | st.floats(0, 1, width=32),
            "censored": st.integers(0, 3),
        }
    )
    return rounds_table(draw(st.lists(row, max_size=12)))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Grids of every kind, and groups of two groupings, many to many."""
    inner = st.lists(st.integers(1, 999), max_size=12, unique=True).map(sorted)
    uneven = [0.0, *(k / 1000 for k in draw(inner)), 1.0]
    unit_interval = st.sampled_from([equal_edges(0, 1, 10), np.linspace(0, 1, 51).tolist(), uneven])
    both_signs = st.sampled_from([equal_edges(-1, 1, 64), np.linspace(-1, 1, 101).tolist(), [-1.0, 0.0, 1.0]])
    # Units 0 and 1 are of group 0, unit 2 of group 1, unit 3 of group 2.
    first = [(prompt, 0, draw(st.integers(0, 1))) for prompt in draw(st.sets(st.sampled_from(PROMPTS)))]
    second = [(prompt, 1, 2) for prompt in draw(st.sets(st.sampled_from(PROMPTS)))]
    third = [(prompt, 2, 3) for prompt in draw(st.sets(st.sampled_from(PROMPTS)))]
    return Plan(
        probability=draw(unit_interval),
        difference=draw(both_signs),
        joint=draw(unit_interval),
        group_names=("a", "b", "all é"),
        unit_names=("x", "y", "x", "z"),
        members=draw(st.permutations(first + second + third)),
        ratio=draw(st.sampled_from((1.0, 1.5, 2.0))),
    )


FIXED = Plan(
    probability=equal_edges(0, 1, 20),
    difference=equal_edges(-1, 1, 20),
    joint=equal_edges(0, 1, 5),
    group_names=("even", "small", "all"),
    unit_names=("four", "two", "low", "lower", "any"),
    members=[(k, 0, k % 4 // 2) for k in range(0, 20, 2)]
    + [(k, 1, 2 + (k < 3)) for k in range(8)]
    + [(k, 2, 4) for k in range(18)],
)


def cut(table: pa.Table, where: list[int]) -> list[pa.Table]:
    """The pieces of a table between places."""
    places = sorted({0, table.num_rows, *(place % (table.num_rows + 1) for place in where)})
    return [table.slice(start, end - start) for start, end in pairwise(places)] or [table]


@QUICK
@given(plan=plans(), traces=trace_rows(), rounds=round_rows())
def test_every_table_equals_a_slow_recount(plan: Plan, traces: pa.Table, rounds: pa.Table) -> None:
    state, counted = plan.fold(traces, rounds), recount(plan, traces, rounds)
    for name, expected in counted.tables().items():
        assert rows_of(getattr(state, name)()) == expected, name
    assert (state.n_rows, state.n_rows_unmapped) == (counted.n_rows, counted.n_rows_unmapped)
    assert (state.n_rounds, state.n_rounds_unmapped) == (counted.n_rounds, counted.n_rounds_unmapped)


@pytest.mark.parametrize("name", TABLES)
def test_a_thousand_rows_equal_the_recount(name: str) -> None:
    traces = as_traces(random_traces(1000, seed=1))
    expected = recount(FIXED, traces).tables()[name]
    assert rows_of(getattr(FIXED.fold(traces), name)()) == expected


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_more_prompts_than_a_shelf_holds_equal_the_recount(threads: int) -> None:
    members = [(k, k % 2, k % 5) for k in range(600)]
    units = [(k, group, 2 * unit + group) for k, group, unit in members]
    plan = replace(FIXED, group_names=("a", "b"), unit_names=tuple("0123456789"), members=units)
    traces = as_traces(random_traces(4000, seed=3, prompts=620))
    shuffled = traces.take(np.random.default_rng(4).permutation(traces.num_rows))
    rounds = rounds_table({"prompt": k % 613, "sample": k % 2, "emitted": k % 7} for k in range(3000))
    state = plan.fold(pa.concat_tables(cut(shuffled, [997, 2003, 3001])), rounds, threads=threads)
    for name, expected in recount(plan, traces, rounds).tables().items():
        assert rows_of(getattr(state, name)()) == expected, name
    assert rust_agg.State.from_bytes(state.to_bytes()) == state


@QUICK
@given(
    traces=trace_rows(),
    rounds=round_rows(),
    places=st.lists(st.integers(0, 50), max_size=5),
    threads=st.sampled_from((1, 2, 4)),
    data=st.data(),
)
def test_any_split_in_any_order_merges_to_the_same_bytes(
    traces: pa.Table, rounds: pa.Table, places: list[int], threads: int, data: st.DataObject
) -> None:
    whole = HYPOTHETICAL.fold(traces, rounds)
    order = pa.array(data.draw(st.permutations(range(traces.num_rows))), pa.int64())
    shuffled = traces.take(order)
    parts = [HYPOTHETICAL.fold(part, None, threads=threads) for part in cut(shuffled, places)]
    parts += [HYPOTHETICAL.fold(traces.slice(0, 0), part, threads=threads) for part in cut(rounds, places)]
    while len(parts) > 1:
        left = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        right = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        parts.append(left + right)
    assert parts[0] == whole
    assert parts[0].to_bytes() == whole.to_bytes()


HYPOTHETICAL = Plan(
    probability=equal_edges(0, 1, 10),
    difference=equal_edges(-1, 1, 10),
    joint=equal_edges(0, 1, 4),
    group_names=("a", "b"),
    unit_names=("x", "y", "z"),
    members=[(0, 0, 0), (1, 0, 1), (0, 1, 2), (2, 1, 2), (LARGEST, 1, 2)],
)


@QUICK
@given(
    traces=trace_rows(), places=st.lists(st.integers(0, 50), max_size=8), threads=st.sampled_from((1, 2, 4))
)
def test_chunks_and_threads_change_nothing(traces: pa.Table, places: list[int], threads: int) -> None:
    chunked = pa.concat_tables(cut(traces, places))
    stream = pa.RecordBatchReader.from_batches(chunked.schema, chunked.to_batches())
    whole = HYPOTHETICAL.fold(traces, threads=1)
    assert HYPOTHETICAL.fold(chunked, threads=threads) == whole
    assert HYPOTHETICAL.fold(stream, threads=threads) == whole


@pytest.fixture(scope="module")
def many() -> pa.Table:
    return as_traces(random_traces(100_000, seed=2))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_many_batches_on_any_number_of_threads_give_the_same_bytes(many: pa.Table, threads: int) -> None:
    pieces = [FIXED.fold(many.slice(start, 30_000)) for start in range(0, 100_000, 30_000)]
    merged = sum(pieces[1:], start=pieces[0])
    assert FIXED.fold(many, threads=threads).to_bytes() == merged.to_bytes()


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "lz4"])
@pytest.mark.parametrize("options", [{}, {"row_group_size": 7777}, {"use_byte_stream_split": ["p", "q"]}])
def test_parquet_gives_what_memory_gives(
    many: pa.Table, tmp_path: Path, compression: str, options: dict[str, Any]
) -> None:
    options = options | ({"use_dictionary": ["prompt"]} if "use_byte_stream_split" in options else {})
    paths = [tmp_path / f"{part}.parquet" for part in range(3)]
    for path, part in zip(paths, cut(many, [10_001, 64_000]), strict=True):
        pq.write_table(part, path, compression=compression, write_page_checksum=True, **options)
    assert FIXED.fold(paths, threads=2) == FIXED.fold(many)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_parquet_rounds_give_what_memory_gives(tmp_path: Path, threads: int) -> None:
    rounds = rounds_table({"prompt": k % 19, "censored": k % 4, "emitted": k} for k in range(5000))
    path = tmp_path / "rounds.parquet"
    pq.write_table(rounds, path, row_group_size=999)
    nothing = traces_table([])
    assert FIXED.fold([], [path], threads=threads) == FIXED.fold(nothing, rounds)


def test_columns_are_found_by_name_in_any_order_beside_others(many: pa.Table, tmp_path: Path) -> None:
    other = many.select(many.column_names[::-1]).append_column("extra", pa.array(["x"] * many.num_rows))
    pq.write_table(other, tmp_path / "other.parquet")
    assert FIXED.fold(other) == FIXED.fold([str(tmp_path / "other.parquet")]) == FIXED.fold(many)


def test_the_constants_are_correctly_rounded() -> None:
    source = (Path(__file__).parents[2] / "rust_agg/src/log_edges.rs").read_text(encoding="utf-8")
    numbers = re.findall(r"^    ([0-9][0-9.e-]*),$", source, re.MULTILINE)
    assert [float(number) for number in numbers] == EXP_EDGES
    assert FIXED.grids().log_ratio == LOG_EDGES


@QUICK
@given(traces=trace_rows(), rounds=round_rows())
def test_a_state_survives_its_bytes(traces: pa.Table, rounds: pa.Table) -> None:
    state = HYPOTHETICAL.fold(traces, rounds)
    back = rust_agg.State.from_bytes(state.to_bytes())
    assert back == state
    assert back.to_bytes() == state.to_bytes()
    assert rows_of(back.tokens()) == rows_of(state.tokens())
