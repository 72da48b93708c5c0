"""`rust_agg.replay` against a slow walk, token by token, and against a fold of the records it stands for."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rust_agg
from tests.property.rust_agg_paths import EOS, NAN, PATHS, TAILS, Written, as_tails, written
from tests.property.rust_agg_recount import TABLES, Plan, equal_edges, rows_of
from tests.support import replay_reference as slow

pytestmark = pytest.mark.slow

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
#: Prompts 0 and 7 are in groups, 7 in two of them; 99 in none.
PLAN = Plan(
    probability=equal_edges(0, 1, 10),
    difference=equal_edges(-1, 1, 10),
    joint=equal_edges(0, 1, 4),
    group_names=("a", "b"),
    unit_names=("x", "y", "z"),
    members=[(0, 0, 0), (7, 0, 1), (7, 1, 2), (2**64 - 1, 1, 2)],
)


@st.composite
def schedules(draw: st.DrawFn, made: Written, *, carried: bool = True) -> slow.Replay:
    schedule = draw(st.sampled_from(("constant", "heuristic", "heuristic_transient")))
    prompts = sorted({path[0]["prompt"] for path in made.paths})
    return slow.Replay(
        schedule,
        draw(st.integers(1, 6) | st.just(40)),
        draw(st.sampled_from((0.0, 0.2, 0.4, 1.0))),
        draw(st.none() | st.integers(1, made.longest)),
        draw(st.permutations(prompts))
        if carried and schedule == "heuristic" and draw(st.booleans())
        else None,
    )


def fast(setting: slow.Replay) -> rust_agg.Replay:
    return rust_agg.Replay(**asdict(setting))


def all_samples_of_all_prompts(made: Written) -> Written:
    """What γ can be carried through: the first path of a prompt stands for those that it lacks."""
    keys = {(path[0]["prompt"], path[0]["sample"]): path for path in made.paths}
    prompts, samples = ({key[k] for key in keys} for k in (0, 1))
    for prompt, sample in sorted((p, s) for p in prompts for s in samples if (p, s) not in keys):
        at = next(k for k, path in enumerate(made.paths) if path[0]["prompt"] == prompt)
        made.paths.append([row | {"sample": sample} for row in made.paths[at]])
        made.tails.append([row | {"sample": sample} for row in made.tails[at]])
    return made


def plain(table: Any) -> list[dict[str, Any]]:
    """Rows that can be compared: NaN equals itself."""
    rows = pa.table(table).to_pylist()
    return [{name: "nan" if value != value else value for name, value in row.items()} for row in rows]


def replay(
    made: Written, settings_of: Mapping[str, slow.Replay], paths: Any, tails: Any, **options: Any
) -> dict[str, rust_agg.State]:
    by_name = {name: fast(setting) for name, setting in settings_of.items()}
    options = {"max_new_tokens": made.longest, "eos": [EOS], "tails": tails, "grids": PLAN.grids()} | options
    return rust_agg.replay(paths, by_name, PLAN.groups(), **options)


def records(made: Written, setting: slow.Replay, paths: Any, tails: Any) -> tuple[pa.Table, pa.Table]:
    found = rust_agg.replay_records(paths, fast(setting), max_new_tokens=made.longest, eos=[EOS], tails=tails)
    return pa.table(found[0]), pa.table(found[1])


@QUICK
@given(made=written(), data=st.data())
def test_records_are_those_of_a_slow_walk(made: Written, data: st.DataObject) -> None:
    made = all_samples_of_all_prompts(made)
    setting = data.draw(schedules(made))
    paths, tails = made.tables()
    expected = slow.replay_records(paths, setting, max_new_tokens=made.longest, eos=[EOS], tails=tails)
    for found, wanted in zip(records(made, setting, paths, tails), expected, strict=True):
        assert found.schema.equals(wanted.schema)
        assert plain(found) == plain(wanted)


@QUICK
@given(made=written(), data=st.data())
def test_tail_lengths_are_those_of_a_slow_walk(made: Written, data: st.DataObject) -> None:
    made = all_samples_of_all_prompts(made)
    several = data.draw(st.lists(schedules(made), max_size=4))
    paths, _ = made.tables()
    known = {"max_new_tokens": made.longest, "eos": [EOS]}
    found = pa.table(rust_agg.tail_lengths(paths, [fast(setting) for setting in several], **known))
    expected = slow.tail_lengths(paths, several, **known)
    assert found.column_names == expected.column_names
    assert found.to_pylist() == expected.to_pylist()


@QUICK
@given(made=written(), data=st.data())
def test_a_replay_is_a_fold_of_its_records(made: Written, data: st.DataObject) -> None:
    made = all_samples_of_all_prompts(made)
    several = dict(enumerate(data.draw(st.lists(schedules(made), min_size=1, max_size=4))))
    by_name = {str(at): setting for at, setting in several.items()}
    paths, tails = made.tables()
    parts = data.draw(st.none() | st.lists(st.sampled_from(rust_agg.PARTS), min_size=1, unique=True))
    states = replay(made, by_name, paths, tails, parts=parts, threads=data.draw(st.integers(1, 3)))
    assert list(states) == list(by_name)
    for name, state in states.items():
        traces, rounds = records(made, by_name[name], paths, tails)
        folded = PLAN.fold(traces, rounds if parts is None or "prompts" in parts else None, parts=parts)
        assert state.discarded == folded.discarded == "full"
        assert state.to_bytes() == folded.to_bytes()


def cut(paths: Sequence[Any], where: Sequence[int]) -> list[Sequence[Any]]:
    places = sorted({0, len(paths), *(place % (len(paths) + 1) for place in where)})
    return [paths[start:end] for start, end in pairwise(places)]


@settings(QUICK, max_examples=40)
@given(made=written(largest=8), data=st.data())
def test_shards_streams_batches_and_threads_change_nothing(made: Written, data: st.DataObject) -> None:
    made = all_samples_of_all_prompts(made)
    by_name = {"one": data.draw(schedules(made)), "other": data.draw(schedules(made))}
    paths, tails = made.tables()
    whole = replay(made, by_name, paths, tails, threads=1)
    order = data.draw(st.permutations(range(len(made.paths))))
    threads = data.draw(st.sampled_from((1, 2, 4)))
    numbers = st.lists(st.integers(0, 60), max_size=4)
    with tempfile.TemporaryDirectory() as folder:
        shards: dict[str, list[Path]] = {"paths": [], "tails": []}
        for kind, schema in (("paths", PATHS), ("tails", TAILS)):
            where, rows = data.draw(numbers), data.draw(st.integers(1, 20))
            parts = cut(order, where)
            for part in parts if kind == "paths" else data.draw(st.permutations(parts)):
                table = made.tables(part)[kind == "tails"].cast(schema)
                path = Path(folder) / f"{kind}-{len(shards[kind])}.parquet"
                pq.write_table(table, path, row_group_size=rows, write_page_checksum=True)
                shards[kind].append(path)
        assert replay(made, by_name, shards["paths"], shards["tails"], threads=threads) == whole
        shuffled_paths, shuffled_tails = made.tables(order)
        pieces = [
            shuffled_paths.slice(rows[0], len(rows))
            for rows in cut(range(len(shuffled_paths)), data.draw(numbers))
        ]
        batches = [batch for piece in pieces for batch in piece.to_batches()]
        stream = pa.RecordBatchReader.from_batches(PATHS, batches)
        found = replay(made, by_name, stream, shards["tails"], threads=threads)
        assert found == whole
        assert [found[name].to_bytes() for name in found] == [whole[name].to_bytes() for name in whole]
        in_memory = pa.RecordBatchReader.from_batches(TAILS, shuffled_tails.to_batches(max_chunksize=3))
        assert replay(made, by_name, shards["paths"], in_memory, threads=threads) == whole


@QUICK
@given(made=written(largest=6), data=st.data())
def test_parts_of_the_paths_merge_to_the_whole(made: Written, data: st.DataObject) -> None:
    by_name = {"one": data.draw(schedules(made, carried=False))}
    whole = replay(made, by_name, *made.tables())["one"]
    order = data.draw(st.permutations(range(len(made.paths))))
    merged = rust_agg.empty(PLAN.groups(), grids=PLAN.grids())
    for part in cut(order, data.draw(st.lists(st.integers(0, 8), max_size=3))):
        merged.merge(replay(made, by_name, *made.tables(part))["one"])
    assert merged.to_bytes() == whole.to_bytes()


@QUICK
@given(made=written(), data=st.data())
def test_tails_of_the_asked_length_are_enough(made: Written, data: st.DataObject) -> None:
    by_name = {name: data.draw(schedules(made, carried=False)) for name in "ab"}
    paths, tails = made.tables()
    known = {"max_new_tokens": made.longest, "eos": [EOS]}
    lengths = rust_agg.tail_lengths(paths, [fast(setting) for setting in by_name.values()], **known)
    most = {row[:3]: row[3] for row in rows_of(lengths)}
    keys = ("prompt", "sample", "start")
    needed = [
        row
        for row in tails.to_pylist()
        if row["offset"] - row["start"] <= most.get(tuple(row[key] for key in keys), 0)
    ]
    assert replay(made, by_name, paths, as_tails([needed])) == replay(made, by_name, paths, tails)


def blank(table: str, rows: list[tuple[Any, ...]], state: rust_agg.State) -> list[tuple[Any, ...]]:
    """Rows of a table without what is said of discarded tokens' p and q."""
    names = pa.table(getattr(state, table)()).column_names
    if table == "histograms":
        return [(*row[:-1], 0) if row[names.index("verdict")] == "discarded" else row for row in rows]
    if table in ("joint_histogram", "unit_histograms"):
        return [row for row in rows if row[names.index("verdict")] != "discarded"]
    return rows


