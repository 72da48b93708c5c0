"""Random numbers that know no order: each is a function of seed, prompt, sample, offset, start and purpose.

Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011, https://doi.org/10.1145/2063384.2063405) is a keyed
bijection of 128-bit counters. Here the seed is the key and what a draw is for is the counter, so nothing
depends on batch, shard, order or threads.
"""

from enum import IntEnum
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], dtype=np.uint64)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_U16 = 1 << 16


class Purpose(IntEnum):
    """What a draw decides; two purposes never share a number."""

    TARGET = 0  # y ~ p
    FATE = 1  # whether the proposal is accepted
    RESIDUAL = 2  # x ~ norm(max(0, q − p)) in paths; the correction ~ norm(max(0, p − q)) in real rounds
    DRAFT = 3  # x ~ q in real rounds
    TAIL = 4  # the draft's continuation after a rejected proposal


def uniforms(seed: int, *, prompt: Any, sample: Any, offset: Any, purpose: Any, start: Any = 0) -> Array:
    """Return float64 numbers in [0, 1), multiples of 2⁻⁵³, one for each element of the arguments' broadcast.

    `seed` and `prompt` have 64 bits; the others 16. `start` is the offset at which a round or a tail began,
    where a draw depends on it: an offset can be drafted more than once.

    >>> alone = uniforms(7, prompt=1, sample=0, offset=3, purpose=Purpose.FATE)
    >>> bool(uniforms(7, prompt=[1, 2], sample=0, offset=3, purpose=Purpose.FATE)[0] == alone)
    True
    """
    words = [_narrow(name, value) for name, value in (("sample", sample), ("offset", offset))]
    words += [_narrow(name, value) for name, value in (("start", start), ("purpose", purpose))]
    prompts = np.asarray(prompt, dtype=np.uint64)
    # The four 32-bit words of the counter, the lowest first.
    counter = np.broadcast_arrays(
        prompts & _LOW,
        prompts >> _HALF,
        words[0] | words[1] << np.uint64(16),
        words[2] | words[3] << np.uint64(16),
    )
    low, high, *_ = philox4x32(np.stack(counter), (seed & 0xFFFFFFFF, seed >> 32))
    made: Array = ((high << _HALF | low) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return made


def philox4x32(counter: Array, key: tuple[int, int], rounds: int = 10) -> Array:
    """Return Philox4x32 of counters: uint64 arrays (4, …) of 32-bit words, as the result is."""
    even, odd = counter[0::2].astype(np.uint64), counter[1::2].astype(np.uint64)
    shape = (2,) + (1,) * (counter.ndim - 1)
    multipliers = _MULTIPLIERS.reshape(shape)
    for number in range(rounds):
        keys = [(word + number * step) & 0xFFFFFFFF for word, step in zip(key, _WEYL, strict=True)]
        product = even * multipliers
        # Word 0 takes the high half of word 2's product, and the other way round.
        even, odd = (
            (product[::-1] >> _HALF) ^ odd ^ np.array(keys, dtype=np.uint64).reshape(shape),
            (product[::-1] & _LOW),
        )
    return np.stack([even[0], odd[0], even[1], odd[1]])


def _narrow(name: str, value: Any) -> Array:
    values = np.asarray(value)
    if values.size and (values.min() < 0 or values.max() >= _U16):
        raise ValueError(f"{name} from {values.min()} to {values.max()}; wanted 0 to {_U16 - 1}")
    return values.astype(np.uint64)
