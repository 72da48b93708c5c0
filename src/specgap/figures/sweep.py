"""Rates against γ: every setting of a decoding, with the groups faint behind all prompts."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from specgap.config import OVERALL
from specgap.figures.frame import Floats, legend, new_figure, nothing
from specgap.figures.groups import rest_on_one_term
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, FAINT, INK, MUTED
from specgap.figures.text import shown

#: Schedule to marker and colour.
_SCHEDULES = {
    "constant": ("o", COLOURS[0]),
    "heuristic": ("^", COLOURS[1]),
    "heuristic_transient": ("s", COLOURS[2]),
}
_PANELS = {
    "acceptance_rate": "acceptance rate,\nover judged tokens",
    "acceptance_rate_prompt_mean": "acceptance rate,\nmean over prompts",
    "draft_acceptance_rate": "accepted /\ndrafted",
    "block_efficiency": "emitted per\ntarget call",
}
_DASHED = (0, (4, 1.5))
_THEORY = (
    "Dashed: constant settings without threshold, if acceptance were independent of the draft position: "
    "(1 − α^(γ+1)) / (1 − α) with α the setting's acceptance rate (Leviathan et al. 2023, equation 1)."
)
_ONE_TERM = "Hollow dots: groups of one identity term, whose own spread is not estimable."
_NUMBERED = "Numbers name the settings that marker and γ do not tell."
#: Width of the panels in inches, about; room of a marker and of a tick's label in them.
_WIDTH, _MARKER, _LABEL = 4.8, 0.13, 0.22
#: Height of a line of the legend in inches.
_LINE = 0.14


@figure("schedule_sweep")
def draw_schedule_sweep(tables: Tables, request: Request) -> Figure:
    """Draw four rates by γ on axes of their own; nothing is joined but constant settings."""
    table = tables["settings"]
    is_overall = table["grouping"] == OVERALL
    groups, overall = table[~is_overall], table[is_overall].reset_index(drop=True)
    overall = overall.assign(x=_places(overall), number=_numbers(overall))
    listed = overall[overall["number"] > 0]
    notes = [_THEORY] if overall["block_efficiency_independent"].notna().any() else []
    notes += [_ONE_TERM] if any(rest_on_one_term(groups)) else []
    notes += [_NUMBERED] if len(listed) else []
    drawn = new_figure(request, max(4.7, 0.7 + _LINE * len(listed)), notes=notes)
    panels = drawn.subplots(len(_PANELS), 1, sharex=True, height_ratios=[1.1, 1.1, 0.9, 1.1])
    for axes, (column, label) in zip(panels, _PANELS.items(), strict=True):
        _draw_groups(axes, groups, overall, column)
        _draw_settings(axes, overall, column)
        axes.set_ylabel(label)
        if overall[column].isna().all():
            nothing(axes, "nothing judged")
    _draw_theory(panels[-1], overall)
    _gamma_axis(panels[-1], overall["num_assistant_tokens"].to_numpy(dtype=np.float64))
    _explain(panels[0], overall, has_groups=len(groups) > 0)
    if len(listed):
        handles = [_handle(row) for _, row in listed.iterrows()]
        labels = [f"{row['number']}  {_described(row)}" for _, row in listed.iterrows()]
        legend(drawn, handles, labels, loc="outside right center")
    return drawn


# Places and names ------------------------------------------------------------------------------------


def _span(gammas: Floats) -> tuple[float, float]:
    """Return the ends of the axis, as exponents of ten."""
    low, high = float(np.log10(gammas.min())), float(np.log10(gammas.max()))
    air = max(0.07 * (high - low), 0.15)
    return low - air, high + air


def _steps(overall: pd.DataFrame) -> Floats:
    """Return how far apart the settings of one γ stand: a marker's width, less where the next γ is near."""
    gammas = overall["num_assistant_tokens"].to_numpy(dtype=np.float64)
    low, high = _span(gammas)
    known = np.log10(np.unique(gammas))
    apart = np.diff(known, prepend=-np.inf, append=np.inf)
    nearest = np.minimum(apart[:-1], apart[1:])[np.searchsorted(known, np.log10(gammas))]
    of_gamma = overall.groupby("num_assistant_tokens")["setting"].transform("size").to_numpy()
    return np.asarray(np.minimum(_MARKER * (high - low) / _WIDTH, 0.9 * nearest / of_gamma))


def _places(overall: pd.DataFrame) -> Floats:
    """Return the settings' places on the axis: at γ, and beside each other where several have the same."""
    of_gamma = overall.groupby("num_assistant_tokens")["setting"]
    beside = of_gamma.cumcount() - (of_gamma.transform("size") - 1) / 2
    exponents = np.log10(overall["num_assistant_tokens"].to_numpy(dtype=np.float64))
    return np.asarray(10 ** (exponents + beside.to_numpy(dtype=np.float64) * _steps(overall)))


def _plain_name(row: pd.Series) -> str:
    return f"{row['schedule']}-{row['num_assistant_tokens']:.0f}"


def _numbers(overall: pd.DataFrame) -> list[int]:
    """Return a number for each setting of which schedule and γ are not the whole name, 0 for the others."""
    count, numbers = 0, []
    for _, row in overall.iterrows():
        is_plain = row["setting"] == _plain_name(row) and not _is_hollow(row)
        count += not is_plain
        numbers.append(0 if is_plain else count)
    return numbers