@QUICK
@given(made=written(), data=st.data())
def test_without_p_discarded_tokens_are_counted_all_the_same(made: Written, data: st.DataObject) -> None:
    by_name = {"one": data.draw(schedules(made, carried=False))}
    paths, tails = made.tables()
    known = replay(made, by_name, paths, tails)["one"]
    without = tails.set_column(6, "p", pa.array([NAN] * len(tails), pa.float32()))
    counted = replay(made, by_name, paths, without)["one"]
    traces, _ = records(made, by_name["one"], paths, tails)
    n_discarded = traces["verdict"].to_pylist().count(2)
    assert counted.discarded == ("counted" if n_discarded else "full")
    for table in TABLES:
        assert rows_of(getattr(counted, table)()) == blank(table, rows_of(getattr(known, table)()), known)
    for found, whole in zip(rows_of(counted.surer()), rows_of(known.surer()), strict=True):
        assert found == ((*whole[:3], 0, 0) if whole[1] == "discarded" else whole)
    assert counted.n_rows + counted.n_rows_unmapped == len(traces)


@QUICK
@given(made=written(), data=st.data())
def test_without_tails_what_was_judged_is_known_and_the_rest_is_zero(
    made: Written, data: st.DataObject
) -> None:
    by_name = {"one": data.draw(schedules(made, carried=False))}
    paths, tails = made.tables()
    state = replay(made, by_name, paths, None)["one"]
    assert state.discarded == "unknown"
    traces, rounds = records(made, by_name["one"], paths, tails)
    judged = traces.filter(pa.compute.field("verdict") < 2)
    folded = PLAN.fold(judged, rounds)
    unknown = ("n_drafted", "n_discarded", "n_rounds_cut_eos", "n_rounds_cut_threshold")
    assert (state.n_rows, state.n_rows_unmapped) == (folded.n_rows, folded.n_rows_unmapped)
    for table in TABLES:
        expected = pa.table(getattr(folded, table)()).to_pylist()
        if table == "prompts":
            expected = [row | dict.fromkeys(unknown, 0) for row in expected]
        assert pa.table(getattr(state, table)()).to_pylist() == expected, table
    assert rows_of(state.surer()) == rows_of(folded.surer())


