"""Target and draft probability of the same token, together."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from specgap.figures.frame import Floats, legend, new_figure, nothing
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, INK
from specgap.figures.text import power_of_ten, written_out

#: Everything below lies in one bin.
_LOWEST = 1e-6
_EQUAL, _OVER = COLOURS[1], COLOURS[3]


@figure("joint_probabilities")
def draw_joint_probabilities(tables: Tables, request: Request) -> Figure:
    """Draw q against p, both logarithmic, accepted and rejected with one colour scale.

    Under sampling a rejected token has q > p: nothing may lie above the line p = q.
    """
    table = tables["joint_histogram--overall"]
    drawn = new_figure(request, 3.5)
    panels = drawn.subplots(1, 2, sharex=True, sharey=True)
    edges = _edges(table)
    scale = LogNorm(1, max(float(table["count"].max()), 10) if len(table) else 10)
    mesh = None
    for axes, verdict in zip(panels, ("accepted", "rejected"), strict=True):
        rows = table[table["verdict"] == verdict]
        mesh = _draw_mesh(axes, rows, edges, scale)
        axes.set_title(f"{verdict}  n {rows['count'].sum():,.0f}")
        axes.set_xlabel("draft probability q")
        _draw_lines(axes, edges, request.facts.over_confident_ratio)
        if rows.empty:
            nothing(axes, f"no token was {verdict}")
    panels[0].set_ylabel("target probability p")
    handles = [Line2D([], [], color=_EQUAL), Line2D([], [], color=_OVER, linestyle=(0, (4, 1.2)))]
    labels = ["p = q", f"q = {request.facts.over_confident_ratio:g} p"]
    legend(panels[0], handles, labels, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)
    if mesh is not None:
        bar = drawn.colorbar(mesh, ax=list(panels), shrink=0.9, aspect=24)
        exponents = range(int(np.log10(scale.vmax or 10)) + 1)
        bar.ax.yaxis.set_major_locator(FixedLocator([10.0**exponent for exponent in exponents]))
        bar.ax.yaxis.set_minor_locator(NullLocator())
        bar.ax.set_yticklabels([written_out(exponent) for exponent in exponents])
        bar.set_label("tokens per cell")
    return drawn


def _edges(table: pd.DataFrame) -> Floats:
    """Return every edge of the grid; the bin that begins at 0 is drawn a quarter decade wide."""
    found = table[["p_low", "p_high", "q_low", "q_high"]].to_numpy(dtype=np.float64)
    # The table has no empty cells: with the ends of the grid, all cells of a study have the same axes.
    found = np.union1d(found, [0.0, _LOWEST, 1.0])
    return np.where(found == 0, found[found > 0][0] * 10**-0.25, found)


def _draw_mesh(axes: Axes, rows: pd.DataFrame, edges: Floats, scale: LogNorm) -> QuadMesh:
    lowest = edges[0]
    counts = np.zeros((len(edges) - 1, len(edges) - 1))
    p = np.searchsorted(edges, np.maximum(rows["p_low"].to_numpy(dtype=np.float64), lowest))
    q = np.searchsorted(edges, np.maximum(rows["q_low"].to_numpy(dtype=np.float64), lowest))
    np.add.at(counts, (p, q), rows["count"].to_numpy(dtype=np.float64))
    mesh = axes.pcolormesh(
        edges, edges, np.ma.masked_equal(counts, 0), norm=scale, cmap="cividis", rasterized=True, zorder=2
    )
    axes.set(xlim=(edges[0], 1), ylim=(edges[0], 1))
    axes.set(xscale="log", yscale="log")
    axes.set_box_aspect(1)
    ticks = [10.0**exponent for exponent in range(-6, 1, 2) if 10.0**exponent >= lowest]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_ticklabels([power_of_ten(round(np.log10(tick))) for tick in ticks])
    return mesh


def _draw_lines(axes: Axes, edges: Floats, ratio: float) -> None:
    ends = np.array([edges[0], 1.0])
    axes.plot(ends, ends, color=_EQUAL, linewidth=1, zorder=3)
    axes.plot(ends, ends / ratio, color=_OVER, linewidth=1, linestyle=(0, (4, 1.2)), zorder=3)
    for along in (axes.axvline, axes.axhline):
        along(_LOWEST, color=INK, linewidth=0.4, linestyle=(0, (1, 2)), zorder=3)
