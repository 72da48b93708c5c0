"""Keyed random numbers: Philox as published, and numbers that know no order."""

import numpy as np
import pytest

from specgap.trace.draws import Purpose, philox4x32, uniforms

#: Counter, key and result of Philox4x32-10 from Random123's `kat_vectors`.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
#: One draw of each argument's own.
ONE = {"prompt": 2**63 + 11, "sample": 3, "offset": 40, "start": 7, "purpose": Purpose.TAIL}


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "wanted"), KNOWN)
def test_philox_gives_the_published_words(counter: str, key: str, wanted: str) -> None:
    low, high = words(key)
    found = philox4x32(np.array(words(counter), dtype=np.uint64)[:, None], (low, high))
    assert found[:, 0].tolist() == words(wanted)


def test_counters_of_any_shape_are_enciphered_one_by_one() -> None:
    counters = np.random.default_rng(1).integers(0, 2**32, (4, 3, 5), dtype=np.uint64)
    together = philox4x32(counters, (1, 2))
    for row, column in np.ndindex(3, 5):
        alone = philox4x32(counters[:, row, column, None], (1, 2))
        assert together[:, row, column].tolist() == alone[:, 0].tolist()


def test_a_draw_is_the_counter_that_is_written_down() -> None:
    """prompt u64 | sample u16 | offset u16 | start u16 | purpose u16, the lowest word first; key = seed."""
    seed = 2**62 + 5
    counter = [(2**63 + 11) % 2**32, (2**63 + 11) >> 32, 3 | 40 << 16, 7 | Purpose.TAIL << 16]
    low, high, *_ = philox4x32(np.array(counter, dtype=np.uint64)[:, None], (seed % 2**32, seed >> 32))[:, 0]
    assert float(uniforms(seed, **ONE)) == ((int(high) << 32 | int(low)) >> 11) / 2**53


def test_a_draw_among_many_is_the_draw_alone() -> None:
    prompts, offsets = np.array([5, 2**64 - 1, 9], dtype=np.uint64), np.arange(4)[:, None]
    together = uniforms(1, prompt=prompts, sample=2, offset=offsets, purpose=Purpose.FATE)
    assert together.shape == (4, 3)
    for offset, index in np.ndindex(4, 3):
        alone = uniforms(1, prompt=prompts[index], sample=2, offset=offset, purpose=Purpose.FATE)
        assert together[offset, index] == alone


@pytest.mark.parametrize("name", ["seed", *ONE])
def test_every_part_of_the_key_makes_another_number(name: str) -> None:
    arguments = {"seed": 2**40, **ONE}
    other = {**arguments, name: 0 if name == "purpose" else arguments[name] + 1}
    assert uniforms(**arguments) != uniforms(**other)


def test_numbers_lie_in_the_unit_interval_in_steps_of_two_to_the_minus_53() -> None:
    made = uniforms(3, prompt=np.arange(100_000), sample=0, offset=0, purpose=Purpose.TARGET)
    assert (made * 2**53 == np.floor(made * 2**53)).all()
    assert 0 <= made.min() < 1e-3 < 1 - 1e-3 < made.max() < 1


def test_numbers_are_uniform_and_neighbours_independent() -> None:
    n = 200_000
    made = uniforms(4, prompt=np.arange(n), sample=0, offset=1, purpose=Purpose.DRAFT)
    cells = np.histogram2d(made[:-1], made[1:], bins=10, range=[[0, 1], [0, 1]])[0]
    statistic = float(((cells - (n - 1) / 100) ** 2 / ((n - 1) / 100)).sum())
    print(f"χ² {statistic:.1f} on 99 df, band 57 to 155")
    assert 57 < statistic < 155  # .0003 on each side


@pytest.mark.parametrize("name", ["sample", "offset", "start"])
@pytest.mark.parametrize("value", [-1, 2**16])
def test_what_does_not_fit_its_field_is_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} from {value} to {value}; wanted 0 to 65535"):
        uniforms(0, **{**ONE, name: value})
