"""Where the variance of acceptance sits: between groups, terms, templates, prompts or samples."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from specgap.figures.beside import write_beside
from specgap.figures.frame import new_figure, nothing
from specgap.figures.registry import Request, Tables, figure
from specgap.figures.style import COLOURS, INK, MUTED

_SAID = {
    "group": "between groups",
    "term": "between terms of a group",
    "template": "between templates",
    "prompt": "between prompts, beyond term and template",
    "sample": "between samples of a prompt",
}
_GROUP, _OTHER = COLOURS[1], COLOURS[0]
#: Where the columns of words end, in points right of the panel.
_COLUMNS = (32, 72, 110)


@figure("variance")
def draw_variance(tables: Tables, request: Request) -> Figure:
    """Draw each component's share of the variance of per-sample rates, its SD in points beside it."""
    rows = tables["variance"]
    names = [_SAID.get(str(name), str(name)) for name in rows["component"]]
    drawn = new_figure(
        request,
        0.75 + 0.24 * max(len(rows), 1),
        notes=_notes(rows),
        acceptance=tables["acceptance"],
        marks=False,
    )
    axes = drawn.subplots()
    shares = 100 * rows["share"].to_numpy(dtype=np.float64)
    for place, (component, share) in enumerate(zip(rows["component"], shares, strict=True)):
        colour = _GROUP if component == "group" else _OTHER
        axes.barh(place, share if np.isfinite(share) else 0, height=0.55, color=colour)
        if np.isnan(share):
            axes.text(0.5, place, "not estimable", va="center", fontsize=6.2, color=MUTED)
    axes.set(
        xlabel="share of the variance of acceptance rates (%)",
        xlim=(0, max([*shares[shares >= 0], 10]) * 1.03),
    )
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(max(len(rows), 1) - 0.4, -0.9)
    axes.grid(visible=False, axis="y")
    _write_columns(axes, rows)
    if not np.isfinite(shares).any():
        nothing(axes, "no variance can be estimated", height=0.9)
    return drawn


def _write_columns(axes: Axes, rows: pd.DataFrame) -> None:
    write_beside(axes, -0.75, ("share", "SD (pp)", "levels"), _COLUMNS, MUTED)
    for place, (_, row) in enumerate(rows.iterrows()):
        cells = (
            _number(100 * row["share"], " %"),
            _number(row["sd_points"], "", decimals=1),
            _number(row["n_levels"], ""),
        )
        write_beside(axes, place, cells, _COLUMNS, INK)


def _number(value: float, unit: str, *, decimals: int = 0) -> str:
    return "–" if np.isnan(value) else f"{value:,.{decimals}f}{unit}"


def _notes(rows: pd.DataFrame) -> list[str]:
    """Return the table's notes, each once, behind the component it is about unless it is about all."""
    about: dict[str, list[str]] = {}
    for component, notes in zip(rows["component"], rows["note"], strict=True):
        for note in filter(None, str(notes).split("; ")):
            about.setdefault(note, []).append(str(component))
    return [
        f"{note}." if len(parts) == len(rows) else f"{', '.join(parts)}: {note}."
        for note, parts in about.items()
    ]
