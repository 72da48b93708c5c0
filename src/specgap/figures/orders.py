"""What a group gets where γ is carried over: random orders of the groups beside the fixed instrument."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from specgap.figures.beside import write_beside
from specgap.figures.frame import legend, new_figure, nothing, padded
from specgap.figures.groups import marked_names
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, INK, MUTED
from specgap.figures.text import shown

#: As `specgap.tables.orders` names its series.
_RESET = "reset"
_CARRIED_LOOK, _RESET_LOOK = COLOURS[0], COLOURS[1]
_ROW = 0.215
#: How far the dots of a row spread, as a share of it, so that equal ones are all seen.
_SPREAD = 0.6
#: Where the columns of words end, in points right of the panel.
_COLUMNS = (34, 98, 134)


@figure("order_effect")
def draw_order_effect(tables: Tables, request: Request) -> Figure:
    """Draw each group's share of drafted tokens accepted under every order, and with γ reset."""
    table = tables["order_effect"]
    fixed = table[table["series"] == _RESET].sort_values(
        "draft_acceptance_rate", kind="stable", na_position="first"
    )
    carried = table[table["series"] != _RESET]
    n_orders = carried["order"].nunique()
    name = shown(str(table["setting"].iloc[0])) if len(table) else ""
    subtitle = f"setting {name}; {n_orders} random order{'s' * (n_orders != 1)} of the groups"
    drawn = new_figure(request, 0.85 + _ROW * len(fixed), subtitle=subtitle, acceptance=fixed)
    axes = drawn.subplots()
    for place, (_, row) in enumerate(fixed.iterrows()):
        _draw_group(axes, place, row, carried[carried["group"] == row["group"]])
    axes.set_yticks(range(len(fixed)), marked_names(fixed))
    rates = table["draft_acceptance_rate"].to_numpy(dtype=np.float64)
    axes.set(xlabel="accepted / drafted", xlim=padded(rates, least=0.02), ylim=(-0.7, len(fixed) - 0.3))
    write_beside(axes, len(fixed) - 0.05, ("γ reset", "γ carried", "range"), _COLUMNS, MUTED)
    if not np.isfinite(rates).any():
        nothing(axes, "nothing judged")
    handles = [
        Line2D([], [], marker="o", linestyle="", color=_CARRIED_LOOK, markersize=3, alpha=0.7),
        Line2D([], [], marker="D", linestyle="", color=_RESET_LOOK, markersize=4.5, markerfacecolor="white"),
    ]
    labels = ["γ carried, a dot for each order", "γ reset"]
    legend(axes, handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderaxespad=0.2)
    return drawn


def _draw_group(axes: Axes, place: int, row: pd.Series, of: pd.DataFrame) -> None:
    rates = of.sort_values("order")["draft_acceptance_rate"].to_numpy(dtype=np.float64)
    aside = _SPREAD * ((np.arange(len(rates)) + 0.5) / max(len(rates), 1) - 0.5)
    axes.plot(
        rates, place + aside, "o", color=_CARRIED_LOOK, markersize=3, alpha=0.7, markeredgewidth=0, zorder=3
    )
    axes.plot(
        row["draft_acceptance_rate"], place, "D", color=_RESET_LOOK, markersize=4.5, markerfacecolor="white",
        markeredgewidth=1.2, zorder=4,
    )  # fmt: skip
    known = rates[np.isfinite(rates)]
    fixed = row["draft_acceptance_rate"]
    words = (
        f"{fixed:.3f}" if np.isfinite(fixed) else "–",
        f"{known.min():.3f} to {known.max():.3f}" if len(known) else "–",
        f"{100 * (known.max() - known.min()):.1f} pp" if len(known) else "–",
    )
    write_beside(axes, place, words, _COLUMNS, INK)
