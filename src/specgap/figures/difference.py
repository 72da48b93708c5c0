"""The likelihood difference p − q: of one group, and of the two groups that differ most."""

from collections.abc import Mapping, Sequence
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
from specgap.figures.groups import groups_of, marked_names
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import FEWEST_TOKENS, INK, MUTED, VERDICTS
from specgap.tables.headline import HEADLINE_UNITS, Headline, headline

_SPARSE = f"Acceptance rate per bin: only where a bin holds at least {FEWEST_TOKENS} judged tokens."


@dataclass(frozen=True)
class _Part:
    """One group's tokens per bin of p − q."""

    edges: Floats
    accepted: Floats
    rejected: Floats

    @property
    def judged(self) -> Floats:
        return self.accepted + self.rejected


def _part(histograms: pd.DataFrame, group: str) -> _Part:
    edges, accepted = histogram(histograms, "difference", ["accepted"], group=group)
    return _Part(edges, accepted, histogram(histograms, "difference", ["rejected"], group=group)[1])


def _limits(histograms: pd.DataFrame) -> tuple[float, float]:
    """Return limits of the shares that hold every group: the groups' files can be laid side by side."""
    low, high = 0.01, 0.1
    for group in histograms["group"].unique():
        part = _part(histograms, group)
        both = np.concatenate([part.accepted, part.rejected])
        share = shares(both, part.judged.sum())
        if share.any():
            low, high = min(low, share[share > 0].min()), max(high, share.max())
    return low * 0.7, high * 1.6


def _draw_part(top: Axes, below: Axes, part: _Part, limits: tuple[float, float]) -> None:
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


def _verdict_legend(axes: Axes, part: _Part, rate: float, **how: object) -> None:
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
    drawn = new_figure(request, 3.0, notes=[_SPARSE], acceptance=alone)
    top, below = drawn.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
    part = _part(histograms, group)
    _draw_part(top, below, part, _limits(histograms))
    top.set_ylabel("share of the group's\njudged tokens")
    below.set_ylabel("acceptance\nrate")
    how = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "borderaxespad": 0}
    _verdict_legend(top, part, float(alone["acceptance_rate"].iloc[0]), **how)
    return drawn


@figure("largest_difference")
def draw_largest_difference(tables: Tables, request: Request) -> Figure:
    """Draw the two groups with the greatest difference side by side, and list the next ones."""
    acceptance, found = tables["acceptance"], headline(tables["group_differences"])
    if found is None:
        drawn = new_figure(request, 1.2)
        axes = drawn.subplots()
        axes.set_axis_off()
        nothing(axes, "fewer than two groups with judged tokens: nothing to compare")
        return drawn
    names = dict(zip(groups_of(acceptance), marked_names(acceptance), strict=True))
    lines = _others(found, names)
    drawn = new_figure(
        request,
        2.9 + 0.13 * len(lines),
        subtitle=_claim(found, names),
        notes=[_SPARSE],
        acceptance=acceptance,
    )
    panels = drawn.subplots(3, 2, sharex="row", sharey="row", height_ratios=[1.8, 0.8, 0.13 * len(lines)])
    limits = _limits(tables["histograms"])
    for column, side in enumerate("ab"):
        group = str(found.row[f"group_{side}"])
        part = _part(tables["histograms"], group)
        _draw_part(panels[0, column], panels[1, column], part, limits)
        _title(panels[0, column], names[group], part, float(found.row[f"acceptance_rate_{side}"]))
    legend(
        panels[0, 0],
        lines_of(list(VERDICTS.values())),
        list(VERDICTS),
        loc="upper left",
        bbox_to_anchor=(0, 0.92),
    )
    panels[0, 0].set_ylabel("share of the group's\njudged tokens")
    panels[1, 0].set_ylabel("acceptance\nrate")
    _list(panels[2, 0], lines)
    for axes in panels[2]:
        axes.set_axis_off()
    return drawn


def _title(axes: Axes, name: str, part: _Part, rate: float) -> None:
    counts = f"{part.accepted.sum():,.0f} of n {part.judged.sum():,.0f}"
    axes.set_title(f"{name}\nacceptance rate {rate:.3f}, {counts}")


def _claim(found: Headline, names: Mapping[str, str]) -> str:
    """Say what is shown, and that it is a description."""
    broad = f"{HEADLINE_UNITS} or more {found.units}"
    among = (
        f"Greatest difference among groups of {broad}"
        if found.is_broad
        else f"No two groups have {broad}; greatest difference of all"
    )
    return f"Descriptive, no claim of significance. {among}: {_pair(found.row, names)} = {_pp(found.row)}."


def _pair(row: pd.Series, names: Mapping[str, str]) -> str:
    return f"{names[str(row['group_a'])]} − {names[str(row['group_b'])]}"


def _pp(row: pd.Series) -> str:
    return f"{row['difference_pp']:+.1f} pp"


def _terms(row: pd.Series) -> str:
    counts = [row["n_terms_a"], row["n_terms_b"]]
    if all(np.isnan(count) for count in counts):
        return "prompts as units"
    return " and ".join("no" if np.isnan(count) else f"{count:.0f}" for count in counts) + " terms"


def _others(found: Headline, names: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return the next greatest differences: three between headline groups, three that rest on fewer units."""
    is_broad = found.others["headline"].astype(bool)
    lines: list[tuple[str, str, str]] = []
    for heading, rows in (
        (f"Next greatest, groups of {HEADLINE_UNITS} or more {found.units}", found.others[is_broad]),
        (f"Greatest that rest on fewer {found.units}", found.others[~is_broad]),
    ):
        if len(rows):
            lines.append((heading, "", ""))
        for _, row in rows.head(3).iterrows():
            rates = f"{row['acceptance_rate_a']:.3f}, {row['acceptance_rate_b']:.3f}"
            lines.append((_pair(row, names), _pp(row), f"{rates}   {_terms(row)}"))
    return lines or [("There is no other pair of groups.", "", "")]


def _list(axes: Axes, lines: Sequence[tuple[str, str, str]]) -> None:
    for place, (names, difference, about) in enumerate(lines):
        y = 1 - (place + 0.5) / len(lines)
        colour = INK if difference else MUTED
        for x, side, words in ((0.0, "left", names), (1.22, "right", difference), (1.3, "left", about)):
            text = axes.text(
                x, y, words, transform=axes.transAxes, ha=side, va="center", color=colour, fontsize=6.5
            )
            text.set_in_layout(False)
