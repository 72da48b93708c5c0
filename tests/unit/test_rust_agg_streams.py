"""Any Arrow stream goes in, and tables come out as Arrow streams, whatever library holds them."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rust_agg
from tests.property.rust_agg_recount import (
    Plan,
    as_traces,
    equal_edges,
    groups_table,
    random_traces,
    rounds_table,
    traces_table,
)

PLAN = Plan(
    probability=equal_edges(0, 1, 10),
    difference=equal_edges(-1, 1, 10),
    joint=equal_edges(0, 1, 4),
    group_names=["a", "b"],
    unit_names=["x", "y"],
    members=[(prompt, prompt % 2, prompt % 2) for prompt in range(19)],
)
TRACES = as_traces(random_traces(30_000, seed=5))
ROUNDS = rounds_table({"prompt": k % 19, "emitted": k % 7, "next_p": 0.5} for k in range(3000))
WHOLE = PLAN.fold(TRACES, ROUNDS)


def pieces(table: pa.Table, *, seed: int = 1) -> list[pa.Table]:
    """A table cut in places that are no multiple of anything, with empty pieces among them."""
    n = table.num_rows
    places = np.sort(np.random.default_rng(seed).integers(0, n, 7)).tolist()
    return [table.slice(start, end - start) for start, end in pairwise([0, 0, *places, places[-1], n])]


def reader(table: pa.Table) -> pa.RecordBatchReader:
    batches = [batch for piece in pieces(table) for batch in piece.to_batches()]
    return pa.RecordBatchReader.from_batches(table.schema, batches)


def structs(table: pa.Table) -> pa.ChunkedArray:
    return pa.chunked_array([batch.to_struct_array() for batch in table.to_batches(max_chunksize=777)])


def with_bitmaps(array: pa.Array) -> pa.Array:
    """The same values in an array that could hold nulls and says for each row that it does not."""
    valid = pa.py_buffer(b"\xff" * (len(array) // 8 + 1))
    return pa.Array.from_buffers(array.type, len(array), [valid, array.buffers()[1]], offset=array.offset)


def nullable(table: pa.Table) -> pa.Table:
    batch = table.combine_chunks().to_batches()[0]
    return pa.table([with_bitmaps(array) for array in batch.columns], names=table.column_names)


def unaligned(table: pa.Table) -> pa.Table:
    """The table as a slice that begins in the middle of a byte of bitmaps, after rows that hold nulls."""
    nothing = pa.Table.from_pylist([{"prompt": None}] * 3, schema=table.schema)
    return pa.concat_tables([nothing, table, nothing]).combine_chunks().slice(3, table.num_rows)


def not_nullable(table: pa.Table) -> pa.Table:
    required = [field.with_nullable(field.name.startswith("next_")) for field in table.schema]
    return table.cast(pa.schema(required))


class OnlyStream:
    """Any object of any library that has the one method."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


def duckdb_relation(table: pa.Table) -> Any:
    # A connection each, since one serves one stream at a time.
    return duckdb.connect().from_arrow(table)


