"""The axis of all settings: γ of constant schedules on a logarithmic scale, beside it a place for each other.

A heuristic schedule has no γ of its own, so it stands in a zone of its own, by the γ that it starts with.
Thresholds are told apart by colour, line and marker; no setting needs an entry of a legend.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from specgap.config import OVERALL
from specgap.figures.style import FAINT, INK, LINES, MUTED, Look, look

#: Zones beside that of constant schedules: (schedule, carried) to what stands below them.
_OTHERS = {
    ("heuristic", False): "heuristic",
    ("heuristic_transient", False): "transient",
    ("heuristic", True): "carried",
}
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: Widths on the axis, on which all constant schedules take 1: of a place, and of the air before a zone.
_PLACE, _MOST, _AIR = 0.22, 1.1, 0.12
#: Width of a character of a tick's label, and the air beside it, in inches.
_LETTER, _BETWEEN = 0.046, 0.04


@dataclass(frozen=True)
class Slot:
    """A place in a zone: a schedule that moves, and the γ it starts with."""

    zone: str
    gamma: int
    x: float

    @property
    def label(self) -> str:
        """What stands below it: the zone's first letter and γ."""
        return f"{self.zone[0]}{self.gamma}"


@dataclass(frozen=True)
class Zones:
    """Where settings stand, and how their thresholds look."""

    gammas: tuple[int, ...]
    slots: tuple[Slot, ...]
    thresholds: tuple[float, ...]
    step: float

    @classmethod
    def of(cls, settings: pd.DataFrame) -> "Zones":
        """Lay out the settings of a table, one row each."""
        known = settings.drop_duplicates("setting")
        constant = known[known["schedule"] == "constant"]
        gammas = tuple(sorted({int(n) for n in constant["num_assistant_tokens"]}))
        moving = [
            (name, gamma)
            for (schedule, carried), name in _OTHERS.items()
            for gamma in sorted(_starts(known, schedule, carried=carried))
        ]
        step = min(_PLACE, _MOST / max(len(moving), 1))
        slots, x, before = [], 1.0 if gammas else -_AIR, ""
        for zone, gamma in moving:
            x += step + (_AIR if zone != before else 0)
            slots.append(Slot(zone, gamma, x))
            before = zone
        thresholds = tuple(sorted({float(t) for t in known["confidence_threshold"]}))
        return cls(gammas, tuple(slots), thresholds, step)

    def at(self, gamma: float) -> float:
        """Return the place of a constant schedule."""
        low, high = np.log(self.gammas[0]), np.log(self.gammas[-1])
        return float((np.log(gamma) - low) / (high - low)) if high > low else 0.5

    def constant(self, rows: pd.DataFrame, threshold: float) -> pd.DataFrame:
        """Return the constant schedules of a threshold by γ, with their places as `x`."""
        keep = (rows["schedule"] == "constant") & (rows["confidence_threshold"] == threshold)
        chosen = rows[keep].sort_values("num_assistant_tokens")
        return chosen.assign(x=[self.at(gamma) for gamma in chosen["num_assistant_tokens"]])

    def moving(self, rows: pd.DataFrame, threshold: float) -> pd.DataFrame:
        """Return the other schedules of a threshold, with their places as `x`; thresholds side by side."""
        keep = (rows["schedule"] != "constant") & (rows["confidence_threshold"] == threshold)
        chosen = rows[keep]
        places = {(slot.zone, slot.gamma): slot.x for slot in self.slots}
        number, room = self.thresholds.index(threshold), len(self.thresholds)
        aside = self.step * 0.8 * ((number + 0.5) / room - 0.5)
        keys = zip(chosen["schedule"], chosen["carry_state"], chosen["num_assistant_tokens"], strict=True)
        return chosen.assign(x=[places[_OTHERS[s, bool(c)], int(n)] + aside for s, c, n in keys])

    def look(self, threshold: float) -> Look:
        """Return how lines of a threshold look."""
        return look(self.thresholds.index(threshold)) if threshold in self.thresholds else Look(INK, LINES[0])

    def marker(self, threshold: float) -> str:
        """Return the marker of a threshold."""
        return _MARKERS[self.thresholds.index(threshold) % len(_MARKERS)]

    def handles(self) -> tuple[list[Line2D], list[str]]:
        """Return a legend's entries, one for each threshold; none where there is but one."""
        if len(self.thresholds) < 2:
            return [], []
        lines = []
        for threshold in self.thresholds:
            one = self.look(threshold)
            lines.append(
                Line2D(
                    [],
                    [],
                    color=one.color,
                    linestyle=one.linestyle,
                    marker=self.marker(threshold),
                    markersize=3,
                )
            )
        return lines, [f"threshold {t:g}" if t else "no threshold" for t in self.thresholds]

    def set_axis(self, axes: Axes, *, inches: float, labels: bool = True, names: bool = True) -> None:
        """Put ticks on an x axis of so many inches, with labels or not, and below them the zones' names."""
        low, high = (-0.06 if self.gammas else 0.02), self._end()
        axes.set_xlim(low, high)
        constant = [(self.at(gamma), str(gamma)) for gamma in self.gammas]
        moving = [(slot.x, slot.label) for slot in self.slots]
        texts = [text for ticks in (constant, moving) for text in fitting(ticks, inches / (high - low))]
        places = [x for x, _ in constant + moving]
        axes.set_xticks(places, texts if labels else [""] * len(places), fontsize=6)
        axes.grid(visible=False, axis="x")
        for x in self._edges():
            axes.axvline(x, color="#dddddd", linewidth=0.6, zorder=0)
        if names:
            self._name_zones(axes, inches / (high - low))

    def _end(self) -> float:
        return self.slots[-1].x + 0.75 * self.step if self.slots else 1.06

    def _edges(self) -> list[float]:
        zones = dict.fromkeys(slot.zone for slot in self.slots)
        first = [min(slot.x for slot in self.slots if slot.zone == zone) for zone in zones]
        edges = [x - 0.5 * self.step - 0.5 * _AIR for x in first]
        return edges if self.gammas else edges[1:]

    def _name_zones(self, axes: Axes, per_inch: float) -> None:
        named: dict[str, list[float]] = {"γ of constant settings": [0.0, 1.0]} if self.gammas else {}
        for slot in self.slots:
            named.setdefault(f"{slot.label[0]}: {slot.zone}", []).append(slot.x)
        end, below = -np.inf, False
        for name, places in named.items():
            middle, half = (min(places) + max(places)) / 2, len(name) * _LETTER / 2
            # A name that would touch the one before it stands a line lower.
            below = middle * per_inch - half < end and not below
            end = middle * per_inch + half + _BETWEEN
            axes.annotate(
                name, (middle, 0), (0, -19.5 if below else -12.5), xycoords=axes.get_xaxis_transform(),
                textcoords="offset points", ha="center", va="top", fontsize=6, color=MUTED,
                annotation_clip=False,
            )  # fmt: skip


