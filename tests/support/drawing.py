"""Figures of synthetic cells, drawn in memory or into a folder."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from specgap.figures.draw import draw
from specgap.figures.facts import CellFacts, counted_in_cell, counted_over_pairs, counted_over_settings
from specgap.figures.spec import Spec, load_specs
from tests.support.synthetic_pairs import write_pairs
from tests.support.synthetic_tables import HONEST_LIKE, write_cell, write_settings

FIGURES_YAML = Path(__file__).parents[2] / "config" / "figures.yaml"
SPECS: Mapping[str, Spec] = {spec.id: spec for spec in load_specs(FIGURES_YAML)}


def facts_of(
    tables: Path, *, mode: str = "sampled", setting: str = "heuristic-5", **more: object
) -> CellFacts:
    """Return the facts of a synthetic cell; over all settings where `setting` is `all`."""
    counted = counted_over_settings(tables) if setting == "all" else counted_in_cell(tables)
    return CellFacts(
        pair="demo",
        target="models/big",
        draft="models/small",
        decoding=mode,
        mode=mode,
        setting=setting,
        grouping="category",
        **{**vars(counted), **more},
    )


def cell(folder: Path, groups: Mapping[str, tuple[int, int]] = HONEST_LIKE, **how: object) -> Path:
    """Write the tables of a cell, over settings (in `all`) and over pairs (in `pairs`); return it."""
    write_cell(folder, groups, **how)
    over_pairs = {key: how[key] for key in ("mode", "empty", "per_prompt") if key in how}
    write_pairs(folder / "pairs", groups, **over_pairs)
    over_settings = {key: how[key] for key in ("mode", "empty") if key in how}
    write_settings(folder / "all", groups, **over_settings)
    return folder


def figure(identifier: str, tables: Path, group: str | None = None, **facts: object) -> Figure:
    """Draw one figure of `config/figures.yaml` from the tables of `cell`."""
    spec = SPECS[identifier]
    if spec.scope == "pairs":
        return pairs_figure(tables / "pairs", **facts)
    over_settings = spec.scope == "settings"
    folder = tables / "all" if over_settings else tables
    about = facts_of(folder, setting="all" if over_settings else "heuristic-5", **facts)
    return draw(spec, group, tables_folder=folder, facts=about)


def pairs_figure(tables: Path, **more: object) -> Figure:
    """Draw the pairs side by side from the tables of `write_pairs`."""
    return draw(SPECS["pairs_overview"], None, tables_folder=tables, facts=pairs_facts(tables, **more))


def pairs_facts(
    tables: Path, *, targets: int = 1, drafts: int = 2, mode: str = "sampled", **more: object
) -> CellFacts:
    """Return the facts of a synthetic cell over pairs."""
    about: dict[str, object] = {"setting": "heuristic-5", **vars(counted_over_pairs(tables)), **more}
    return CellFacts(
        pair="all",
        target=f"{targets} target{'s' * (targets != 1)}",
        draft=f"{drafts} drafts",
        decoding=mode,
        mode=mode,
        grouping="category",
        **about,  # type: ignore[arg-type]
    )


def texts(drawn: Figure) -> str:
    """Return every text of a figure, one a line."""
    return "\n".join(text.get_text() for text in drawn.findobj(lambda artist: hasattr(artist, "get_text")))
