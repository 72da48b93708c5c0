"""The two groups that differ most in acceptance rate, side by side, and whether chance would do as much."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from specgap.figures.beside import signed
from specgap.figures.difference import SPARSE, Part, draw_part, limits_of, part_of
from specgap.figures.frame import legend, lines_of, new_figure, nothing
from specgap.figures.groups import groups_of, marked_names
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import INK, MUTED, VERDICTS
from specgap.figures.tested import p_text, the_test
from specgap.tables.headline import HEADLINE_UNITS, Headline, headline

#: What the claim of a pair says in words; any other claim is none.
_CLAIMS = {
    "different": "more than chance",
    "not distinguishable": "not distinguishable from chance",
}


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
        subtitle=_claim(found, names) + _beside(found, the_test(tables["gap_test"]), names),
        notes=[SPARSE],
        acceptance=acceptance,
    )
    panels = drawn.subplots(3, 2, sharex="row", sharey="row", height_ratios=[1.8, 0.8, 0.13 * len(lines)])
    limits = limits_of(tables["histograms"])
    for column, side in enumerate("ab"):
        group = str(found.row[f"group_{side}"])
        part = part_of(tables["histograms"], group)
        draw_part(panels[0, column], panels[1, column], part, limits)
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


def _title(axes: Axes, name: str, part: Part, rate: float) -> None:
    counts = f"{part.accepted.sum():,.0f} of n {part.judged.sum():,.0f}"
    axes.set_title(f"{name}\nacceptance rate {rate:.3f}, {counts}")


def _claim(found: Headline, names: Mapping[str, str]) -> str:
    """Say which pair is shown, and what the test of all pairs says of it."""
    broad = f"{HEADLINE_UNITS} or more {found.units}"
    among = (
        f"Greatest difference among groups of {broad}"
        if found.is_broad
        else f"No two groups have {broad}; greatest difference of all"
    )
    shown = f"{among}: {_pair(found.row, names)} = {_pp(found.row)}."
    words = _CLAIMS.get(str(found.row["claim"]))
    if words is None:
        return f"Descriptive, no claim of significance. {shown}"
    low, high = (signed(float(found.row[f"simultaneous_{end}_pp"])) for end in ("low", "high"))
    contrast = signed(float(found.row["contrast_pp"]))
    tested = (
        f"Compared within strata: {contrast} pp, simultaneous 95\N{NO-BREAK SPACE}% interval {low} to {high}"
    )
    return f"{shown} {tested}, adjusted {p_text(float(found.row['p_adjusted']))}: {words}."


def _beside(found: Headline, test: "pd.Series | None", names: Mapping[str, str]) -> str:
    """Name the largest gap of the test of all pairs, and the one that is more than chance.

    Each only where it is not between the two groups that are shown.
    """
    said = ""
    shown = {found.row["group_a"], found.row["group_b"]}
    for words, of, gap, p in _OTHERS:
        pair = () if test is None else tuple(test[f"{of}_{side}"] for side in "ab")
        if test is None or pd.isna(test[gap]) or set(pair) == shown:
            continue
        said += (
            f" {words} {names[pair[0]]} − {names[pair[1]]} = {signed(float(test[gap]))} pp, "
            f"adjusted {p_text(float(test[p]))}."
        )
    return said


#: What is said of another pair than the one that is shown, and its columns in the test.
_OTHERS = (
    ("Of all groups, within strata, the largest gap is", "group", "gap_pp", "p_adjusted"),
    ("More than chance:", "different", "different_pp", "different_p_adjusted"),
)


def _pair(row: pd.Series, names: Mapping[str, str]) -> str:
    return f"{names[str(row['group_a'])]} − {names[str(row['group_b'])]}"


def _pp(row: pd.Series) -> str:
    return f"{row['difference_pp']:+.1f} pp"


def _terms(row: pd.Series) -> str:
    counts = [row["n_terms_a"], row["n_terms_b"]]
    if all(np.isnan(count) for count in counts):
        return "prompts as units"
    return " and ".join("no" if np.isnan(count) else f"{count:.0f}" for count in counts) + " terms"


def _adjusted(row: pd.Series) -> str:
    """Return the p of the difference within strata beside that difference, which is not the pooled one."""
    if str(row["claim"]) not in _CLAIMS:
        return ""
    return f"within strata {signed(float(row['contrast_pp']))}, adj. {p_text(float(row['p_adjusted']))}"


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
            about = f"{_terms(row)}   {_adjusted(row)}"
            lines.append((_pair(row, names), f"{_pp(row)} pooled", about.rstrip()))
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
