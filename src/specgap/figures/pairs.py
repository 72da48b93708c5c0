"""Pairs side by side: every group's rate under each, and how far drafts of one target are apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from specgap.figures.beside import signed, write_beside
from specgap.figures.frame import legend, new_figure, nothing, padded
from specgap.figures.groups import names_by_group, units_of
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, FAINT, INK, MARKERS, MUTED
from specgap.figures.text import shown
from specgap.figures.two_intervals import draw_intervals, ends_of, interval_legend, interval_notes
from specgap.stats.claims import p_words

#: More targets than this would be too narrow side by side.
_ACROSS = 4
#: Between all prompts, at the bottom, and the groups.
_APART = 1.4
#: Where the columns of words end, in points right of a panel.
_COLUMNS = (30, 68)
_LEFT_OUT = (
    "Differences leave out prompts that were judged under one of the two pairs only; the table says how many."
)

#: Stands for the group in rows of all prompts; a group may be called "all prompts".
_EVERYONE = "\x1f"


@dataclass(frozen=True)
class _Pairs:
    """The pairs of a study in its order: by target, what each is called, its look, and the rows of groups."""

    by_target: Mapping[str, Sequence[str]]
    drafts: Mapping[str, str]
    #: Group to its level, from the bottom.
    places: Mapping[str, float]

    @property
    def most(self) -> int:
        """The greatest number of drafts of one target."""
        return max(map(len, self.by_target.values()))

    def look(self, pair: str) -> tuple[str, str]:
        """Return colour and marker, both of the pair's place in the study."""
        at = list(self.drafts).index(pair)
        return COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)]

    def levels(self, target: str, pair: str, groups: Sequence[str]) -> list[float]:
        """Return where a pair's marks stand: drafts of one target below each other, the first on top."""
        names = self.by_target[target]
        dodge = ((len(names) - 1) / 2 - list(names).index(pair)) * min(0.3, 0.84 / self.most)
        return [self.places[group] + dodge for group in groups]


