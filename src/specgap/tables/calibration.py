"""`calibration.csv`: is the trace right? Under sampling a token is accepted with probability min(1, p/q)."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from scipy.stats import binom

from specgap.tables.acceptance import Mode
from specgap.tables.counts import Row, frame_of, ratio

COLUMNS = (
    "bin",
    "low",
    "high",
    "n_judged",
    "n_accepted",
    "acceptance_rate",
    "mean_min_ratio",
    "band_low",
    "band_high",
    "mode",
    "pilot",
    "note",
)
#: Probability that a right instrument's rate lies within the band.
BAND = 0.95


@dataclass(frozen=True)
class CalibrationBin:
    """Judged tokens with low ≤ min(1, p/q) < high (the atom: low = high = 1), and their Σ min(1, p/q)."""

    low: float
    high: float
    accepted: int
    judged: int
    min_ratio_sum: float


def calibration(bins: Sequence[CalibrationBin], *, mode: Mode, pilot: int | None) -> pd.DataFrame:
    """Return the table, one row per bin of min(1, p/q), the atom at 1 last.

    `acceptance_rate` is the realised share, `mean_min_ratio` the probability it should have. The band holds
    the exact binomial quantiles (2.5 % and 97.5 %) of a share of n judged tokens that are each accepted with
    the bin's mean probability; unequal probabilities within a bin only make the share's spread smaller.
    Greedy verification compares argmaxes, so there the band is empty.
    """
    rows = [_row(number, one, mode, pilot) for number, one in enumerate(bins)]
    return frame_of(rows, COLUMNS)


def _row(number: int, one: CalibrationBin, mode: Mode, pilot: int | None) -> Row:
    mean = one.min_ratio_sum / one.judged if one.judged else None
    low, high = (None, None) if mean is None or mode == "greedy" else binomial_band(one.judged, mean)
    notes = [] if one.judged else ["nothing judged"]
    if mode == "greedy":
        notes.append("no band: greedy verification compares argmaxes")
    if pilot is not None:
        notes.append(f"pilot of {pilot} prompts per group")
    return {
        "bin": number,
        "low": one.low,
        "high": one.high,
        "n_judged": one.judged,
        "n_accepted": one.accepted,
        "acceptance_rate": ratio(one.accepted, one.judged),
        "mean_min_ratio": mean,
        "band_low": low,
        "band_high": high,
        "mode": mode,
        "pilot": pilot,
        "note": "; ".join(notes),
    }


def binomial_band(n: int, probability: float) -> tuple[float, float]:
    """Return the exact (1 ± BAND)/2 quantiles of Binomial(n, probability) / n.

    >>> binomial_band(10, 0.5)
    (0.2, 0.8)
    """
    low, high = binom.ppf([(1 - BAND) / 2, (1 + BAND) / 2], n, min(probability, 1.0))
    return float(low) / n, float(high) / n
