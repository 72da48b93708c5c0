"""Compare what was measured with what theory expects, in standard errors, and show both."""

import numpy as np
import torch
from numpy.typing import NDArray

#: A simulation has to lie within this many standard errors. One right comparison in 16 000 does not, so with
#: some three hundred of them, at a seed nobody has looked at, a right instrument fails one time in fifty.
BAND = 4.0


def distance(name: str, measured: float, theory: float, se: float) -> float:
    """Return |measured − theory| in standard errors, and print it; 0 where both are one constant."""
    gap = abs(measured - theory)
    z = gap / se if se > 1e-9 else (0.0 if gap < 1e-6 else np.inf)
    print(f"{name:44} measured {measured:11.5f}  theory {theory:11.5f} ± {BAND:g} × {se:9.5f}  |z| {z:5.2f}")
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
    half = torch.tensor([freedom / 2, statistic / 2], dtype=torch.float64)
    p = float(torch.special.gammaincc(half[0], half[1]))
    print(f"{name:44} χ² {statistic:8.2f} on {freedom} df, n {counts.sum()}, p {p:.4f}, band > .001")
    return p
