"""Damaged shards: an error that names the file, never a panic, never another number."""

import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import rust_agg
from tests.property.rust_agg_recount import Plan, as_traces, equal_edges, random_traces

PLAN = Plan(
    probability=equal_edges(0, 1, 10),
    difference=equal_edges(-1, 1, 10),
    joint=equal_edges(0, 1, 5),
    group_names=["a"],
    unit_names=["x"],
    members=[(prompt, 0, 0) for prompt in range(19)],
)


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shards") / "good.parquet"
    traces = as_traces(random_traces(2000, seed=4))
    pq.write_table(traces, path, row_group_size=700, compression="zstd", write_page_checksum=True)
    return path


def damaged(data: bytes, kind: str, rng: random.Random) -> bytes:
    bytes_, n = bytearray(data), len(data)
    footer = int.from_bytes(data[-8:-4], "little") + 8
    start, length = rng.randrange(n), rng.randrange(1, 200)
    if kind == "bit":
        bytes_[start] ^= 1 << rng.randrange(8)
    elif kind == "footer bit":
        bytes_[n - 1 - rng.randrange(footer)] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        bytes_ = bytes_[:start]
    elif kind == "zeros":
        bytes_[start : start + length] = bytes(len(bytes_[start : start + length]))
    else:
        first, second = sorted(rng.sample(range(n - length), 2))
        piece, other = bytes_[first : first + length], bytes_[second : second + length]
        bytes_[second : second + length], bytes_[first : first + length] = piece, other
    return bytes(bytes_)


def outcome(path: Path, whole: rust_agg.State) -> str:
    """The refusal, or nothing where the fold gives what the whole file gave."""
    try:
        return "" if PLAN.fold([path]) == whole else "another number"
    except rust_agg.DataError as error:
        return str(error)


@pytest.mark.parametrize("kind", ["bit", "footer bit", "cut", "zeros", "swap"])
def test_damage_is_an_error_that_names_the_file_or_changes_nothing(
    shard: Path, tmp_path: Path, kind: str
) -> None:
    whole, data, bad = PLAN.fold([shard]), shard.read_bytes(), tmp_path / "bad.parquet"
    errors = 0
    for seed in range(150):
        bad.write_bytes(damaged(data, kind, random.Random(seed)))
        error = outcome(bad, whole)
        assert error.startswith(f"{bad}: ") or not error, f"seed {seed}: {error}"
        errors += bool(error)
    print(f"{kind}: {errors} of 150 refused, the rest unchanged")
    assert errors >= 50


def test_each_damaged_page_is_found_by_its_checksum(shard: Path, tmp_path: Path) -> None:
    data, bad = shard.read_bytes(), tmp_path / "bad.parquet"
    for column in range(11):
        chunk = pq.read_metadata(shard).row_group(1).column(column)
        last = (chunk.dictionary_page_offset or chunk.data_page_offset) + chunk.total_compressed_size - 1
        bad.write_bytes(data[:last] + bytes([data[last] ^ 1]) + data[last + 1 :])
        with pytest.raises(rust_agg.DataError, match=r"bad.parquet: row group 1: .*CRC"):
            PLAN.fold([bad])


def test_a_damaged_shard_among_good_ones_is_named(shard: Path, tmp_path: Path) -> None:
    bad = tmp_path / "third.parquet"
    bad.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(rust_agg.DataError, match=r"third\.parquet: damaged, or not a Parquet file"):
        PLAN.fold([shard, shard, bad, shard])


def test_text_and_emptiness_are_no_parquet(tmp_path: Path) -> None:
    for content in ("", "prompt,sample\n1,2\n"):
        (tmp_path / "text.parquet").write_text(content)
        with pytest.raises(rust_agg.DataError, match=r"text\.parquet: damaged, or not a Parquet file"):
            PLAN.fold([tmp_path / "text.parquet"])
