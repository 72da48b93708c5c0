"""A fold of some parts: the same numbers, fewer columns, and a refusal to tell what was not counted."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rust_agg
from tests.property.rust_agg_recount import (
    Plan,
    as_traces,
    equal_edges,
    random_traces,
    rounds_table,
    rows_of,
)

PLAN = Plan(
    probability=equal_edges(0, 1, 10),
    difference=equal_edges(-1, 1, 10),
    joint=equal_edges(0, 1, 4),
    group_names=["a", "b"],
    unit_names=["x", "y", "z"],
    members=[(prompt, 0, prompt % 2) for prompt in range(12)] + [(prompt, 1, 2) for prompt in range(8, 19)],
)
HISTOGRAMS = ("p", "q", "difference", "log_ratio")
METHODS = {"joint": "joint_histogram", "units": "unit_histograms"}
# What each part needs beside prompt and verdict.
NEEDED = {
    "p": ["p"],
    "q": ["q"],
    "difference": ["p", "q"],
    "log_ratio": ["p", "q"],
    "joint": ["p", "q"],
    "positions": ["position"],
    "surer": ["p", "q"],
    "units": ["p", "q"],
    "prompts": ["sample", "p", "q", "overlap", "entropy"],
    "prompt_positions": ["position"],
    "tokens": ["token", "p", "q"],
    "calibration": ["p", "q"],
}
TRACES = as_traces(random_traces(3000, seed=11))
ROUNDS = rounds_table({"prompt": k % 19, "sample": k % 3, "emitted": k % 7} for k in range(200))


def method_of(part: str) -> str:
    return "histograms" if part in HISTOGRAMS else METHODS.get(part, part)


def rows(state: rust_agg.State, part: str) -> list[tuple[Any, ...]]:
    """What a state says of a part."""
    found = rows_of(getattr(state, method_of(part))())
    return [row for row in found if row[2] == part] if part in HISTOGRAMS else found


def rounds_for(parts: list[str]) -> pa.Table | None:
    return ROUNDS if "prompts" in parts else None


@pytest.fixture(scope="module")
def whole() -> rust_agg.State:
    return PLAN.fold(TRACES, ROUNDS)


def test_the_parts_are_those_that_this_file_knows(whole: rust_agg.State) -> None:
    assert list(rust_agg.PARTS) == whole.parts == list(NEEDED)


@pytest.mark.parametrize("part", rust_agg.PARTS)
def test_each_part_alone_is_what_it_is_among_all(whole: rust_agg.State, part: str) -> None:
    alone = PLAN.fold(TRACES, rounds_for([part]), parts=[part])
    assert alone.parts == [part]
    assert rows(alone, part) == rows(whole, part)
    assert (alone.n_rows, alone.n_rows_unmapped) == (whole.n_rows, whole.n_rows_unmapped)


@pytest.mark.parametrize("left_out", rust_agg.PARTS)
def test_all_parts_but_one_are_what_they_are_among_all(whole: rust_agg.State, left_out: str) -> None:
    parts = [part for part in rust_agg.PARTS if part != left_out]
    state = PLAN.fold(TRACES, rounds_for(parts), parts=parts[::-1])
    assert state.parts == parts
    assert [rows(state, part) for part in parts] == [rows(whole, part) for part in parts]


@pytest.mark.parametrize("part", rust_agg.PARTS)
def test_columns_that_a_part_does_not_need_may_be_missing(
    whole: rust_agg.State, part: str, tmp_path: Path
) -> None:
    traces = TRACES.select(["prompt", "verdict", *NEEDED[part]])
    pq.write_table(traces, tmp_path / "some.parquet")
    for given in (traces, [tmp_path / "some.parquet"]):
        assert rows(PLAN.fold(given, rounds_for([part]), parts=[part]), part) == rows(whole, part)


@pytest.mark.parametrize("part", rust_agg.PARTS)
def test_columns_that_a_part_needs_may_not_be_missing(part: str) -> None:
    for column in ["prompt", "verdict", *NEEDED[part]]:
        with pytest.raises(rust_agg.DataError, match=f"traces: column {column} is missing") as caught:
            PLAN.fold(TRACES.drop_columns([column]), parts=[part])
        assert caught.value.column == column


def test_a_column_of_another_type_is_no_matter_where_it_is_not_needed(whole: rust_agg.State) -> None:
    traces = TRACES.set_column(5, "token", pa.array(["word"] * TRACES.num_rows))
    assert rows(PLAN.fold(traces, parts=["p"]), "p") == rows(whole, "p")
    with pytest.raises(rust_agg.DataError, match="column token is utf8, wanted uint32"):
        PLAN.fold(traces, parts=["tokens"])


@pytest.mark.parametrize("part", rust_agg.PARTS)
def test_pages_that_a_part_does_not_need_are_not_decoded(
    whole: rust_agg.State, part: str, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    pq.write_table(TRACES, good, write_page_checksum=True)
    footer, data = pq.read_metadata(good).row_group(0), good.read_bytes()
    for at, column in enumerate(TRACES.column_names):
        chunk = footer.column(at)
        last = (chunk.dictionary_page_offset or chunk.data_page_offset) + chunk.total_compressed_size - 1
        bad.write_bytes(data[:last] + bytes([data[last] ^ 1]) + data[last + 1 :])
        if column in ("prompt", "verdict", *NEEDED[part]):
            with pytest.raises(rust_agg.DataError, match=r"bad\.parquet: row group 0: .*checksum") as caught:
                PLAN.fold([bad], parts=[part])
            place = caught.value
            assert (place.file, place.row_group, place.row) == (str(bad), 0, None)
        else:
            assert rows(PLAN.fold([bad], rounds_for([part]), parts=[part]), part) == rows(whole, part)


@pytest.mark.parametrize("part", rust_agg.PARTS)
def test_what_was_not_counted_is_not_told(part: str) -> None:
    other = "p" if part == "q" else "q"
    state = PLAN.fold(TRACES, parts=[other])
    if method_of(part) == method_of(other):
        assert {row[2] for row in rows_of(state.histograms())} == {other}
        return
    method = getattr(state if part not in HISTOGRAMS else PLAN.fold(TRACES, parts=["surer"]), method_of(part))
    with pytest.raises(rust_agg.StateError, match=r'" was not counted: this state was made with the parts'):
        method()


def test_the_refusal_names_what_was_counted() -> None:
    state = PLAN.fold(TRACES, parts=["surer", "p"])
    with pytest.raises(rust_agg.StateError) as caught:
        state.tokens()
    assert str(caught.value) == '"tokens" was not counted: this state was made with the parts p, surer'


def test_rounds_alone_tell_of_prompts_and_go_with_no_other_part() -> None:
    assert PLAN.fold([], ROUNDS, parts=["prompts"]).n_rounds == ROUNDS.num_rows
    with pytest.raises(
        ValueError, match="rounds are read for the part prompts alone, which parts leaves out"
    ):
        PLAN.fold(TRACES, ROUNDS, parts=["p"])


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ([], "parts must name at least one of p, q, difference, "),
        (["p", "r"], 'parts: "r" is none of p, q, difference, '),
    ],
)
def test_parts_that_are_none_are_refused(parts: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        PLAN.fold(TRACES, parts=parts)
    with pytest.raises(ValueError, match=sentence):
        rust_agg.empty(PLAN.groups(), grids=PLAN.grids(), parts=parts)


def test_parts_may_be_named_in_any_order_and_twice() -> None:
    first, second = PLAN.fold(TRACES, parts=["p", "surer"]), PLAN.fold(TRACES, parts=("surer", "p", "p"))
    assert first.to_bytes() == second.to_bytes()


@pytest.mark.parametrize("part", rust_agg.PARTS)
def test_a_state_of_one_part_merges_and_is_kept(part: str, tmp_path: Path) -> None:
    whole = PLAN.fold(TRACES, rounds_for([part]), parts=[part])
    first = PLAN.fold(TRACES.slice(0, 1000), parts=[part], threads=1)
    first.merge(PLAN.fold(TRACES.slice(1000), rounds_for([part]), parts=[part], threads=2))
    first.save(tmp_path / "a.state")
    back = rust_agg.State.load(tmp_path / "a.state")
    assert back == first == whole
    assert back.to_bytes() == whole.to_bytes()
    assert back.parts == [part]
    assert rows(back, part) == rows(whole, part)


def test_states_of_other_parts_are_not_merged_and_stay_as_they_are() -> None:
    state, other = PLAN.fold(TRACES, parts=["p"]), PLAN.fold(TRACES, parts=["p", "q"])
    before = state.to_bytes()
    with pytest.raises(rust_agg.StateError, match="these states cannot be merged: their parts differ"):
        state.merge(other)
    with pytest.raises(rust_agg.StateError, match="their parts differ"):
        state + other
    assert state != other
    assert state.to_bytes() == before


def test_a_state_holds_all_that_a_fold_needs_to_go_on(whole: rust_agg.State) -> None:
    more = rust_agg.fold(TRACES, ROUNDS, whole.groups, grids=whole.grids, parts=whole.parts)
    assert more == whole
    assert (more + whole).n_rows == 2 * whole.n_rows