FORMS: dict[str, Callable[[pa.Table], Any]] = {
    "pyarrow table": lambda table: table,
    "pyarrow table in chunks": lambda table: pa.concat_tables(pieces(table)),
    "pyarrow record batch": lambda table: table.combine_chunks().to_batches()[0],
    "pyarrow reader": reader,
    "pyarrow chunks of structs": structs,
    "pyarrow structs": lambda table: table.to_struct_array().combine_chunks(),
    "polars": pl.from_arrow,
    "polars in chunks": lambda table: pl.concat(
        [pl.from_arrow(piece) for piece in pieces(table)], rechunk=False
    ),
    "duckdb relation": duckdb_relation,
    "duckdb reader": lambda table: duckdb_relation(table).to_arrow_reader(1000),
    "pandas": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "only the method": OnlyStream,
    "bitmaps without nulls": nullable,
    "slices of bitmaps": lambda table: pa.concat_tables(pieces(nullable(table))),
    "an unaligned slice": unaligned,
    "columns that are not nullable": not_nullable,
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("form", FORMS)
def test_traces_and_rounds_in_any_form_give_the_same_bytes(form: str, threads: int) -> None:
    state = PLAN.fold(FORMS[form](TRACES), FORMS[form](ROUNDS), threads=threads)
    assert state.to_bytes() == WHOLE.to_bytes()


@pytest.mark.parametrize("form", FORMS)
def test_groups_come_in_any_form(form: str) -> None:
    table = FORMS[form](groups_table(PLAN.members * 3).slice(0, 19))
    assert rust_agg.Groups(table, PLAN.group_names, PLAN.unit_names) == PLAN.groups()


@pytest.mark.parametrize("size", [1, 7, 8191, 8192, 8193, 29_999])
def test_chunks_of_any_size_give_the_same_bytes(size: int) -> None:
    chunked = pa.Table.from_batches(TRACES.to_batches(max_chunksize=size))
    assert PLAN.fold(chunked, ROUNDS, threads=2) == WHOLE


def test_a_table_without_a_chunk_or_a_row_is_no_row() -> None:
    nothing = PLAN.fold([])
    assert PLAN.fold(TRACES.schema.empty_table(), ROUNDS.schema.empty_table()) == nothing
    assert PLAN.fold(pa.RecordBatchReader.from_batches(TRACES.schema, iter([]))) == nothing


def test_plain_pandas_columns_go_as_well_while_nothing_is_nan() -> None:
    frame = TRACES.to_pandas()
    assert PLAN.fold(frame, ROUNDS) == WHOLE
    # pandas hands its own NaN over as null; what is not computed is NaN, and a null is an error.
    frame.loc[frame.index[17], "entropy"] = np.nan
    with pytest.raises(rust_agg.DataError, match=r"row 17 \(counted from 0\), column entropy: null"):
        PLAN.fold(frame)


def test_nan_survives_in_arrow_columns_of_pandas() -> None:
    traces = traces_table([{"prompt": 1, "overlap": float("nan"), "entropy": float("nan")}])
    assert PLAN.fold(traces.to_pandas(types_mapper=pd.ArrowDtype)) == PLAN.fold(traces)


def test_a_filtered_frame_is_what_its_rows_are() -> None:
    frame = pl.from_arrow(TRACES)
    assert isinstance(frame, pl.DataFrame)
    kept = PLAN.fold(frame.filter(pl.col("prompt") < 5), parts=["p"])
    query = "SELECT verdict, p, prompt FROM traces WHERE prompt < 5"
    connection = duckdb.connect()
    connection.register("traces", TRACES)
    assert PLAN.fold(connection.sql(query), parts=["p"]) == kept
    assert kept.n_rows == (TRACES["prompt"].to_numpy() < 5).sum()


@pytest.mark.parametrize("form", ["pyarrow table in chunks", "pyarrow reader", "polars in chunks"])
def test_a_fault_names_the_row_of_the_whole_stream(form: str) -> None:
    rows = [{"prompt": 1}] * 20_000
    rows[17_123] = {"prompt": 1, "p": 1.25}
    with pytest.raises(rust_agg.DataError) as caught:
        PLAN.fold(FORMS[form](traces_table(rows)), threads=2)
    place = caught.value
    assert (place.file, place.row_group, place.row, place.column) == (None, None, 17_123, "p")
    assert str(place).startswith("traces: row 17123 (counted from 0), column p: 1.25 is no probability")


def test_a_fault_in_the_groups_names_its_row_of_the_whole_stream() -> None:
    rows = [{"prompt": k, "group": 0, "unit": 0} for k in range(50)]
    rows[31] = {"prompt": None, "group": 0, "unit": 0}
    table = pa.Table.from_pylist(rows, schema=groups_table([]).schema)
    with pytest.raises(rust_agg.DataError, match="groups: row 31") as caught:
        rust_agg.Groups(pa.concat_tables(pieces(table)), ["a"], ["x"])
    assert (caught.value.row, caught.value.column) == (31, "prompt")


def test_a_dictionary_column_is_refused_by_its_type() -> None:
    traces = TRACES.set_column(5, "token", TRACES["token"].combine_chunks().dictionary_encode())
    with pytest.raises(rust_agg.DataError, match=r"traces: column token is dictionary\(int32, uint32\)"):
        PLAN.fold(traces)
    assert PLAN.fold(traces, parts=["p"]) == PLAN.fold(TRACES, parts=["p"])


@pytest.mark.parametrize(
    "other", [pa.chunked_array([[1, 2]]), pa.array([1, 2]), pl.Series([1, 2]), pl.LazyFrame(), object()]
)
def test_what_is_no_table_is_a_typeerror_that_names_it(other: Any) -> None:
    kind = type(other).__qualname__
    with pytest.raises(TypeError, match=f"traces must be .*an Arrow table or stream, found {kind}"):
        PLAN.fold(other)
    with pytest.raises(TypeError, match=f"groups must be an Arrow table or stream, found {kind}"):
        rust_agg.Groups(other, ["a"], ["x"])


def test_an_object_that_cannot_give_its_stream_says_why_itself() -> None:
    class Closed:
        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
            raise ConnectionError("the connection is closed")

    with pytest.raises(ConnectionError, match="the connection is closed"):
        PLAN.fold(Closed())


def test_a_stream_is_pulled_as_it_is_folded_and_not_before() -> None:
    pulled = []

    def batches() -> Iterator[pa.RecordBatch]:
        for at, batch in enumerate(TRACES.to_batches(max_chunksize=1000)):
            pulled.append(at)
            yield batch

    bare = TRACES.schema.remove(5)
    with pytest.raises(rust_agg.DataError, match="column token is missing"):
        PLAN.fold(pa.RecordBatchReader.from_batches(bare, batches()))
    assert not pulled
    PLAN.fold(pa.RecordBatchReader.from_batches(TRACES.schema, batches()))
    assert pulled == list(range(30))


def test_tables_of_results_go_out_to_every_library() -> None:
    table = WHOLE.prompts()
    rows = pa.table(table).to_pylist()
    assert len(rows) == len(table) > 0
    assert pl.DataFrame(table).to_dicts() == rows
    assert pd.DataFrame.from_arrow(table).to_dict("records") == rows
    assert duckdb.connect().from_arrow(pa.table(table)).to_arrow_table().to_pylist() == rows
    assert pa.RecordBatchReader.from_stream(table).read_all().to_pylist() == rows


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_parquet_written_by_others_is_read(tmp_path: Any, compression: str) -> None:
    pl_path, duckdb_path, pq_path = (tmp_path / f"{name}.parquet" for name in ("polars", "duckdb", "pyarrow"))
    frame = pl.from_arrow(TRACES)
    assert isinstance(frame, pl.DataFrame)
    frame.write_parquet(pl_path, compression="uncompressed" if compression == "none" else "zstd")
    codec = "uncompressed" if compression == "none" else "zstd"
    duckdb_relation(TRACES).write_parquet(str(duckdb_path), compression=codec)
    pq.write_table(nullable(TRACES), pq_path, compression=compression, data_page_version="2.0")
    for path in (pl_path, duckdb_path, pq_path):
        assert PLAN.fold([path], ROUNDS) == WHOLE, path.name
