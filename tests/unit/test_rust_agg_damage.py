"""Damaged shards: an error that names the file, never a panic, never another number."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rust_agg
from specgap.trace.shards import write_parquet
from tests.support import thrift
from tests.support.damage import KINDS, PLAN, Job, Outcome, outcomes, rounds, shard_of, traces
from tests.support.size import SIZE
from tests.support.thrift import Struct

pytestmark = pytest.mark.slow

#: A few of what a fold may be asked for; columns that it does not need are not looked at.
ASKED = (None, ("p",), ("positions",), ("p", "q", "difference", "joint", "positions", "surer"), ("tokens",))
SPLIT = dict.fromkeys(("p", "q", "token"), "BYTE_STREAM_SPLIT")
INDEXED = ["prompt", "sample", "round", "position", "verdict"]
#: Files as others write them, in small row groups of small pages.
WRITTEN: dict[str, dict[str, Any]] = {
    "zstd": {"compression": "zstd", "use_dictionary": INDEXED, "column_encoding": SPLIT},
    "lz4": {"compression": "lz4", "use_dictionary": INDEXED},
    "snappy": {"compression": "snappy", "data_page_version": "2.0"},
    "none": {"compression": "none", "use_dictionary": INDEXED},
    "delta": {
        "use_dictionary": False,
        "column_encoding": {**SPLIT, "token": "DELTA_BINARY_PACKED", "prompt": "DELTA_BINARY_PACKED"},
    },
    "nullable": {"compression": "zstd", "use_dictionary": INDEXED, "column_encoding": SPLIT},
    "rounds": {"compression": "lz4"},
}


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the workflow writes it: two pages to a column."""
    path = tmp_path_factory.mktemp("shards") / "good.parquet"
    write_parquet(traces(40_000), path)
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("written")
    for name, options in WRITTEN.items():
        table = rounds(3000) if name == "rounds" else traces(3000)
        if name == "nullable":
            table = table.cast(pa.schema([field.with_nullable(True) for field in table.schema]))
        small = {"row_group_size": 1000, "data_page_size": 1000, "write_batch_size": 250}
        pq.write_table(table, folder / f"{name}.parquet", write_page_checksum=True, **small, **options)
    return {name: str(folder / f"{name}.parquet") for name in WRITTEN}


def parts_of(name: str) -> tuple[tuple[str, ...] | None, ...]:
    return (None,) if name == "rounds" else ASKED


def problems(jobs: list[Job], fine: Callable[[Outcome], bool]) -> list[str]:
    """Jobs whose outcome is not fine, or took long."""
    found = list(zip(jobs, outcomes(jobs), strict=True))
    print(f"{sum(bool(outcome.error) for _, outcome in found)} of {len(found)} refused")
    return [f"{job}: {outcome}" for job, outcome in found if not fine(outcome) or outcome.seconds > 5]


def test_a_damaged_shard_is_an_error_that_names_it(shard: Path) -> None:
    seeds = range(SIZE.damaged_shards)
    print(f"seeds {seeds} anywhere, {seeds} in the footer; kinds {KINDS}, in turn")
    jobs = [
        Job(str(shard), seed, where, known=True, among_many=seed % 2 == 1)
        for where in ("anywhere", "footer")
        for seed in seeds
    ]
    assert problems(jobs, lambda outcome: outcome.names_its_file) == []


def test_damage_to_a_loose_file_is_an_error_that_names_it_or_changes_nothing(
    shard: Path, written: dict[str, str]
) -> None:
    seeds = range(SIZE.damaged_shards)
    print(f"seeds {seeds} anywhere, in the footer and in page headers; kinds {KINDS}, in turn")
    jobs = [
        Job(path, seed, where, parts=asked[seed % len(asked)])
        for path, asked in [(str(shard), ASKED), *((path, parts_of(name)) for name, path in written.items())]
        for where in ("anywhere", "footer", "headers")
        for seed in seeds
    ]
    assert problems(jobs, lambda outcome: outcome.is_harmless) == []


def test_a_wrong_page_is_found_by_its_checksum_and_placed_in_its_row_group(
    written: dict[str, str], tmp_path: Path
) -> None:
    good, bad = Path(written["lz4"]), tmp_path / "bad.parquet"
    data, names = good.read_bytes(), pq.read_schema(good).names
    for page in thrift.pages(data):
        name, at = names[page.column], (page.body + page.end) // 2
        if name in ("round", "offset"):
            continue  # no part needs them
        bad.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(rust_agg.DataError, match=rf"{name}\b.*checksum") as caught:
            PLAN.fold([bad])
        assert (caught.value.file, caught.value.row_group) == (str(bad), page.row_group)


def test_what_is_known_is_checked_before_the_footer_is_parsed(
    shard: Path, written: dict[str, str], tmp_path: Path
) -> None:
    other = Path(written["lz4"])
    with pytest.raises(rust_agg.DataError, match=r"lz4\.parquet: has \d+ bytes, wanted \d+"):
        PLAN.fold([shard_of(other, shard)])
    text = tmp_path / "text.parquet"
    text.write_bytes(b"x" * shard.stat().st_size)
    with pytest.raises(rust_agg.DataError, match=r"text\.parquet: has XXH3-128 .*…, wanted .*…") as caught:
        PLAN.fold([shard_of(text, shard)])
    assert (caught.value.file, caught.value.row_group) == (str(text), None)


