"""Paths and tails that cannot be replayed are refused with one sentence that names the place."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rust_agg
from rust_agg import Replay
from tests.property.rust_agg_paths import EOS, NAN, PLAN, Written, as_paths, as_tails

SIX = Replay("constant", 6)


def refused(paths: Any, setting: Replay = SIX, **options: Any) -> rust_agg.DataError:
    options = {"max_new_tokens": 8, "eos": [EOS], "grids": PLAN.grids()} | options
    with pytest.raises(rust_agg.DataError) as caught:
        rust_agg.replay(paths, {"six": setting}, PLAN.groups(), **options)
    return caught.value


def refusal(paths: Any, setting: Replay = SIX, **options: Any) -> str:
    return str(refused(paths, setting, **options))


#: Rows 3 and 4 are rejected, so that the probabilities of their proposals are their own.
LETTERS = "AAAXXAAA"


@pytest.mark.parametrize(
    ("row", "values", "place", "sentence"),
    [
        (2, {"offset": 3}, (2, "offset"), "3 in the path of prompt 1, sample 0, wanted 2"),
        (
            2,
            {"offset": 0},
            (1, "token"),
            "which ends no text, and the path ends here with 2 of max_new_tokens = 8",
        ),
        (2, {"token": EOS, "proposal": EOS}, (3, "token"), ", after a token that ends the text"),
        (3, {"token": EOS, "proposal": 1}, (4, "token"), ", after a token that ends the text"),
        (1, {"proposal": 77}, (1, "proposal"), "77, accepted, wanted the emitted token "),
        (1, {"fate": 0}, (1, "proposal"), ", rejected, and yet it is the emitted token"),
        (1, {"fate": 2}, (1, "fate"), "2 is no fate (0 rejected, 1 accepted)"),
        (1, {"proposal_p": 0.125}, (1, "proposal_p"), "0.125 of an accepted proposal, wanted "),
        (1, {"proposal_q": 0.625}, (1, "proposal_q"), "0.625 of an accepted proposal, wanted "),
        (1, {"p": NAN}, (1, "p"), "NaN is no probability between 0 and 1"),
        (1, {"q": -0.25}, (1, "q"), "-0.25 is no probability between 0 and 1"),
        (4, {"proposal_q": 1.5}, (4, "proposal_q"), "1.5 is no probability between 0 and 1"),
        (3, {"proposal_p": NAN}, (3, "proposal_p"), "NaN is no probability between 0 and 1"),
        (1, {"entropy": -1.0}, (1, "entropy"), "-1 is no entropy in nats (NaN where not computed)"),
        (1, {"token": None}, (1, "token"), "null, and none may stand here"),
        (7, {"offset": None}, (7, "offset"), "null, and none may stand here"),
    ],
)
@pytest.mark.parametrize("kind", ["table", "file", "row groups"])
def test_a_row_that_breaks_the_contract_is_named(
    tmp_path: Path, row: int, values: dict[str, Any], place: tuple[int, str], sentence: str, kind: str
) -> None:
    before, path = Written(8).write("AAAAAAAA", 2).write(LETTERS, 1).paths
    path[row] |= values
    paths, file = as_paths([before, path]), tmp_path / "paths.parquet"
    pq.write_table(paths, file, row_group_size=3 if kind == "row groups" else 100)
    error = refused(paths if kind == "table" else [file], threads=2)
    name = "paths" if kind == "table" else str(file)
    at = place[0] + len(before)
    assert str(error).startswith(f"{name}: row {at} (counted from 0), column {place[1]}: ")
    assert sentence in str(error)
    assert (error.row, error.column) == (at, place[1])
    if kind == "row groups":
        assert (error.file, error.row_group) == (str(file), at // 3)


def test_more_tokens_than_there_may_be_are_refused() -> None:
    paths, _ = Written(8).write("AAAAAAAA").tables()
    found = refusal(paths, max_new_tokens=7)
    assert (
        found
        == "paths: row 7 (counted from 0), column offset: 7, a path has at most max_new_tokens = 7 tokens"
    )


def test_a_path_that_ends_early_without_an_end_of_text_is_refused() -> None:
    paths, _ = Written(8).write("AAAAA").tables()
    assert "row 4 (counted from 0), column token: " in refusal(paths)
    assert refusal(paths).endswith("which ends no text, and the path ends here with 5 of max_new_tokens = 8")


def test_rows_of_a_path_that_do_not_stand_together_are_refused() -> None:
    (path,), (other,) = Written(8).write("AAAAAAAA").paths, Written(8).write("AAAAAAAA", 2).paths
    assert "column token: " in refusal(as_paths([path[:4], other, path[4:]]))
    begun = as_paths([other, path[4:]])
    assert refusal(begun) == (
        "paths: row 8 (counted from 0), column offset: 4 in the path of prompt 1, sample 0, wanted 0"
    )


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_path_given_twice_is_refused_where_it_stands_the_second_time(tmp_path: Path, threads: int) -> None:
    files = []
    for at in range(12):
        made = Written(8).write("AAAAAAAA", 100 + at).write("ARAAAAAA", 50 if at in (3, 7, 9) else 200 + at)
        files.append(tmp_path / f"{at}.parquet")
        pq.write_table(made.tables()[0], files[-1])
    error = refused(files, threads=threads)
    assert str(error) == (
        f"{files[7]}: row 8 (counted from 0), column prompt: 50, whose sample 0 stands at row 8 of "
        f"{files[3]} already, wanted each path once"
    )
    assert (error.file, error.row, error.column) == (str(files[7]), 8, "prompt")


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_of_several_faults_the_first_is_named_on_any_number_of_threads(tmp_path: Path, threads: int) -> None:
    made = Written(8)
    for prompt in range(40):
        made.write("AARAAAAA", prompt)
    for at, column, value in ((17, "p", NAN), (17, "q", 7.0), (25, "fate", 9)):
        made.paths[at][5][column] = value
    paths, tails = made.tables()
    pq.write_table(paths, tmp_path / "paths.parquet", row_group_size=20)
    early = tails.filter(pa.compute.field("prompt") != 30)
    found = refusal([tmp_path / "paths.parquet"], tails=early, threads=threads)
    assert "row 141 (counted from 0), column p: NaN" in found
    earlier = tails.filter(pa.compute.field("prompt") != 11)
    found = refusal([tmp_path / "paths.parquet"], tails=earlier, threads=threads)
    assert "row 90 (counted from 0), column fate: rejected, with no tail after prompt 11" in found


def test_a_missing_tail_is_named_with_the_setting_that_needs_it() -> None:
    paths, _ = Written(8).write("AARAAAAA").tables()
    assert refusal(paths, tails=as_tails([])) == (
        "paths: row 2 (counted from 0), column fate: rejected, with no tail after prompt 1, sample 0 at "
        "offset 2, and six may discard 3 tokens there"
    )


def test_a_tail_that_is_too_short_and_ends_no_text_is_refused() -> None:
    tail = [
        {"prompt": 1, "sample": 0, "start": 2, "offset": k, "token": 3, "q": 0.5, "p": 0.5} for k in (3, 4)
    ]
    paths, _ = Written(8).write("AARAAAAA").tables()
    assert "rejected, with a tail of 2 tokens that ends no text after" in refusal(
        paths, tails=as_tails([tail])
    )
    tail[1]["token"] = EOS
    options: dict[str, Any] = {"max_new_tokens": 8, "eos": [EOS], "grids": PLAN.grids()}
    rust_agg.replay(paths, {"six": SIX}, PLAN.groups(), tails=as_tails([tail]), **options)


@pytest.mark.parametrize(
    ("row", "values", "sentence"),
    [
        (1, {"offset": 6}, "row 1 (counted from 0), column offset: 6 in the tail from 2, wanted 4"),
        (0, {"offset": 2}, "row 0 (counted from 0), column offset: 2 in the tail from 2, wanted 3"),
        (
            1,
            {"token": EOS},
            "row 2 (counted from 0), column token: at offset 5, after a token that ends the text",
        ),
        (2, {"q": NAN}, "row 2 (counted from 0), column q: NaN is no probability between 0 and 1"),
        (2, {"p": 1.5}, "row 2 (counted from 0), column p: 1.5 is no probability between 0 and 1"),
        (1, {"q": None}, "row 1 (counted from 0), column q: null, and none may stand here"),
        (0, {"sample": None}, "row 0 (counted from 0), column sample: null, and none may stand here"),
    ],
)
@pytest.mark.parametrize("as_file", [False, True])
def test_a_tail_that_breaks_the_contract_is_named(
    tmp_path: Path, row: int, values: dict[str, Any], sentence: str, as_file: bool
) -> None:
    paths, _ = Written(8).write("AARAAAAA").tables()
    tail = [
        {"prompt": 1, "sample": 0, "start": 2, "offset": 3 + k, "token": 3, "q": 0.5, "p": 0.5}
        for k in range(4)
    ]
    tail[row] |= values
    tails: Any = as_tails([tail])
    if as_file:
        pq.write_table(tails, tmp_path / "tails.parquet")
        tails = [tmp_path / "tails.parquet"]
    name = tmp_path / "tails.parquet" if as_file else "tails"
    assert refusal(paths, tails=tails) == f"{name}: {sentence}"


@pytest.mark.parametrize("start", [1, 4, 30])
def test_a_tail_where_no_draft_goes_on_is_refused(start: int) -> None:
    # An accepted proposal, one that is itself an end of text, one that is not there.
    paths, _ = Written(8).write("AARAXAAA").tables()
    tail = [{"prompt": 1, "sample": 0, "start": start, "offset": start + 1, "token": 3, "q": 0.5, "p": 0.5}]
    assert refusal(paths, tails=as_tails([tail])) == (
        f"tails: row 0 (counted from 0), column start: {start}, where the path of prompt 1, sample 0 has no "
        "rejected proposal that a draft goes on from"
    )


def test_tails_out_of_order_twice_or_of_no_path_are_refused() -> None:
    paths, tails = Written(8).write("RRAAAAAA").tables()
    rows = tails.to_pylist()
    later = [row for row in rows if row["start"] == 1] + [row for row in rows if row["start"] == 0]
    assert "column start: 0 after 1, wanted the tails of a path in their order" in refusal(
        paths, tails=as_tails([later])
    )
    twice = Written(8).write("RRAAAAAA").write("RRAAAAAA", 2)
    twice.tails.append(twice.tails[0])
    found = refusal(twice.tables()[0], tails=as_tails(twice.tails))
    assert "column prompt: 1, whose sample 0 has tails at row 0 of tails already, wanted together" in found
    foreign = Written(8).write("RRAAAAAA", 3).tables()[1]
    found = refusal(paths, tails=pa.concat_tables([tails, foreign]))
    assert (
        f"row {len(tails)} (counted from 0), column prompt: 3, whose sample 0 has tails and no path" in found
    )


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ([1], "six: prompt 2 has paths and does not stand in order"),
        (
            [1, 2, 3],
            "six: prompt 3 stands in order and has no path of sample 0, so that γ cannot be carried over",
        ),
    ],
)
def test_an_order_of_other_prompts_is_refused(order: list[int], sentence: str) -> None:
    paths, _ = Written(8).write("AAAAAAAA", 1).write("AAAAAAAA", 2).tables()
    assert refusal(paths, Replay("heuristic", 3, order=order)) == sentence


def test_records_need_tails_and_their_p() -> None:
    paths, tails = Written(8).write("AARAAAAA").tables()
    known: dict[str, Any] = {"max_new_tokens": 8, "eos": [EOS]}
    with pytest.raises(
        rust_agg.DataError, match=r'with no tail after .* and Replay\("constant", 6\) may discard 3'
    ):
        rust_agg.replay_records(paths, SIX, **known)
    (tail,) = Written(8).write("AARAAAAA").tails
    tail[1]["p"] = NAN
    tail[0]["q"] = tail[1]["q"] = 1.0
    tail[0]["token"] = 1
    with pytest.raises(
        rust_agg.DataError, match="rejected, and p is NaN in its tail after prompt 1, sample 0 at off"
    ):
        rust_agg.replay_records(paths, SIX, tails=as_tails([tail]), **known)
    assert len(tails) > 0


def test_gamma_beyond_what_records_hold_is_refused() -> None:
    paths, _ = Written(8).write("AAAAAAAA", 1).write("AAAAAAAA", 2).tables()
    found = refusal(paths, Replay("heuristic", 65535, order=[1, 2]))
    assert found == "six: prompt 2, sample 0: γ grew to 65537 here, and records hold 65535"


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    paths, tails = Written(8).write("AARAAAAA").tables()
    file = tmp_path / "tails.parquet"
    pq.write_table(tails, file, write_page_checksum=True, use_dictionary=False, compression="none")
    first = pq.read_metadata(file).row_group(0).column(0)
    data = bytearray(file.read_bytes())
    data[first.data_page_offset + first.total_compressed_size - 1] ^= 1
    file.write_bytes(data)
    assert refusal(paths, tails=[file]).startswith(f"{file}: ")
    with pytest.raises(FileNotFoundError, match="absent"):
        refused(paths, tails=[tmp_path / "absent.parquet"])
    known = rust_agg.Shard(file, length=len(data), xxh3_128="0" * 32, rows=len(tails))
    assert "has XXH3-128" in refusal(paths, tails=[known])