def _described(row: pd.Series) -> str:
    """Return a setting's name, with what makes its marker hollow where the name does not say it."""
    name, threshold = str(row["setting"]), f"{row['confidence_threshold']:g}"
    more = []
    if row["confidence_threshold"] and f"-t{threshold}" not in name:
        more.append(f"threshold {threshold}")
    if row["carry_state"] and "carried" not in name:
        more.append("carried")
    name = shown(name, longest=26)
    return f"{name} ({', '.join(more)})" if more else name


def _is_hollow(row: pd.Series) -> bool:
    return bool(row["confidence_threshold"] > 0 or row["carry_state"])


# Drawing ---------------------------------------------------------------------------------------------


def _draw_groups(axes: Axes, groups: pd.DataFrame, overall: pd.DataFrame, column: str) -> None:
    names = {group: place for place, group in enumerate(dict.fromkeys(groups["group"]))}
    settings = overall.assign(step=_steps(overall)).set_index("setting")[["x", "step"]]
    rows = groups.join(settings, on="setting")
    # Fixed places, so that the dots of one group can be followed from setting to setting.
    beside = rows["group"].map(names).to_numpy(dtype=np.float64) / max(len(names) - 1, 1) - 0.5
    x = rows["x"] * 10 ** (0.6 * beside * rows["step"])
    for is_hollow, face in ((False, FAINT), (True, "white")):
        chosen = np.array(rest_on_one_term(rows), dtype=bool) == is_hollow
        axes.plot(
            x[chosen], rows[column][chosen], "o", color=FAINT, markerfacecolor=face,
            markersize=2.6, markeredgewidth=0.6, zorder=2,
        )  # fmt: skip


def _draw_settings(axes: Axes, overall: pd.DataFrame, column: str) -> None:
    constant = _constant(overall)
    axes.plot(constant["x"], constant[column], color=COLOURS[0], linewidth=0.9, zorder=3)
    for _, row in overall.iterrows():
        mark = _handle(row)
        mark.set(xdata=[row["x"]], ydata=[row[column]], zorder=4)
        axes.add_line(mark)
        if row["number"] and np.isfinite(row[column]):
            axes.annotate(
                str(row["number"]), (row["x"], row[column]), (0, 3.5), textcoords="offset points",
                ha="center", va="bottom", fontsize=5, color=MUTED, zorder=5,
            )  # fmt: skip
    axes.autoscale_view()


def _constant(overall: pd.DataFrame) -> pd.DataFrame:
    """Return the settings that differ in nothing but γ, which alone may be joined."""
    chosen = overall[(overall["schedule"] == "constant") & (overall["confidence_threshold"] == 0)]
    return chosen.sort_values("x")


def _draw_theory(axes: Axes, overall: pd.DataFrame) -> None:
    constant = _constant(overall)
    axes.plot(
        constant["x"], constant["block_efficiency_independent"], color=INK,
        linewidth=0.9, linestyle=_DASHED, marker="_", markersize=8, zorder=3,
    )  # fmt: skip


def _handle(row: pd.Series) -> Line2D:
    marker, colour = _SCHEDULES[row["schedule"]]
    return _mark(marker, colour, hollow=_is_hollow(row))


def _mark(marker: str, colour: str, *, hollow: bool = False) -> Line2D:
    face = "white" if hollow else colour
    return Line2D([], [], marker=marker, linestyle="", color=colour, markerfacecolor=face, markersize=5)


def _gamma_axis(axes: Axes, gammas: Floats) -> None:
    low, high = _span(gammas)
    axes.set_xlim(10**low, 10**high)
    axes.set_xscale("log")
    values = np.unique(gammas)
    axes.xaxis.set_major_locator(FixedLocator(values.tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    labels, last = [], -np.inf
    for value in values:
        fits = np.log10(value) - last >= _LABEL * (high - low) / _WIDTH
        last = np.log10(value) if fits else last
        labels.append(f"{value:.0f}" if fits else "")
    axes.set_xticks(values, labels)
    axes.set_xlabel("num_assistant_tokens: γ, under heuristic schedules that of the first round")


def _explain(axes: Axes, overall: pd.DataFrame, *, has_groups: bool) -> None:
    used = [name for name in _SCHEDULES if name in set(overall["schedule"])]
    entries = [(_mark(*_SCHEDULES[name]), name) for name in used]
    if any(_is_hollow(row) for _, row in overall.iterrows()):
        entries.append((_mark("o", MUTED, hollow=True), "with threshold or carried γ"))
    if has_groups:
        dot = Line2D([], [], marker="o", linestyle="", color=FAINT, markersize=2.6)
        entries.append((dot, "groups"))
    if overall["block_efficiency_independent"].notna().any():
        entries.append((Line2D([], [], color=INK, linestyle=_DASHED, linewidth=0.9), "if independent"))
    handles, labels = zip(*entries, strict=True)
    legend(
        axes, handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3 if len(entries) > 5 else 5,
        borderaxespad=0.2, columnspacing=1.2,
    )  # fmt: skip
