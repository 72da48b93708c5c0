"""Keyed draws in chunks: no number depends on how many were drawn before, nor on threads."""

from collections.abc import Iterator

import numpy as np

#: Numbers held at once while drawing.
AT_ONCE = 1 << 21


def chunks(total: int, each: int, *, seed: int, purpose: int) -> Iterator[tuple[np.random.Generator, int]]:
    """Yield a generator and a number of draws, `total` of them in all.

    Of draws that take `each` numbers, so many come at once as `AT_ONCE` allows: the chunks follow from the
    data alone. Each has its own key, with a `purpose` that keeps tests of one seed apart.
    """
    step = max(1, AT_ONCE // each)
    for chunk, start in enumerate(range(0, total, step)):
        rng = np.random.Generator(np.random.Philox(key=[seed, (purpose << 32) + chunk]))
        yield rng, min(step, total - start)
