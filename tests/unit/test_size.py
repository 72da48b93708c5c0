"""The sizes of the dear suites."""

from dataclasses import asdict

import pytest

from tests.support.size import SIZES, size_called

#: Where less is more: steps between one try and the next.
STEPS = {"change_stride", "disk_growth", "memory_growth", "shards_per_job"}


def test_full_size_tries_more_of_everything() -> None:
    small, full = (asdict(SIZES[name]) for name in ("small", "full"))
    for name in full.keys() - STEPS - {"forwards"}:
        assert full[name] > small[name], name
    for name in STEPS:
        assert full[name] < small[name], name
    assert set(full["forwards"]) > set(small["forwards"])


def test_small_steps_are_killed_before_files_are_opened_and_before_they_are_renamed() -> None:
    assert SIZES["small"].change_stride % 2 == 1


def test_an_unknown_size_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="SPECGAP_SIZE is 'huge'; expected small or full"):
        size_called("huge")
