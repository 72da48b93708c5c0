"""Files as pyarrow writes them, over its options: a fold of the file is a fold of the table in memory."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import rust_agg
from tests.property.rust_agg_recount import TRACES, equal_edges

FLOATS = ("p", "q", "overlap", "entropy")
INTEGERS = tuple(name for name in TRACES.names if name not in FLOATS)
PROMPTS = 30
GRIDS = rust_agg.Grids(equal_edges(0, 1, 10), equal_edges(-1, 1, 10), equal_edges(0, 1, 5))
SETTINGS = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a table looks like: how many values its columns have, and how long equal ones stand together."""

    rows: int
    seed: int
    spread: int
    run: int
    nullable: bool

    def table(self) -> pa.Table:
        rng = np.random.default_rng(self.seed)

        def column(limit: int) -> np.ndarray:
            values = rng.integers(0, min(limit, self.spread), self.rows)
            return np.repeat(values, rng.integers(1, 2 * self.run + 1, self.rows))[: self.rows]

        limits = {"prompt": PROMPTS, "sample": 2, "verdict": 3, "position": 12}
        unit = {name: column(1 << 20) / (1 << 20) for name in FLOATS}
        values = {name: unit.get(name, column(limits.get(name, 1 << 16))) for name in TRACES.names}
        values["position"] = values["position"] + 1
        table = pa.table(values).cast(TRACES, safe=False)
        return table.cast(pa.schema([field.with_nullable(self.nullable) for field in TRACES]))


EMPTY = Shape(rows=0, seed=0, spread=1, run=1, nullable=False)


def shapes() -> st.SearchStrategy[Shape]:
    return st.builds(
        Shape,
        rows=st.integers(0, 8000),
        seed=st.integers(0, 2**32),
        spread=st.sampled_from((1, 2, 3, 5, 12, 300, 1 << 20)),
        run=st.sampled_from((1, 3, 20, 400)),
        nullable=st.booleans(),
    )


@st.composite
def options(draw: st.DrawFn) -> dict[str, Any]:
    """Options of a writer; a column that has a dictionary takes no other encoding."""
    indexed = draw(st.lists(st.sampled_from(TRACES.names), unique=True))
    encodings = {
        **dict.fromkeys(FLOATS, st.sampled_from(("PLAIN", "BYTE_STREAM_SPLIT"))),
        **dict.fromkeys(INTEGERS, st.sampled_from(("PLAIN", "BYTE_STREAM_SPLIT", "DELTA_BINARY_PACKED"))),
    }
    return {
        "use_dictionary": indexed,
        "column_encoding": {name: draw(encodings[name]) for name in TRACES.names if name not in indexed},
        "compression": draw(st.sampled_from(("none", "snappy", "lz4", "zstd"))),
        "data_page_version": draw(st.sampled_from(("1.0", "2.0"))),
        "data_page_size": draw(st.sampled_from((100, 2000, 1 << 20))),
        "max_rows_per_page": draw(st.sampled_from((100, 1100, 20_000))),
        "write_batch_size": draw(st.sampled_from((50, 1024))),
        "dictionary_pagesize_limit": draw(st.sampled_from((100, 1 << 20))),
        "row_group_size": draw(st.sampled_from((700, 3000, 1 << 20))),
        "write_page_checksum": draw(st.booleans()),
        "write_statistics": draw(st.booleans()),
    }


def fold(traces: Any) -> rust_agg.State:
    numbers = pa.array(range(PROMPTS), pa.uint32())
    table = pa.table({"prompt": numbers.cast(pa.uint64()), "group": numbers, "unit": numbers})
    names = [str(prompt) for prompt in range(PROMPTS)]
    return rust_agg.fold(traces, None, rust_agg.Groups(table, names, names), grids=GRIDS)


@SETTINGS
@example(shape=EMPTY, options={"use_dictionary": ["prompt"]})
@given(shape=shapes(), options=options())
def test_a_file_is_folded_as_its_table_is(tmp_path: Path, shape: Shape, options: dict[str, Any]) -> None:
    table, path = shape.table(), tmp_path / "traces.parquet"
    pq.write_table(table, path, **options)
    assert fold([str(path)]) == fold(table)


@SETTINGS
@given(shape=shapes(), options=options(), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_in_a_page_is_an_error_or_no_damage(
    tmp_path: Path, shape: Shape, options: dict[str, Any], place: float, bit: int
) -> None:
    table, path = shape.table(), tmp_path / "traces.parquet"
    pq.write_table(table, path, **{**options, "write_page_checksum": True})
    data = bytearray(path.read_bytes())
    footer = 8 + int.from_bytes(data[-8:-4], "little")
    data[4 + int(place * (len(data) - footer - 4))] ^= 1 << bit
    path.write_bytes(data)
    with suppress(rust_agg.DataError):
        assert fold([str(path)]) == fold(table)
