"""States: what they hold, how they merge, how they are kept, how a fold is watched."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rust_agg
from tests.property.rust_agg_recount import (
    Plan,
    as_traces,
    groups_table,
    random_traces,
    rounds_table,
    traces_table,
)

PLAN = Plan(
    probability=[0, 0.5, 1],
    difference=[-1, 0, 1],
    joint=[0, 1],
    group_names=["a", "b"],
    unit_names=["x", "y"],
    members=[(1, 0, 0), (1, 1, 1), (2, 1, 1)],
)


def frame(table: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pa.table(table).to_pylist()
    return rows


def test_a_prompt_in_two_groups_is_counted_in_both_and_once_by_itself() -> None:
    state = PLAN.fold(traces_table([{"prompt": 1}]))
    assert [row["group"] for row in frame(state.positions())] == ["a", "b"]
    assert [row["n_judged"] for row in frame(state.prompts())] == [1]
    assert sum(row["n_judged"] for row in frame(state.calibration())) == state.n_rows == 1


def test_rows_of_prompts_in_no_group_are_counted_apart() -> None:
    state = PLAN.fold(traces_table([{"prompt": 1}, {"prompt": 9}]), rounds_table([{"prompt": 9}]))
    assert (state.n_rows, state.n_rows_unmapped) == (1, 1)
    assert (state.n_rounds, state.n_rounds_unmapped) == (0, 1)


def test_a_prompt_seen_only_in_rounds_has_a_row() -> None:
    state = PLAN.fold(
        traces_table([]), rounds_table([{"prompt": 2, "sample": 3, "emitted": 6, "censored": 2}])
    )
    (row,) = frame(state.prompts())
    assert (row["prompt"], row["sample"], row["n_drafted"], row["n_emitted"]) == (2, 3, 0, 6)
    assert (row["n_rounds_cut_max_length"], row["n_rounds_cut_eos"], row["n_rounds_cut_threshold"]) == (
        0,
        1,
        0,
    )


def test_a_prompt_split_over_shards_stays_one_prompt_of_its_token() -> None:
    surer = {"prompt": 1, "p": 0.25, "q": 0.5, "token": 7}
    first = PLAN.fold(traces_table([surer | {"verdict": 1}]))
    second = PLAN.fold(traces_table([surer | {"verdict": 0, "sample": 1}]))
    (row, _) = frame((first + second).tokens())
    assert (row["n_surer_accepted"], row["n_surer_rejected"]) == (1, 1)
    assert (row["n_prompts"], row["n_prompts_accepted"], row["n_prompts_rejected"]) == (1, 1, 1)


def test_discarded_tokens_leave_sums_and_calibration_alone() -> None:
    state = PLAN.fold(traces_table([{"prompt": 1, "verdict": 2, "overlap": 0.5, "q": 0.9}]))
    (row,) = frame(state.prompts())
    assert (row["n_discarded"], row["n_judged"], row["n_overlap"], row["n_severity"]) == (1, 0, 0, 0)
    assert frame(state.tokens()) == frame(state.prompt_positions()) == []


def test_nan_overlap_and_entropy_are_left_out_and_overlap_is_clipped() -> None:
    measured = [(1.5, 2.0), (-0.5, float("nan")), (float("nan"), 0.5)]
    traces = traces_table(
        {"prompt": 1, "overlap": overlap, "entropy": entropy} for overlap, entropy in measured
    )
    (row,) = frame(PLAN.fold(traces).prompts())
    assert (row["n_overlap"], row["sum_overlap"]) == (2, 1.0)
    assert (row["n_entropy"], row["sum_entropy"]) == (2, 2.5)


def test_over_confidence_needs_q_above_p_even_where_both_are_zero() -> None:
    pairs = [(0.0, 0.0), (0.25, 0.5), (0.25, 0.375), (0.0, 0.125)]
    (row,) = frame(PLAN.fold(traces_table({"prompt": 1, "p": p, "q": q} for p, q in pairs)).prompts())
    assert (row["n_surer_accepted"], row["n_over_confident_accepted"]) == (3, 2)


def test_no_rounds_leave_their_counts_at_zero() -> None:
    (row,) = frame(PLAN.fold(traces_table([{"prompt": 1}]), None).prompts())
    assert (row["n_rounds"], row["n_emitted"], row["n_requested"]) == (0, 0, 0)


def test_an_empty_state_has_every_bin_and_no_row_elsewhere() -> None:
    state = rust_agg.empty(PLAN.groups(), grids=PLAN.grids())
    assert len(state.histograms()) == 2 * 3 * (2 + 2 + 2 + 66)
    assert len(state.prompts()) == len(state.tokens()) == len(state.joint_histogram()) == 0
    assert len(state.calibration()) == 21
    assert pa.table(state.prompts()).column_names == state.prompts().column_names


def test_adding_leaves_both_sides_alone_and_merging_changes_the_left() -> None:
    one, empty = PLAN.fold(traces_table([{"prompt": 1}])), PLAN.fold([])
    both = one + one
    assert (one.n_rows, both.n_rows) == (1, 2)
    empty.merge(one)
    assert empty == one != both


def test_a_state_can_be_merged_into_itself() -> None:
    state = PLAN.fold(traces_table([{"prompt": 1}]))
    state.merge(state)
    assert state.n_rows == 2


def test_groups_in_another_order_are_equal_and_other_groups_are_not() -> None:
    other = rust_agg.Groups(groups_table(PLAN.members[::-1]), PLAN.group_names, PLAN.unit_names)
    assert other == PLAN.groups()
    assert other != rust_agg.Groups(groups_table(PLAN.members[:1]), PLAN.group_names, PLAN.unit_names)
    assert PLAN.grids() == PLAN.grids() != rust_agg.Grids([0, 1], [-1, 1], [0, 1])


@pytest.mark.parametrize("part", ["grids", "groups", "over_confident_ratio"])
def test_states_that_differ_are_not_merged(part: str) -> None:
    grids, groups, ratio = PLAN.grids(), PLAN.groups(), 2.0
    if part == "grids":
        grids = rust_agg.Grids([0, 1], [-1, 0, 1], [0, 1])
    elif part == "groups":
        groups = rust_agg.Groups(groups_table(PLAN.members), ["a", "c"], ["x", "y"])
    else:
        ratio = 3.0
    other = rust_agg.empty(groups, grids=grids, over_confident_ratio=ratio)
    with pytest.raises(rust_agg.StateError, match=f"these states cannot be merged: their {part} differ"):
        PLAN.fold([]).merge(other)


def test_a_saved_state_comes_back_equal_and_leaves_nothing_beside(tmp_path: Path) -> None:
    state = PLAN.fold(as_traces(random_traces(500, seed=3, prompts=4)))
    state.save(tmp_path / "a.state")
    back = rust_agg.State.load(str(tmp_path / "a.state"))
    assert back == state
    assert (back.group_names, back.unit_names, back.grids) == (["a", "b"], ["x", "y"], PLAN.grids())
    assert [path.name for path in tmp_path.iterdir()] == ["a.state"]
    assert (tmp_path / "a.state").read_bytes() == state.to_bytes()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: data[:-1], "truncated or damaged"),
        (lambda data: data[:20], "not a saved rust_agg state, or cut within its first bytes"),
        (lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:], "damaged, its checksum differs"),
        (lambda data: data[:8] + b"\7" + data[9:], "saved as version 7, this rust_agg reads version 3"),
        (lambda data: b"PAR1" + data, "not a saved rust_agg state"),
    ],
)
def test_a_damaged_state_is_refused_by_name(tmp_path: Path, damage: Any, sentence: str) -> None:
    (tmp_path / "bad.state").write_bytes(damage(PLAN.fold([]).to_bytes()))
    with pytest.raises(rust_agg.StateError, match=rf"bad.state: {sentence}"):
        rust_agg.State.load(tmp_path / "bad.state")


def test_files_that_cannot_be_read_or_written_are_oserrors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.state"):
        rust_agg.State.load(tmp_path / "absent.state")
    with pytest.raises(FileNotFoundError, match=r"b\.state"):
        PLAN.fold([]).save(tmp_path / "no folder" / "b.state")


def test_progress_ends_with_all_rows(tmp_path: Path) -> None:
    calls: list[tuple[int, int | None]] = []
    pq.write_table(traces_table([{"prompt": 1}] * 50), tmp_path / "t.parquet")
    PLAN.fold(
        [tmp_path / "t.parquet"], rounds_table([{"prompt": 1}]), progress=lambda *call: calls.append(call)
    )
    assert calls[-1] == (51, 51)


def test_an_exception_in_progress_ends_the_fold() -> None:
    def progress(done: int, whole: int | None) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        PLAN.fold(traces_table([{"prompt": 1}]), progress=progress)


ENDLESS = """
import os, signal, threading
import pyarrow as pa, rust_agg

types = {"prompt": pa.uint64(), "token": pa.uint32(), "verdict": pa.uint8()}
types |= dict.fromkeys(["sample", "round", "position", "offset"], pa.uint16())
types |= dict.fromkeys(["p", "q", "overlap", "entropy"], pa.float32())
table = pa.table({name: pa.array([1] * 5000, dtype) for name, dtype in types.items()})
zero = pa.array([0], pa.uint32())
groups = pa.table({"prompt": pa.array([1], pa.uint64()), "group": zero, "unit": zero})
groups, grids = rust_agg.Groups(groups, ["a"], ["x"]), rust_agg.Grids([0, 1], [-1, 1], [0, 1])

def batches():
    while True:
        yield from table.to_batches()

threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    rust_agg.fold(pa.RecordBatchReader.from_batches(table.schema, batches()), None, groups, grids=grids)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_ends_an_endless_fold() -> None:
    command = [sys.executable, "-c", ENDLESS]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "interrupted\n"
