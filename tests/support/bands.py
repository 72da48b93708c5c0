"""Compare what was measured with what theory expects, in standard errors, and show both."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

#: A simulation has to lie within this many standard errors. One right comparison in 16 000 does not, so with
#: some thirteen hundred of them, at seeds nobody has looked at, a right instrument fails one time in twelve.
BAND = 4.0
#: Part and whole of a ratio, by sequence.
Sample = tuple[NDArray[np.float64], NDArray[np.float64]]


def distance(name: str, measured: float, theory: float, se: float, *, called: str = "theory") -> float:
    """Return |measured − theory| in standard errors, and print it; 0 where both are one constant."""
    gap = abs(measured - theory)
    z = gap / se if se > 1e-9 else (0.0 if gap < 1e-6 else np.inf)
    wanted = f"{called} {theory:11.5f} ± {BAND:g} × {se:9.5f}"
    print(f"{name:44} measured {measured:11.5f}  {wanted}  |z| {z:5.2f}")
    return float(z)


def chi_square_p(name: str, counts: NDArray[np.int64], law: NDArray[np.float64]) -> float:
    """Return the p-value of counts, (states, states), under rows of a transition law, and print the test.

    A row counts given its total. Cells that expect fewer than 5 are added to their row's largest cell; an
    observation that the law calls impossible gives 0.
    """
    statistic, freedom = 0.0, 0
    for row, probabilities in zip(counts, law, strict=True):
        expected = row.sum() * probabilities
        if (row[probabilities <= 1e-12] > 0).any():
            return 0.0
        often = expected >= 5
        if often.sum() < 2:
            continue
        largest = int(np.argmax(expected))
        observed, wanted = row.astype(float), expected.copy()
        observed[largest] += row[~often].sum()
        wanted[largest] += expected[~often].sum()
        statistic += float(((observed - wanted)[often] ** 2 / wanted[often]).sum())
        freedom += int(often.sum()) - 1
    p = _upper_tail(statistic, freedom)
    print(f"{name:44} χ² {statistic:8.2f} on {freedom} df, n {counts.sum()}, p {p:.4f}, band > .001")
    return p


def two_sample_p(name: str, one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """Return the p-value of a χ² test that two samples of independent numbers have one law, and print it.

    Neighbouring values are counted together until each sample expects 5 of them. None where that leaves one
    count, which nothing can be said of.
    """
    if not (len(one) and len(other)):
        return None
    values = np.unique(np.concatenate([one, other]))
    counts = np.array(
        [np.bincount(np.searchsorted(values, part), minlength=len(values)) for part in (one, other)]
    )
    share = counts.sum(axis=1) / counts.sum()
    table, held = [], np.zeros(2)
    for column in counts.T:
        held = held + column
        if held.sum() * share.min() >= 5:
            table.append(held)
            held = np.zeros(2)
    if len(table) < 2:
        return None
    table[-1] = table[-1] + held
    observed = np.array(table)
    expected = observed.sum(axis=1, keepdims=True) * share
    statistic = float(((observed - expected) ** 2 / expected).sum())
    p = _upper_tail(statistic, len(table) - 1)
    print(f"{name:58} χ² {statistic:8.2f} on {len(table) - 1:3} df, n {len(one)} + {len(other)}, p {p:.4f}")
    return p


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return the p-values adjusted for their number (Holm 1979), smallest first: no dependence is assumed.

    >>> holm({"a": 0.01, "b": 0.9, "c": 0.02})
    {'a': 0.03, 'c': 0.04, 'b': 0.9}
    """
    adjusted, least = {}, 0.0
    for before, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        least = max(least, min(1.0, (len(p_values) - before) * p))
        adjusted[name] = least
    return adjusted


def ratio_distance(name: str, measured: Sample, real: Sample) -> float:
    """Return how many standard errors Σ part / Σ whole is from that of real rounds, and print it.

    Each sample is (part, whole) by sequence. Sequences are independent; what stands in one is not.
    """
    values, variance = [], 0.0
    for part, whole in (measured, real):
        value = part.sum() / whole.sum() if whole.sum() else 0.0
        spread = part - value * whole
        variance += float((spread**2).sum()) / max(float(whole.sum()), 1.0) ** 2
        values.append(value)
    return distance(name, *values, float(np.sqrt(variance)), called="real")


def _upper_tail(statistic: float, freedom: int) -> float:
    half = torch.tensor([freedom / 2, statistic / 2], dtype=torch.float64)
    return float(torch.special.gammaincc(half[0], half[1]))
