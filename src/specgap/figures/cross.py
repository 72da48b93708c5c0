"""Replay beside real rounds of the same setting on the same prompts."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from specgap.config import OVERALL
from specgap.figures.beside import signed, write_beside
from specgap.figures.frame import legend, new_figure, nothing, padded
from specgap.figures.groups import marked_names
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, INK, MUTED
from specgap.figures.text import shown

_RATE = "acceptance_rate"
#: Quantities whose difference stands at the right, with their headings.
_SCORES = {_RATE: "rate", "block_efficiency": "E/B", "draft_acceptance_rate": "A/D"}
_SIDES = {"replayed": ("o", COLOURS[0], 0.17), "checked": ("s", COLOURS[1], -0.17)}
_ROW, _AROUND = 0.21, 0.75
#: Pairs of settings in one figure; the table has all.
_MOST = 3
#: Where the columns of words end, in points right of the panel.
_COLUMNS = (36, 67, 98, 129)
_GREEDY_COLUMNS = (36, 72, 118)
_BY_CHANCE = (
    "Differences in standard errors of their own, prompts paired and taken as clusters: beyond ± 2 one in "
    "twenty is expected by chance, and more where prompts are few (of 4 prompts one in twenty beyond ± 3.2)."
)
_NOTHING_RANDOM = (
    "Greedy: nothing is random, so every prompt must have the same accepted, rejected and emitted tokens and "
    "rounds, and the same drafted ones, but where the target's two likeliest tokens are as good as equal."
)


@figure("cross_check")
def draw_cross_check(tables: Tables, request: Request) -> Figure:
    """Draw both rates by group side by side, with what they differ by; a panel for each pair of settings."""
    table = tables["cross_check"]
    pairs = [of for _, of in table.groupby(["replayed", "checked"], sort=False)]
    rates = [of[of["quantity"] == _RATE] for of in pairs[:_MOST]]
    notes = [_NOTHING_RANDOM if request.facts.mode == "greedy" else _BY_CHANCE]
    if len(pairs) > _MOST:
        notes.append(f"{len(pairs) - _MOST} more pairs of settings stand in the table.")
    height = sum(_AROUND + _ROW * len(rows) for rows in rates)
    drawn = new_figure(request, height, notes=notes, acceptance=pd.concat(rates))
    panels = drawn.subplots(
        len(rates), 1, squeeze=False, height_ratios=[_AROUND + _ROW * len(rows) for rows in rates]
    ).ravel()
    for axes, of in zip(panels, pairs, strict=False):
        _draw_pair(axes, of, greedy=request.facts.mode == "greedy")
    return drawn


def _draw_pair(axes: Axes, of: pd.DataFrame, *, greedy: bool) -> None:
    rows = _rows(of, _RATE)
    values = [rows[f"{side}_{end}"] for side in _SIDES for end in ("value", "low", "high")]
    for side, (marker, colour, aside) in _SIDES.items():
        axes.hlines(
            rows.index + aside, rows[f"{side}_low"], rows[f"{side}_high"], color=colour, linewidth=1.1
        )
        axes.plot(rows[f"{side}_value"], rows.index + aside, marker, color=colour, markersize=3.6)
    axes.set_yticks(range(len(rows)), marked_names(rows))
    finite = np.concatenate(values).astype(np.float64)
    axes.set(xlabel="acceptance rate", xlim=padded(finite, least=0.02), ylim=(-0.7, len(rows) - 0.3))
    axes.axhline((rows["grouping"] == OVERALL).sum() - 0.5, color=MUTED, linewidth=0.6)
    if not np.isfinite(finite).any():
        nothing(axes, "nothing judged")
    _write_scores(axes, of, rows, greedy=greedy)
    handles = [
        Line2D([], [], marker=m, color=c, linewidth=1.1, markersize=3.6) for m, c, _ in _SIDES.values()
    ]
    names = [shown(str(of[side].iloc[0]), longest=26) for side in _SIDES]
    labels = [f"{how}: {name}" for how, name in zip(("replay", "real"), names, strict=True)]
    legend(axes, handles, labels, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderaxespad=0.2)


def _rows(of: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Return a quantity's rows from the bottom: all prompts, then the groups, the first at the top."""
    chosen = of[of["quantity"] == quantity]
    is_overall = chosen["grouping"] == OVERALL
    return pd.concat([chosen[is_overall], chosen[~is_overall][::-1]]).reset_index(drop=True)


def _write_scores(axes: Axes, of: pd.DataFrame, rows: pd.DataFrame, *, greedy: bool) -> None:
    """Write how many prompts were compared and by how much both sides differ, level with each group."""
    top = len(rows) - 0.05
    if greedy:
        write_beside(axes, top, ("prompts", "differ", "in drafted"), _GREEDY_COLUMNS, MUTED)
        for place, (_, row) in enumerate(rows.iterrows()):
            counts = (row["n_prompts"], row["n_prompts_differ"], row["n_prompts_differ_drafted"])
            words = [f"{n:,.0f}" if np.isfinite(n) else "–" for n in counts]
            write_beside(axes, place, words, _GREEDY_COLUMNS, INK)
        return
    scores = [_rows(of, quantity)["z"] for quantity in _SCORES if (of["quantity"] == quantity).any()]
    heads = [name for quantity, name in _SCORES.items() if (of["quantity"] == quantity).any()]
    columns = _COLUMNS[: 1 + len(heads)]
    write_beside(axes, top, ["prompts", *heads], columns, MUTED)
    for place, (_, row) in enumerate(rows.iterrows()):
        words = [f"{row['n_prompts']:,.0f}", *(_score(z.iloc[place]) for z in scores)]
        write_beside(axes, place, words, columns, INK)


def _score(z: float) -> str:
    return signed(z) if np.isfinite(z) else "–"