def test_where_the_digest_differs_page_checksums_locate_the_damage(
    written: dict[str, str], tmp_path: Path
) -> None:
    good, bad = Path(written["zstd"]), tmp_path / "bad.parquet"
    data, names = good.read_bytes(), pq.read_schema(good).names
    for page in thrift.pages(data):
        bad.write_bytes(data[: page.end - 1] + bytes([data[page.end - 1] ^ 1]) + data[page.end :])
        for shards in ([shard_of(bad, good)], [shard_of(bad, good)] * 8):
            with pytest.raises(rust_agg.DataError, match=r"bad\.parquet: has XXH3-128 ") as caught:
                PLAN.fold(shards, threads=1)
            error = caught.value
            place = (str(bad), page.row_group, names[page.column])
            assert (error.file, error.row_group, error.column) == place


def test_a_damaged_shard_among_good_ones_is_named(shard: Path, tmp_path: Path) -> None:
    bad = tmp_path / "third.parquet"
    bad.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(rust_agg.DataError, match=r"third\.parquet: damaged, or not a Parquet file"):
        PLAN.fold([shard, shard, bad, shard])


def test_text_and_emptiness_are_no_parquet(tmp_path: Path) -> None:
    for content in ("", "PAR1", "PAR1PAR1", "prompt,sample\n1,2\n"):
        (tmp_path / "text.parquet").write_text(content)
        with pytest.raises(rust_agg.DataError, match=r"text\.parquet: damaged, or not a Parquet file"):
            PLAN.fold([tmp_path / "text.parquet"])


# What follows changes single claims of footers and page headers, which no checksum covers.

MOST = 2**31 - 1


def meta(footer: Struct, column: int, row_group: int = 1) -> Struct:
    return next(chunk for *place, chunk in thrift.columns(footer) if place == [row_group, column])


def claim_row_groups(footer: Struct) -> None:
    footer[thrift.ROW_GROUPS].value.claimed = MOST


def claim_children(footer: Struct) -> None:
    footer[thrift.SCHEMA].value.values[0][5].value = MOST


def swap_p_and_q(footer: Struct) -> None:
    p, q = meta(footer, 6), meta(footer, 7)
    for field in (thrift.UNCOMPRESSED, thrift.COMPRESSED, thrift.DATA_OFFSET):
        p[field], q[field] = q[field], p[field]


def read_p_of_another_row_group(footer: Struct) -> None:
    for field in (thrift.UNCOMPRESSED, thrift.COMPRESSED, thrift.DATA_OFFSET):
        meta(footer, 6)[field] = meta(footer, 6, row_group=0)[field]


def claim_no_compression(footer: Struct) -> None:
    for column in range(10):
        meta(footer, column)[thrift.CODEC].value = 0


def claim_no_nulls(footer: Struct) -> None:
    footer[thrift.SCHEMA].value.values[1 + 6][3].value = 0


FOOTERS = [claim_row_groups, claim_children, claim_no_compression]
FOOTERS_OF_TRACES = [*FOOTERS, swap_p_and_q, read_p_of_another_row_group]


def test_a_footer_that_cannot_be_is_refused_in_little_memory(written: dict[str, str], tmp_path: Path) -> None:
    jobs = []
    for name, path in written.items():
        changes = FOOTERS if name == "rounds" else FOOTERS_OF_TRACES
        for change in changes + [claim_no_nulls] * (name == "nullable"):
            bad = tmp_path / f"{name}-{change.__name__}.parquet"
            data = Path(path).read_bytes()
            bad.write_bytes(thrift.with_footer(data, change))
            if bad.read_bytes() != data:
                jobs.append(Job(path, file=str(bad)))
    assert problems(jobs, lambda outcome: outcome.names_its_file) == []


def claim_length(header: Struct) -> None:
    header[thrift.PAGE_UNCOMPRESSED].value = MOST


def page_of(header: Struct) -> Struct:
    page: Struct = next(header[kind].value for kind in thrift.PAGES if kind in header)
    return page


def claim_values(header: Struct) -> None:
    page_of(header)[1].value = MOST


def claim_values_and_length(header: Struct) -> None:
    """Both, so that they fit."""
    page_of(header)[1].value = 1 << 27
    header[thrift.PAGE_UNCOMPRESSED].value = 1 << 29


def hold_a_list_without_end(header: Struct) -> None:
    header[9] = thrift.Field(thrift.LIST, thrift.Items(7, [], claimed=MOST))


def hold_flags_without_end(header: Struct) -> None:
    header[9] = thrift.Field(thrift.LIST, thrift.Items(1, [], claimed=MOST))


def name_another_encoding(header: Struct) -> None:
    """Plain for split, and split for plain."""
    encoding = page_of(header)[4 if thrift.PAGE_DATA_V2 in header else 2]
    encoding.value = {0: 9, 9: 0}.get(encoding.value, encoding.value)


HEADERS = [
    claim_length,
    claim_values,
    claim_values_and_length,
    hold_a_list_without_end,
    hold_flags_without_end,
    name_another_encoding,
]


def test_a_page_header_that_cannot_be_is_refused_in_little_memory_and_time(
    written: dict[str, str], tmp_path: Path
) -> None:
    jobs = []
    for name, path in written.items():
        data = Path(path).read_bytes()
        for number, page in enumerate(page for page in thrift.pages(data) if page.row_group == 1):
            bad = tmp_path / f"{name}-{number}.parquet"
            change = HEADERS[number % len(HEADERS)]
            bad.write_bytes(thrift.with_header(data, page, change))
            if bad.read_bytes() != data:
                jobs.append(Job(path, file=str(bad)))
    assert problems(jobs, lambda outcome: outcome.is_harmless) == []
