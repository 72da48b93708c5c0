"""`rust_agg.replay`: the law of a round, settings, and states that know less than a fold's."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash

import rust_agg
from rust_agg import Replay
from tests.property.rust_agg_paths import EOS, NAN, PLAN, TAILS, Written, as_paths, as_tails
from tests.property.rust_agg_recount import rows_of

THREE = Replay("constant", 3)


def replay(paths: Any, setting: Replay = THREE, *, longest: int = 8, **options: Any) -> rust_agg.State:
    options = {"max_new_tokens": longest, "eos": [EOS], "grids": PLAN.grids()} | options
    return rust_agg.replay(paths, {"one": setting}, PLAN.groups(), **options)["one"]


def rounds_of(letters: str, setting: Replay) -> list[tuple[Any, ...]]:
    """Requested, drafted, accepted, emitted and censored of each round."""
    paths, tails = Written(len(letters)).write(letters).tables()
    known = {"max_new_tokens": len(letters), "eos": [EOS]}
    _, rounds = rust_agg.replay_records(paths, setting, tails=tails, **known)
    columns = pa.table(rounds).select(["requested", "drafted", "accepted", "emitted", "censored"])
    return rows_of(columns)


def test_a_round_of_three_takes_four_tokens_where_all_are_accepted() -> None:
    # The last token is never drafted, so the last round has no room for a third.
    assert rounds_of("AAAAAAA", THREE) == [(3, 3, 3, 4, 0), (3, 2, 2, 3, 1)]


def test_a_round_ends_at_its_first_rejection() -> None:
    assert [row[2:4] for row in rounds_of("ARAARAAAA", THREE)] == [(1, 2), (2, 3), (3, 4)]


def test_the_last_token_alone_is_a_round_without_a_draft() -> None:
    assert rounds_of("AAAAA", THREE)[-1] == (3, 0, 0, 1, 1)


def test_heuristic_grows_by_two_and_falls_by_one_to_one() -> None:
    rounds = rounds_of("XXXXAAAAAA", Replay("heuristic", 3))
    assert [row[0] for row in rounds] == [3, 2, 1, 1, 1, 3]


def test_a_token_below_the_threshold_is_the_last_of_its_draft() -> None:
    assert rounds_of("AaAAAAAA", Replay("constant", 5, confidence_threshold=0.4))[0] == (5, 2, 2, 3, 3)


def test_an_accepted_end_of_text_has_no_token_after_it_and_is_no_success() -> None:
    paths, _ = Written(8).write("AE", 1).write("AAAAAAAA", 2).tables()
    setting = Replay("heuristic", 5, order=[1, 2])
    _, rounds = rust_agg.replay_records(paths, setting, max_new_tokens=8, eos=[EOS])
    first, second, _ = pa.table(rounds).to_pylist()
    assert (first["drafted"], first["emitted"], first["censored"]) == (2, 2, 2)
    assert (first["next_token"], first["next_p"]) == (None, None)
    assert second["requested"] == 4


def test_a_shorter_text_is_cut_where_its_setting_says() -> None:
    paths, tails = Written(8).write("AAAAAAAA").tables()
    short = Replay("constant", 3, max_new_tokens=2)
    traces, rounds = rust_agg.replay_records(paths, short, max_new_tokens=8, eos=[EOS], tails=tails)
    assert (len(traces), [row["censored"] for row in pa.table(rounds).to_pylist()]) == (1, [1])


def test_settings_are_values() -> None:
    setting = Replay("heuristic", 5, confidence_threshold=0.4, max_new_tokens=9, order=[2, 1])
    assert setting == Replay("heuristic", 5, confidence_threshold=0.4, max_new_tokens=9, order=(2, 1))
    assert hash(setting) == hash(
        Replay("heuristic", 5, confidence_threshold=0.4, max_new_tokens=9, order=[2, 1])
    )
    assert setting != Replay("heuristic", 5, confidence_threshold=0.4, max_new_tokens=9, order=[1, 2])
    assert (setting.schedule, setting.num_assistant_tokens, setting.order) == ("heuristic", 5, [2, 1])
    assert (setting.confidence_threshold, setting.max_new_tokens) == (0.4, 9)
    assert repr(THREE) == 'Replay("constant", 3)'
    with pytest.raises(AttributeError):
        setting.schedule = "constant"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        (("steady", 3), {}, '"steady" is none of constant, heuristic, heuristic_transient'),
        (("constant", 0), {}, "num_assistant_tokens must be between 1 and 65535, found 0"),
        (
            ("constant", 3),
            {"max_new_tokens": 65536},
            "max_new_tokens must be between 1 and 65535, found 65536",
        ),
        (("constant", 3), {"confidence_threshold": NAN}, "must be a number from 0 to 1, found NaN"),
        (("constant", 3), {"order": [1]}, "order is for the schedule heuristic"),
        (("heuristic", 3), {"order": [1, 2, 1]}, "prompt 1 stands in it twice"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(
    arguments: tuple[Any, ...], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        Replay(*arguments, **options)


def test_a_setting_for_longer_texts_than_the_paths_is_refused() -> None:
    with pytest.raises(ValueError, match="one: its max_new_tokens 9 must be at most that of the paths, 8"):
        replay(as_paths([]), Replay("constant", 1, max_new_tokens=9))


def test_settings_that_are_no_mapping_are_refused() -> None:
    options = {"max_new_tokens": 8, "eos": [EOS], "grids": PLAN.grids()}
    for wrong in ([THREE], {"one": "constant"}, {1: THREE}):
        with pytest.raises(TypeError, match="settings must be a mapping from names to Replay, found"):
            rust_agg.replay(as_paths([]), wrong, PLAN.groups(), **options)  # type: ignore[arg-type]


def test_no_settings_give_no_states_and_no_paths_empty_ones() -> None:
    options = {"max_new_tokens": 8, "eos": [EOS], "grids": PLAN.grids()}
    assert rust_agg.replay(as_paths([]), {}, PLAN.groups(), **options) == {}
    assert replay([]).n_rows == replay(as_paths([])).n_rows == 0


def without_p(tails: pa.Table) -> pa.Table:
    return tails.set_column(6, TAILS.field("p"), pa.array([NAN] * len(tails), pa.float32()))


def test_a_state_says_what_it_knows_of_discarded_tokens(tmp_path: Path) -> None:
    paths, tails = Written(8).write("ARAAAAAA").tables()
    full, counted = replay(paths, tails=tails), replay(paths, tails=without_p(tails))
    unknown = replay(paths)
    assert [state.discarded for state in (full, counted, unknown)] == ["full", "counted", "unknown"]
    assert [state.n_rows for state in (full, counted, unknown)] == [full.n_rows, full.n_rows, full.n_rows - 1]
    (row,) = pa.table(unknown.prompts()).to_pylist()
    assert (row["n_drafted"], row["n_discarded"], row["n_judged"]) == (0, 0, unknown.n_rows)
    for state in (full, counted, unknown):
        state.save(tmp_path / "a.state")
        assert rust_agg.State.load(tmp_path / "a.state").discarded == state.discarded
    assert len({state.to_bytes() for state in (full, counted, unknown)}) == 3


def test_states_that_know_different_things_are_not_merged() -> None:
    paths, tails = Written(8).write("ARAAAAAA").tables()
    states = [replay(paths, tails=tails), replay(paths, tails=without_p(tails)), replay(paths)]
    for left in states:
        for right in states:
            if left is right:
                assert (left + right).discarded == left.discarded
                continue
            with pytest.raises(
                rust_agg.StateError, match=r"discarded tokens are .* in one and .* in the other"
            ):
                left + right


def test_what_holds_nothing_that_could_differ_is_merged() -> None:
    paths, tails = Written(8).write("ARAAAAAA").tables()
    through, none = Written(8).write("AAAAAAAA", 2).tables()
    counted, unknown = replay(paths, tails=without_p(tails)), replay(paths)
    nothing_discarded, nothing = (
        replay(through, tails=none),
        rust_agg.empty(PLAN.groups(), grids=PLAN.grids()),
    )
    assert (counted + nothing_discarded).discarded == (nothing_discarded + counted).discarded == "counted"
    assert (nothing + unknown) == (unknown + nothing) == unknown
    with pytest.raises(rust_agg.StateError):
        unknown + nothing_discarded


def test_tails_that_no_setting_needs_are_welcome() -> None:
    paths, tails = Written(8).write("ARAAAAAA").tables()
    assert replay(paths, Replay("constant", 1), tails=tails) == replay(
        paths, Replay("constant", 1), tails=as_tails([])
    )


def test_tails_are_found_in_any_file() -> None:
    made = Written(8).write("ARAARAAA", 1).write("RRAAAARA", 2)
    whole = replay(*made.tables()[:1], tails=made.tables()[1])
    swapped = pa.concat_tables([made.tables([1])[1], made.tables([0])[1]])
    assert replay(made.tables()[0], tails=swapped) == whole


def test_progress_counts_rows_of_paths_once() -> None:
    paths, tails = Written(8).write("ARAARAAA", 1).write("RRAAAARA", 2).tables()
    calls: list[tuple[int, int | None]] = []
    carried = Replay("heuristic", 3, order=[2, 1])
    replay(paths, carried, tails=tails, progress=lambda *call: calls.append(call))
    assert calls[-1] == (16, 16)
    assert calls == sorted(calls)


def test_a_file_without_overlap_and_entropy_will_do_without_sums_by_prompt(tmp_path: Path) -> None:
    paths, tails = Written(8).write("ARAARAAA").tables()
    whole = replay(paths, tails=tails, parts=["p", "positions", "calibration", "tokens"])
    pq.write_table(paths.drop_columns(["overlap", "entropy"]), tmp_path / "short.parquet")
    assert replay([tmp_path / "short.parquet"], tails=tails, parts=whole.parts) == whole
    with pytest.raises(rust_agg.DataError, match="column overlap is missing, wanted as float32"):
        replay([tmp_path / "short.parquet"], tails=tails)


def test_shards_with_digests_give_what_tables_give(tmp_path: Path) -> None:
    shards: dict[str, list[rust_agg.Shard]] = {"paths": [], "tails": []}
    made = Written(8)
    for at in range(12):
        made.write("ARAARAAA", at).write("RRAZ", 100 + at)
        for kind, table in zip(shards, made.tables([2 * at, 2 * at + 1]), strict=True):
            path = tmp_path / f"{kind}{at}.parquet"
            pq.write_table(table, path)
            digest = xxhash.xxh3_128(path.read_bytes()).hexdigest()
            known = {"length": path.stat().st_size, "rows": len(table)}
            shards[kind].append(rust_agg.Shard(path, xxh3_128=digest, **known))
    paths, tails = made.tables()
    whole = replay(paths, Replay("heuristic", 3), tails=tails)
    for threads in (1, 2, 4):
        found = replay(shards["paths"], Replay("heuristic", 3), tails=shards["tails"][::-1], threads=threads)
        assert found.to_bytes() == whole.to_bytes()


def test_an_exception_in_progress_ends_the_replay() -> None:
    def progress(done: int, whole: int | None) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        replay(Written(8).write("AAAAAAAA").tables()[0], progress=progress)
