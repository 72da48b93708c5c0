"""A part of all combinations in `make test`, all of them before a change lands."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import pytest

#: One combination of so many is tried by `make test`.
OF = 3


def thinned(*axes: Iterable[Any], of: int = OF) -> list[Any]:
    """Return all combinations as parameters, diagonal after diagonal: all but each so manieth are `landing`.

    Every value of every axis is in some combination that `make test` tries, where the axes have `of` values
    or more.
    """
    numbered: Sequence[list[tuple[int, Any]]] = [list(enumerate(axis)) for axis in axes]
    found = []
    for combination in product(*numbered):
        place = sum(number for number, _ in combination)
        values = [value for _, value in combination]
        found.append(pytest.param(*values, marks=[] if place % of == 0 else pytest.mark.landing))
    return found
