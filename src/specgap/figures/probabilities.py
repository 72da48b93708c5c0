"""Target and draft probabilities of drafted tokens: all groups in one picture, or one small picture each."""

import math

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from specgap.figures.frame import (
    finish_panels,
    histogram,
    label_all_y,
    legend,
    log_axis,
    new_figure,
    nothing,
    shares,
    side_legend,
    steps,
    unit_ticks,
)
from specgap.figures.groups import groups_of, marked_names
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, Look, look

_QUANTITIES = {"p": "target probability p", "q": "draft probability q"}
_COLUMNS = 4


@figure("probabilities")
def draw_probabilities(tables: Tables, request: Request) -> Figure:
    """Draw step outlines of p and q, one line per group: counts of the spec's verdicts, summed."""
    table, acceptance = tables["histograms"], tables["acceptance"]
    groups, verdicts = groups_of(acceptance), request.spec.verdicts
    drawn = new_figure(request, max(2.9, 0.5 + 0.155 * len(groups)), acceptance=acceptance)
    left, right = drawn.subplots(1, 2, sharey=True, sharex=True)
    highest, sizes = 1.0, dict.fromkeys(groups, 0)
    for axes, (quantity, label) in zip((left, right), _QUANTITIES.items(), strict=True):
        for index, group in enumerate(groups):
            edges, counts = histogram(table, quantity, verdicts, group=group)
            highest, sizes[group] = max(highest, counts.max()), int(counts.sum())
            if counts.any():
                steps(axes, edges, counts, look(index), width=0.9)
        if not axes.patches:
            nothing(axes, f"no token was {' or '.join(verdicts)}")
        axes.set_xlabel(label)
        unit_ticks(axes)
    log_axis(left, 0.7, highest * 1.6)
    left.set_ylabel(f"{' and '.join(verdicts)} tokens per bin")
    names = marked_names(acceptance)
    labels = [f"{name}  n {sizes[group]:,}" for group, name in zip(groups, names, strict=True)]
    side_legend(right, [look(index) for index in range(len(groups))], labels, title="group, tokens")
    return drawn


#: Colour tells the verdict, line style the model.
_LOOKS = {
    ("p", "accepted"): Look(COLOURS[0], "-"),
    ("q", "accepted"): Look(COLOURS[4], (0, (3, 1))),
    ("p", "rejected"): Look(COLOURS[1], "-"),
    ("q", "rejected"): Look(COLOURS[5], (0, (3, 1))),
}


@figure("probabilities_by_group")
def draw_probabilities_by_group(tables: Tables, request: Request) -> Figure:
    """Draw one panel per group: p and q of accepted and rejected tokens as shares of its judged tokens."""
    table, acceptance = tables["histograms"], tables["acceptance"]
    groups = groups_of(acceptance)
    columns = min(_COLUMNS, len(groups))
    rows = math.ceil(len(groups) / columns)
    drawn = new_figure(request, 0.4 + 1.12 * rows, acceptance=acceptance)
    panels = drawn.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    highest, lowest = 0.1, 0.01
    names = marked_names(acceptance, longest=25)
    for axes, group, name, judged in zip(panels, groups, names, acceptance["n_judged"], strict=False):
        for (quantity, verdict), chosen in _LOOKS.items():
            edges, counts = histogram(table, quantity, [verdict], group=group)
            share = shares(counts, judged)
            if share.any():
                steps(axes, edges, share, chosen, width=0.9)
                highest, lowest = max(highest, share.max()), min(lowest, share[share > 0].min())
        if not axes.patches:
            nothing(axes, "nothing judged")
        axes.set_title(f"{name}\nn {int(judged):,}", fontsize=6.2)
    for axes in panels:
        log_axis(axes, lowest * 0.7, highest * 1.6)
        unit_ticks(axes)
    finish_panels(panels, len(groups), columns, "p or q of the drafted token")
    label_all_y(drawn, "share of the group's\njudged tokens")
    handles = [Line2D([], [], color=one.color, linestyle=one.linestyle) for one in _LOOKS.values()]
    labels = [f"{quantity}, {verdict}" for quantity, verdict in _LOOKS]
    legend(panels[columns - 1], handles, labels, loc="upper left", bbox_to_anchor=(1.03, 1), borderaxespad=0)
    return drawn