def many(seed: int, *, n_prompts: int, longest: int) -> Written:
    made = Written(longest)
    letters = "AAAAAARARArAAaRAX"
    for prompt in range(n_prompts):
        for sample in range(2):
            length = (seed + 7 * prompt + 3 * sample) % longest
            text = "".join(letters[(seed + prompt * k + sample) % len(letters)] for k in range(length))
            made.write(text + "EZ"[prompt % 2], prompt, sample, seed=seed)
    return made


@pytest.mark.parametrize("threads", [*(pytest.param(n, marks=pytest.mark.landing) for n in (1, 2)), 4])
def test_many_paths_in_many_shards_give_the_same_bytes(tmp_path: Path, threads: int) -> None:
    made = many(3, n_prompts=150, longest=200)
    setting = slow.Replay("heuristic", 5, order=tuple(range(149, -1, -1)))
    by_name = {"carried": setting, "three": slow.Replay("constant", 3, 0.4)}
    plan = Plan(
        PLAN.probability, PLAN.difference, PLAN.joint, ("all",), ("u",), [(k, 0, 0) for k in range(150)]
    )
    shards: dict[str, list[Path]] = {"paths": [], "tails": []}
    for part in range(7):
        for kind, table in zip(shards, made.tables(range(part, 300, 7)), strict=True):
            shards[kind].append(tmp_path / f"{kind}{part}.parquet")
            pq.write_table(table, shards[kind][-1], row_group_size=1000 + part)
    options = {"max_new_tokens": 200, "eos": [EOS], "grids": plan.grids()}
    states = rust_agg.replay(
        shards["paths"],
        {name: fast(one) for name, one in by_name.items()},
        plan.groups(),
        tails=shards["tails"][::-1],
        threads=threads,
        **options,
    )
    paths, tails = made.tables()
    for name, one in by_name.items():
        assert states[name].to_bytes() == plan.fold(*records(made, one, paths, tails)).to_bytes()
