"""Counts of a cell in parts: the same bytes as its count in one piece."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rust_agg
from specgap.aggregate import aggregate, merge_states, save
from specgap.config import Bins
from specgap.errors import TraceError
from specgap.files import xxh3_128
from specgap.trace.done import RecordedFile
from tests.support.records import prompt_set, row, trace, write_shards

pytestmark = pytest.mark.slow

PROMPTS = prompt_set(row("they", "female", "male"), row("he", "male", term="man"), row("she", "female"))
#: Two samples of three prompts, a shard each.
TRACES = [
    trace(text, prompt=prompt, sample=sample, token=token)
    for sample, token in ((0, 7), (1, 9))
    for prompt, text in (("they", "AAR AARDD -!"), ("he", "R A"), ("she", "AAAAD! R"))
]
N_SHARDS = len(TRACES)
#: A part for each shard.
dealt = st.lists(st.integers(0, N_SHARDS - 1), min_size=N_SHARDS, max_size=N_SHARDS)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Path]]:
    traces, rounds = write_shards(tmp_path_factory.mktemp("shards"), TRACES)
    return list(zip(traces, rounds, strict=True))


def state_of(shards: list[tuple[Path, Path]], bins: Bins | None = None, threads: int = 1) -> rust_agg.State:
    traces, rounds = ([pair[kind] for pair in shards] for kind in (0, 1))
    return aggregate(traces, rounds, PROMPTS, bins or Bins(), 2.0, threads=threads)


def saved(state: rust_agg.State, path: Path) -> Path:
    save(state, path)
    return path


@given(dealt, st.randoms(use_true_random=False))
def test_any_parts_in_any_order_add_up_to_the_same_bytes(
    shards: list[tuple[Path, Path]],
    tmp_path_factory: pytest.TempPathFactory,
    dealt: list[int],
    random: object,
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    parts = [[shards[at] for at in range(N_SHARDS) if dealt[at] == part] for part in sorted(set(dealt))]
    paths = [saved(state_of(part), folder / f"{number}") for number, part in enumerate(parts)]
    random.shuffle(paths)  # type: ignore[attr-defined]
    assert merge_states(paths).to_bytes() == state_of(shards).to_bytes()


def test_threads_change_no_byte(shards: list[tuple[Path, Path]]) -> None:
    assert state_of(shards, threads=2).to_bytes() == state_of(shards).to_bytes()


def recorded(path: Path) -> RecordedFile:
    return RecordedFile(path, "", pq.read_metadata(path).num_rows, path.stat().st_size, xxh3_128(path))


def test_shards_held_to_their_digests_count_the_same(shards: list[tuple[Path, Path]]) -> None:
    traces, rounds = ([recorded(pair[kind]) for pair in shards] for kind in (0, 1))
    state = aggregate(traces, rounds, PROMPTS, Bins(), 2.0, threads=2)
    assert state.to_bytes() == state_of(shards).to_bytes()


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda content: content[:-7], "has {less} bytes, wanted {bytes}; it is damaged or of another run"),
        (lambda content: content[:-1] + b"?", "has XXH3-128 .{{12}}…, wanted .{{12}}…: damaged, or not a"),
        (lambda content: b"", "has 0 bytes, wanted {bytes}; it is damaged or of another run, so trace again"),
    ],
)
def test_a_damaged_shard_is_named(
    kind: int, damage: Callable[[bytes], bytes], told: str, tmp_path: Path
) -> None:
    files = [[recorded(path) for path in paths] for paths in write_shards(tmp_path, TRACES)]
    damaged = files[kind][2]
    damaged.path.write_bytes(damage(damaged.path.read_bytes()))
    expected = told.format(bytes=damaged.bytes, less=damaged.bytes - 7)
    with pytest.raises(TraceError, match=f"^shard {damaged.path}: {expected}"):
        aggregate(*files, PROMPTS, Bins(), 2.0, threads=2)


def test_a_shard_that_vanished_is_named(tmp_path: Path) -> None:
    files = [[recorded(path) for path in paths] for paths in write_shards(tmp_path, TRACES)]
    files[0][1].path.unlink()
    with pytest.raises(TraceError, match=str(files[0][1].path)):
        aggregate(*files, PROMPTS, Bins(), 2.0, threads=1)


def refusal(*paths: Path) -> str:
    with pytest.raises(TraceError) as caught:
        merge_states(paths)
    return str(caught.value)


def test_a_shard_that_two_parts_have_counted_is_refused(
    shards: list[tuple[Path, Path]], tmp_path: Path
) -> None:
    first = saved(state_of(shards[:3]), tmp_path / "1-of-2")
    stale = saved(state_of(shards[2:]), tmp_path / "2-of-5")
    assert f"the states {first}, {stale} count some prompts more than once" in refusal(first, stale)
    assert "more than once" in refusal(first, first)


def test_a_state_of_other_bins_is_named(shards: list[tuple[Path, Path]], tmp_path: Path) -> None:
    first = saved(state_of(shards[:3]), tmp_path / "1-of-2")
    other = saved(state_of(shards[3:], bins=Bins(probability=25)), tmp_path / "2-of-2")
    assert refusal(first, other).startswith(f"{other} does not go with {first}: ")


def test_a_state_that_is_damaged_or_missing_is_named(shards: list[tuple[Path, Path]], tmp_path: Path) -> None:
    first = saved(state_of(shards), tmp_path / "1-of-2")
    damaged = tmp_path / "2-of-2"
    damaged.write_bytes(first.read_bytes()[:-1])
    assert str(damaged) in refusal(first, damaged)
    assert "missing" in refusal(first, tmp_path / "missing")


def test_no_states_add_up_to_nothing(tmp_path: Path) -> None:
    assert refusal() == "no states to add up; wanted one at least"
