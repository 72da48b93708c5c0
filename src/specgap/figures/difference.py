"""The likelihood difference p − q of one group; its panels are those of the largest difference too."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from specgap.figures.frame import (
    Floats,
    histogram,
    legend,
    lines_of,
    log_axis,
    new_figure,
    nothing,
    shares,
    steps,
)
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import FEWEST_TOKENS, INK, MUTED, VERDICTS

SPARSE = f"Acceptance rate per bin: only where a bin holds at least {FEWEST_TOKENS} judged tokens."


@dataclass(frozen=True)
class Part:
    """One group's tokens per bin of p − q."""

    edges: Floats
    accepted: Floats
    rejected: Floats

    @property
    def judged(self) -> Floats:
        return self.accepted + self.rejected


def part_of(histograms: pd.DataFrame, group: str) -> Part:
    """Return a group's tokens per bin of p − q."""
    edges, accepted = histogram(histograms, "difference", ["accepted"], group=group)
    return Part(edges, accepted, histogram(histograms, "difference", ["rejected"], group=group)[1])


def limits_of(histograms: pd.DataFrame) -> tuple[float, float]:
    """Return limits of the shares that hold every group: the groups' files can be laid side by side."""
    low, high = 0.01, 0.1
    for group in histograms["group"].unique():
        part = part_of(histograms, group)
        both = np.concatenate([part.accepted, part.rejected])
        share = shares(both, part.judged.sum())
        if share.any():
            low, high = min(low, share[share > 0].min()), max(high, share.max())
    return low * 0.7, high * 1.6


def draw_part(top: Axes, below: Axes, part: Part, limits: tuple[float, float]) -> None:
    """Draw shares by verdict on `top` and the acceptance rate per bin on `below`."""
    n = part.judged.sum()
    for verdict, counts in (("accepted", part.accepted), ("rejected", part.rejected)):
        if counts.any():
            steps(top, part.edges, shares(counts, n), VERDICTS[verdict], width=1.2)
    if not n:
        nothing(top, "nothing judged")
    log_axis(top, *limits)
    many = part.judged >= FEWEST_TOKENS
    centres = (part.edges[:-1] + part.edges[1:]) / 2
    below.plot(centres[many], part.accepted[many] / part.judged[many], "o", color=INK, markersize=2.6)
    below.set(ylim=(-0.06, 1.06), yticks=[0, 0.5, 1], xlabel="likelihood difference p − q")
    top.tick_params(labelbottom=False)
    for axes in (top, below):
        axes.set(xlim=(-1, 1), xticks=[-1, -0.5, 0, 0.5, 1])
        axes.axvline(0, color=MUTED, linewidth=0.8)
    for x, side, words in (
        (0.01, "left", "← draft surer (q > p)"),
        (0.99, "right", "target surer (p > q) →"),
    ):
        top.text(x, 0.97, words, transform=top.transAxes, ha=side, va="top", color=MUTED, fontsize=6.5)


def _verdict_legend(axes: Axes, part: Part, rate: float, **how: object) -> None:
    """Name the verdicts with n and rate."""
    handles = lines_of(list(VERDICTS.values()))
    counts = (int(part.accepted.sum()), int(part.rejected.sum()))
    labels = [f"{verdict}  n {n:,}" for verdict, n in zip(VERDICTS, counts, strict=True)]
    judged = (
        f"n {sum(counts):,} judged tokens\nacceptance rate {rate:.3f}" if sum(counts) else "nothing judged"
    )
    legend(axes, handles, labels, title=judged, **how)


@figure("likelihood_difference")
def draw_likelihood_difference(tables: Tables, request: Request) -> Figure:
    """Draw one group's accepted and rejected tokens by p − q, and below it the acceptance rate per bin."""
    group = request.group or ""
    histograms, acceptance = tables["histograms"], tables["acceptance"]
    alone = acceptance[acceptance["group"] == group]
    drawn = new_figure(request, 3.0, notes=[SPARSE], acceptance=alone)
    top, below = drawn.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
    part = part_of(histograms, group)
    draw_part(top, below, part, limits_of(histograms))
    top.set_ylabel("share of the group's\njudged tokens")
    below.set_ylabel("acceptance\nrate")
    how = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0}
    _verdict_legend(top, part, float(alone["acceptance_rate"].iloc[0]), **how)
    return drawn