def draw_settings(
    axes: Axes, rows: pd.DataFrame, zones: Zones, column: str, *, width: float = 1.0, size: float = 3.2
) -> None:
    """Draw one column of settings: constant ones joined by threshold, markers for the others."""
    for threshold in zones.thresholds:
        one, mark = zones.look(threshold), zones.marker(threshold)
        constant, moving = zones.constant(rows, threshold), zones.moving(rows, threshold)
        axes.plot(
            constant["x"], constant[column], color=one.color, linestyle=one.linestyle, linewidth=width,
            marker=mark, markersize=size * 0.6, zorder=4,
        )  # fmt: skip
        axes.plot(moving["x"], moving[column], mark, color=one.color, markersize=size, zorder=4)


def draw_faint(axes: Axes, rows: pd.DataFrame, zones: Zones, column: str) -> None:
    """Draw the settings without a threshold behind everything."""
    constant, moving = zones.constant(rows, 0.0), zones.moving(rows, 0.0)
    axes.plot(constant["x"], constant[column], color=FAINT, linewidth=0.6, zorder=2)
    axes.plot(moving["x"], moving[column], "_", color=FAINT, markersize=4, zorder=2)


def draw_rates(
    panels: Sequence[Axes], table: pd.DataFrame, zones: Zones, columns: Mapping[str, str], *, inches: float
) -> None:
    """Draw a column of settings into each panel, by its label: all prompts, with the groups behind them."""
    is_overall = table["grouping"] == OVERALL
    groups, overall = table[~is_overall], table[is_overall]
    for axes, (column, label) in zip(panels, columns.items(), strict=True):
        for _, of in groups.groupby("group", sort=False):
            draw_faint(axes, of, zones, column)
        draw_settings(axes, overall, zones, column, width=1.2, size=4)
        zones.set_axis(axes, inches=inches)
        axes.set_ylabel(label)
        # Room for the legend, which is wider than its panel.
        axes.set_title(" ")


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of settings that may stand beside each other."""
    return table[table["compared"].astype(bool)]


def left_out(table: pd.DataFrame) -> list[str]:
    """Return a note that names the settings which are not shown."""
    names = list(dict.fromkeys(table.loc[~table["compared"].astype(bool), "setting"]))
    if not names:
        return []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    shown = ", ".join(names[:3])
    return [f"Not shown, being on fewer prompts or a schedule shown already: {shown}{more}."]


def fitting(ticks: list[tuple[float, str]], per_inch: float) -> list[str]:
    """Return the ticks' labels, empty where one would touch another; the first and the last come first."""
    taken: list[tuple[float, float]] = []
    texts = [""] * len(ticks)
    for at in dict.fromkeys([*range(len(ticks))[:1], *range(len(ticks))[-1:], *range(len(ticks))]):
        x, label = ticks[at]
        half = (len(label) * _LETTER + _BETWEEN) / 2
        low, high = x * per_inch - half, x * per_inch + half
        if all(high <= other_low or low >= other_high for other_low, other_high in taken):
            taken.append((low, high))
            texts[at] = label
    return texts


def _starts(known: pd.DataFrame, schedule: str, *, carried: bool) -> set[int]:
    keep = (known["schedule"] == schedule) & (known["carry_state"].astype(bool) == carried)
    return {int(n) for n in known.loc[keep, "num_assistant_tokens"]}