@figure("pairs_overview")
def draw_pairs_overview(tables: Tables, request: Request) -> Figure:
    """Draw a panel of rates for each target and, for targets of several drafts, one of paired differences."""
    rates = _apart(tables["pairs_overview"].rename(columns={"acceptance_rate": "value"}))
    differences = _apart(_from_the_first(tables["pair_differences"]))
    pairs = _pairs(rates)
    acceptance = rates[(rates["grouping"] != "overall") & (rates["pair"] == next(iter(pairs.drafts)))]
    units, mode = units_of(acceptance), request.facts.mode
    notes = interval_notes(pd.concat([rates, differences]), units=units, mode=mode)
    notes += [_nothing_judged(rates)]
    notes += [_LEFT_OUT] if (differences["n_prompts_left_out"] > 0).any() else []
    height = len(pairs.places) * max(0.2, 0.06 + 0.085 * pairs.most) + 0.55
    in_rows = _in_rows(pairs)
    keys = -(-(len(pairs.drafts) + 2) // 2) * 0.16
    drawn = new_figure(
        request, keys + len(in_rows) * height, notes=notes, acceptance=acceptance,
        names=[*pairs.by_target, *pairs.drafts, *pairs.drafts.values()],
    )  # fmt: skip
    across = max(map(len, in_rows))
    grid = drawn.add_gridspec(len(in_rows) + 1, across, height_ratios=[keys, *[height] * len(in_rows)])
    _explain(drawn, grid, pairs, units)
    names = {**names_by_group(acceptance), _EVERYONE: "all prompts"}
    _draw_panels(drawn, grid, pairs, in_rows, {"rate": rates, "difference": differences}, names)
    return drawn


def _apart(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with those of all prompts under a name that no group can have."""
    return rows.assign(group=rows["group"].where(rows["grouping"] != "overall", _EVERYONE))


def _pairs(rates: pd.DataFrame) -> _Pairs:
    everyone = rates["grouping"] == "overall"
    first = rates[~everyone & (rates["pair"] == rates["pair"].iloc[0])]
    order = first.sort_values("value", kind="stable", na_position="first")["group"]
    by_target: dict[str, list[str]] = {}
    for target, pair in zip(rates.loc[everyone, "target"], rates.loc[everyone, "pair"], strict=True):
        by_target.setdefault(target, []).append(pair)
    return _Pairs(
        by_target,
        dict(zip(rates.loc[everyone, "pair"], rates.loc[everyone, "draft"], strict=True)),
        {_EVERYONE: 0.0, **{group: _APART + at for at, group in enumerate(order)}},
    )


def _from_the_first(differences: pd.DataFrame) -> pd.DataFrame:
    """Return the differences of each target's first pair and its others, named as rates are.

    All of them would be fifteen for six drafts; the table has them.
    """
    first = differences.groupby("target", sort=False)["pair_a"].transform("first")
    rows = differences[differences["pair_a"] == first]
    return rows.rename(columns={"difference_pp": "value"}).rename(
        columns=lambda name: name.removesuffix("_pp")
    )


def _in_rows(pairs: _Pairs) -> list[list[tuple[str, str]]]:
    """Return what stands in each row of panels: ("rate" or "difference", target)."""
    targets = list(pairs.by_target)
    if len(targets) == 1:
        kinds = ["rate", "difference"] if pairs.most > 1 else ["rate"]
        return [[(kind, targets[0]) for kind in kinds]]
    rows = []
    for start in range(0, len(targets), _ACROSS):
        of_row = targets[start : start + _ACROSS]
        rows.append([("rate", target) for target in of_row])
        if any(len(pairs.by_target[target]) > 1 for target in of_row):
            rows.append([("difference", target) for target in of_row])
    return rows


def _draw_panels(
    drawn: Figure,
    grid: GridSpec,
    pairs: _Pairs,
    in_rows: Sequence[Sequence[tuple[str, str]]],
    tables: Mapping[str, pd.DataFrame],
    names: Mapping[str, str],
) -> None:
    longest = 60 // max(map(len, in_rows))
    limits = {
        "rate": padded(ends_of(tables["rate"])),
        "difference": padded(np.append(ends_of(tables["difference"]), 0), least=1, within=(-100, 100)),
    }
    for row, of_row in enumerate(in_rows, start=1):
        for column, (kind, target) in enumerate(of_row):
            axes = drawn.add_subplot(grid[row, column])
            _draw(axes, tables[kind][tables[kind]["target"] == target], pairs, target, kind)
            axes.set(xlim=limits[kind], ylim=(-0.6, max(pairs.places.values()) + 0.6))
            axes.xaxis.set_major_locator(MaxNLocator(3 if len(of_row) > 2 else 5))
            shown_names = [names[group] for group in pairs.places] if column == 0 else []
            axes.set_yticks(list(pairs.places.values()) if column == 0 else [], shown_names)
            if len(pairs.by_target) > 1:
                axes.set_title(f"target {shown(target, longest=longest)}", loc="left", size=7)
            if len(of_row) == 2 and kind == "difference" and len(pairs.by_target) == 1:
                _write_columns(axes, tables[kind], pairs, target)


def _draw(axes: Axes, rows: pd.DataFrame, pairs: _Pairs, target: str, kind: str) -> None:
    """Draw one panel: of each pair its marks, level with its groups."""
    names = pairs.by_target[target]
    for level in list(pairs.places.values())[1:]:
        axes.axhline(
            level - (0.7 if level == _APART else 0.5), color=FAINT, linewidth=0.5 if level == _APART else 0.25
        )
    of_pair = "pair" if kind == "rate" else "pair_b"
    for pair in names:
        own = rows[rows[of_pair] == pair]
        colour, marker = pairs.look(pair)
        levels = pairs.levels(target, pair, list(own["group"]))
        draw_intervals(axes, own, colour, places=levels, marker=marker, thick=2.8, cap=4.0)
    if kind == "rate":
        axes.set_xlabel("acceptance rate")
    else:
        others = shown(names[1], longest=14) if len(names) == 2 else "each other"
        axes.set_xlabel(f"{shown(names[0], longest=14)} − {others}, points" if len(names) > 1 else "")
    if kind == "difference" and len(names) == 1:
        nothing(axes, "one draft")
    elif rows["value"].isna().all():
        nothing(axes, "nothing judged" if kind == "rate" else "nothing judged\nunder both")
    elif kind == "difference":
        axes.axvline(0, color=INK, linewidth=0.7, zorder=1)


def _write_columns(axes: Axes, rows: pd.DataFrame, pairs: _Pairs, target: str) -> None:
    top = max(pairs.places.values()) + 0.62
    write_beside(axes, top, ("points", "adjusted p"), _COLUMNS, MUTED)
    for pair in pairs.by_target[target][1:]:
        own = rows[rows["pair_b"] == pair]
        for level, (_, row) in zip(
            pairs.levels(target, pair, list(own["group"])), own.iterrows(), strict=True
        ):
            value, p = row["value"], row["p_adjusted"]
            words = ("–" if np.isnan(value) else signed(value), _p(p))
            write_beside(axes, level, words, _COLUMNS, INK)


def _p(p: float) -> str:
    return "–" if np.isnan(p) else "< 0.0001" if p < 0.0001 else p_words(p)


def _explain(drawn: Figure, grid: GridSpec, pairs: _Pairs, units: str) -> None:
    """Put the legend in a row of its own above all panels."""
    place = drawn.add_subplot(grid[0, :])
    place.set_axis_off()
    handles, labels = [], []
    for pair, draft in pairs.drafts.items():
        colour, marker = pairs.look(pair)
        handles.append(
            Line2D([], [], color=colour, linewidth=2.8, marker=marker, markersize=3.6, markerfacecolor=INK,
                   markeredgecolor=INK)
        )  # fmt: skip
        labels.append(f"{shown(pair, longest=18)}: draft {shown(draft, longest=26)}")
    lines, said = interval_legend(MUTED, units)
    legend(
        place, [*handles, *lines], [*labels, *said], loc="upper left", bbox_to_anchor=(0, 1), ncols=2,
        borderaxespad=0, columnspacing=1.6, handlelength=2.2,
    )  # fmt: skip


def _nothing_judged(rates: pd.DataFrame) -> str:
    """Say which pairs judged nothing in some groups; "" where all did."""
    names = dict.fromkeys(rates.loc[rates["value"].isna(), "pair"])
    without = ", ".join(shown(pair, longest=18) for pair in names)
    return f"Nothing was judged where there is no mark: {without}." if without else ""
