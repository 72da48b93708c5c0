"""Target and draft probabilities of the settings of a decoding, against each other."""

from matplotlib.figure import Figure

from specgap.figures.frame import histogram, log_axis, new_figure, nothing, side_legend, steps, unit_ticks
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import look
from specgap.figures.text import shown

_QUANTITIES = {"p": "target probability p", "q": "draft probability q"}

#: More outlines could not be told apart.
_MOST = 10


@figure("probabilities_by_setting")
def draw_probabilities_by_setting(tables: Tables, request: Request) -> Figure:
    """Draw p and q as shares of each setting's accepted (above) and rejected (below) tokens."""
    table = tables["histograms"]
    known = list(dict.fromkeys(table["setting"]))
    settings = known[:_MOST]
    notes = [f"The first {_MOST} of {len(known)} settings with figures; the table has all."]
    drawn = new_figure(request, 3.7, notes=notes if len(known) > _MOST else ())
    panels = drawn.subplots(2, 2, sharex=True, sharey=True)
    highest, lowest, judged = 0.1, 0.01, dict.fromkeys(settings, 0.0)
    for setting in settings:
        judged[setting] = histogram(table, "p", ["accepted", "rejected"], setting=setting)[1].sum()
    for row, verdict in enumerate(("accepted", "rejected")):
        for column, quantity in enumerate(_QUANTITIES):
            for index, setting in enumerate(settings):
                edges, share = histogram(table, quantity, [verdict], values="share", setting=setting)
                if share.any():
                    steps(panels[row, column], edges, share, look(index))
                    highest, lowest = max(highest, share.max()), min(lowest, share[share > 0].min())
            if not panels[row, column].patches:
                nothing(panels[row, column], f"no token was {verdict}")
            panels[1, column].set_xlabel(_QUANTITIES[quantity])
        panels[row, 0].set_ylabel(f"share of the setting's\n{verdict} tokens")
    log_axis(panels[0, 0], lowest * 0.7, highest * 1.6)
    unit_ticks(panels[0, 0])
    labels = [f"{shown(setting)}\nn {judged[setting]:,.0f}" for setting in settings]
    side_legend(
        panels[0, 1], [look(index) for index in range(len(settings))], labels, title="setting, judged tokens"
    )
    return drawn
