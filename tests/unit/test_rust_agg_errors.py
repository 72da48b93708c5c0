"""What cannot be folded is refused with one sentence that names the place."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rust_agg
from tests.property.rust_agg_recount import Plan, groups_table, rounds_table, traces_table

NAN, INF = float("nan"), float("inf")
PLAN = Plan(
    probability=[0, 0.5, 1],
    difference=[-1, 0, 1],
    joint=[0, 1],
    group_names=["a", "b"],
    unit_names=["x", "y"],
    members=[(1, 0, 0), (1, 1, 1)],
)


def write(table: pa.Table, path: Path, **options: Any) -> Path:
    pq.write_table(table, path, write_page_checksum=True, **options)
    return path


def refusal(traces: Any, rounds: Any = None, **options: Any) -> str:
    with pytest.raises(rust_agg.DataError) as caught:
        PLAN.fold(traces, rounds, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("position", 0, "0, positions count from 1"),
        ("p", NAN, "NaN is no probability between 0 and 1"),
        ("p", -0.25, "-0.25 is no probability between 0 and 1"),
        ("q", 1.5, "1.5 is no probability between 0 and 1"),
        ("q", INF, "inf is no probability between 0 and 1"),
        ("entropy", -1.0, "-1 is no entropy in nats (NaN where not computed)"),
        ("entropy", INF, "inf is no entropy in nats (NaN where not computed)"),
        ("verdict", 3, "3 is no verdict (0 rejected, 1 accepted, 2 discarded)"),
    ],
)
def test_an_impossible_value_in_traces_names_row_and_column(column: str, value: float, sentence: str) -> None:
    rows: list[dict[str, Any]] = [{"prompt": 1}, {"prompt": 1, column: value}, {"prompt": 1, column: value}]
    assert refusal(traces_table(rows)) == f"traces: row 1 (counted from 0), column {column}: {sentence}"


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("censored", 4, "4 is no reason (0 none, 1 max_length, 2 eos, 3 threshold)"),
        ("next_p", NAN, "NaN is no probability between 0 and 1"),
        ("next_p", 1.5, "1.5 is no probability between 0 and 1"),
    ],
)
def test_an_impossible_value_in_rounds_names_row_and_column(column: str, value: float, sentence: str) -> None:
    rounds = rounds_table([{"prompt": 1}, {"prompt": 1, column: value}])
    found = refusal(traces_table([]), rounds)
    assert found == f"rounds: row 1 (counted from 0), column {column}: {sentence}"


@pytest.mark.parametrize("column", traces_table([]).column_names)
def test_a_null_in_traces_names_row_and_column(column: str) -> None:
    found = refusal(traces_table([{"prompt": 1}, {"prompt": 1, column: None}]))
    assert found == f"traces: row 1 (counted from 0), column {column}: null, and none may stand here"


@pytest.mark.parametrize("column", rounds_table([]).column_names)
def test_a_null_in_rounds_is_refused_but_in_next_token_and_next_p(column: str) -> None:
    rounds = rounds_table([{"prompt": 1}, {"prompt": 1, column: None}])
    if column.startswith("next_"):
        assert PLAN.fold(traces_table([]), rounds).n_rounds == 2
    else:
        found = refusal(traces_table([]), rounds)
        assert found == f"rounds: row 1 (counted from 0), column {column}: null, and none may stand here"


def test_a_row_of_a_prompt_in_no_group_is_checked_as_well() -> None:
    assert "row 0 (counted from 0), column p" in refusal(traces_table([{"prompt": 5, "p": NAN}]))


def test_the_row_is_counted_from_the_start_of_its_file(tmp_path: Path) -> None:
    good = write(traces_table([{"prompt": 1}] * 9), tmp_path / "good.parquet")
    rows = [{"prompt": 1}] * 25 + [{"prompt": 1, "q": 2.0}]
    bad = write(traces_table(rows), tmp_path / "bad.parquet", row_group_size=10)
    sentence = "row 25 (counted from 0), column q: 2 is no probability between 0 and 1"
    assert refusal([good, bad]) == f"{bad}: {sentence}"


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_of_many_faults_the_first_is_named_on_any_number_of_threads(tmp_path: Path, threads: int) -> None:
    rows: list[dict[str, Any]] = [{"prompt": 1}] * 40
    rows += [{"prompt": 1, "p": None}, {"prompt": 1, "p": 2.0}] * 400
    bad = write(traces_table(rows), tmp_path / "bad.parquet", row_group_size=50)
    rounds = rounds_table([{"prompt": 1, "censored": 9}])
    assert refusal([bad], rounds, threads=threads).startswith(
        f"{bad}: row 40 (counted from 0), column p: null"
    )


def test_a_bad_value_before_a_null_is_the_one_named() -> None:
    rows: list[dict[str, Any]] = [{"prompt": 1, "verdict": 7}, {"prompt": None}]
    assert "row 0 (counted from 0), column verdict: 7" in refusal(traces_table(rows))


def test_a_missing_column_names_what_was_found(tmp_path: Path) -> None:
    path = write(traces_table([]).select(["prompt", "sample"]), tmp_path / "short.parquet")
    found = refusal([path])
    assert found == f"{path}: column position is missing, wanted as uint16; found prompt, sample"


def test_a_wrong_type_names_both_types() -> None:
    traces = traces_table([])
    traces = traces.set_column(6, "p", traces["p"].cast(pa.float64()))
    assert refusal(traces) == "traces: column p is float64, wanted float32"


def test_a_column_that_stands_twice_is_refused() -> None:
    traces = traces_table([]).append_column("p", pa.array([], pa.float32()))
    assert refusal(traces) == "traces: column p stands there twice, wanted once"


def test_rounds_of_the_wrong_kind_are_named() -> None:
    assert refusal(traces_table([]), traces_table([])).startswith("rounds: column requested is missing")


def test_a_missing_file_is_an_oserror_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.parquet"):
        PLAN.fold([tmp_path / "absent.parquet"])


def test_a_folder_is_an_oserror_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"is a directory"):
        PLAN.fold([tmp_path])


@pytest.mark.parametrize("traces", ["a.parquet", b"a.parquet", 3, [3]])
def test_other_input_is_a_typeerror(traces: Any) -> None:
    with pytest.raises(TypeError, match="traces must be a list of paths or an Arrow table or stream, found"):
        PLAN.fold(traces)


def test_no_threads_are_refused() -> None:
    with pytest.raises(ValueError, match="threads must be at least 1, found 0"):
        PLAN.fold(traces_table([]), threads=0)


@pytest.mark.parametrize("ratio", [0.5, NAN, INF])
def test_a_useless_ratio_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match="over_confident_ratio must be a finite number of at least 1, found"):
        rust_agg.empty(PLAN.groups(), grids=PLAN.grids(), over_confident_ratio=ratio)


@pytest.mark.parametrize(
    ("edges", "sentence"),
    [
        (([0], [-1, 1], [0, 1]), "probability needs at least two edges, found 1"),
        (([0, NAN, 1], [-1, 1], [0, 1]), "probability edges must be finite, edge 1 is NaN"),
        (([0, 1], [-1, 1, 1], [0, 1]), "difference edges must increase strictly, edge 2 is 1 after 1"),
        (([0, 1], [0, 1], [0, 1]), "difference edges must run from -1 to 1 exactly, found 0 to 1"),
        (([0, 1], [-1, 1], [0, 0.9]), "joint edges must run from 0 to 1 exactly, found 0 to 0.9"),
        (([0, 1], [-1, 1], [k / 5000 for k in range(5001)]), "joint may have at most 1024 bins, found 5000"),
    ],
)
def test_edges_that_cannot_be_used_say_why(edges: tuple[list[float], ...], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        rust_agg.Grids(*edges)


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ([(1, 0, 0), (1, 0, 0)], 'prompt 1 in group "a" with unit "x" is given twice'),
        ([(1, 0, 0), (1, 0, 1)], 'prompt 1 stands twice in group "a", with units "x" and "y"'),
        ([(1, 0, 0), (2, 1, 0)], r'unit 0 \("x"\) belongs to one group, found "a" and "b"'),
        ([(1, 0, 0), (1, 2, 0)], r"row 1 \(counted from 0\), column group: 2 has no name, 2 names are given"),
        ([(1, 0, 9)], r"row 0 \(counted from 0\), column unit: 9 has no name, 2 names are given"),
    ],
)
def test_groups_that_contradict_themselves_say_where(
    members: list[tuple[int, int, int]], sentence: str
) -> None:
    with pytest.raises(rust_agg.DataError, match="groups: " + sentence):
        rust_agg.Groups(groups_table(members), ["a", "b"], ["x", "y"])


def test_names_that_are_not_unique_are_refused() -> None:
    table = groups_table([(1, 0, 0), (2, 0, 1)])
    with pytest.raises(ValueError, match='the name "a" stands for groups 0 and 1'):
        rust_agg.Groups(table, ["a", "a"], ["x", "y"])
    with pytest.raises(ValueError, match='units 0 and 1 of group "a" have the same name "x"'):
        rust_agg.Groups(table, ["a", "b"], ["x", "x"])


def test_a_table_of_groups_is_checked_like_any_other() -> None:
    table = groups_table([(1, 0, 0)])
    with pytest.raises(rust_agg.DataError, match="groups: column unit is missing, wanted as uint32"):
        rust_agg.Groups(table.drop_columns(["unit"]), ["a"], ["x"])
    table = table.set_column(1, "group", pa.array([None], pa.uint32()))
    with pytest.raises(rust_agg.DataError, match="column group: null, and none may stand here"):
        rust_agg.Groups(table, ["a"], ["x"])


def test_an_exception_of_a_stream_ends_the_fold() -> None:
    def batches() -> Any:
        yield from traces_table([{"prompt": 1}]).to_batches()
        raise RuntimeError("the disk is gone")

    stream = pa.RecordBatchReader.from_batches(traces_table([]).schema, batches())
    assert "the disk is gone" in refusal(stream)


def test_the_exception_carries_file_row_group_row_and_column(tmp_path: Path) -> None:
    rows = [{"prompt": 1}] * 25 + [{"prompt": 1, "q": 2.0}]
    bad = write(traces_table(rows), tmp_path / "bad.parquet", row_group_size=10)
    with pytest.raises(rust_agg.DataError) as caught:
        PLAN.fold([bad])
    place = caught.value
    assert (place.file, place.row_group, place.row, place.column) == (str(bad), 2, 25, "q")


def test_what_an_exception_does_not_know_is_none() -> None:
    error = rust_agg.DataError("made by hand")
    assert (error.file, error.row_group, error.row, error.column) == (None, None, None, None)
