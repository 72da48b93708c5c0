"""Which figures a cell has, under which file names, and which source files each rests on. No heavy import."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from specgap.config import Study
from specgap.errors import ConfigError
from specgap.figures.columns import KINDS
from specgap.figures.spec import Mode, Spec
from specgap.layout import ALL_PAIRS, ALL_SETTINGS, Cell, compared_cells
from specgap.names import file_name
from specgap.tables.names import TIMING_TABLES, cell_tables, settings_tables

_FOLDER = Path(__file__).parent
#: Source files that every figure rests on.
_SHARED = (
    "beside.py",
    "draw.py",
    "facts.py",
    "frame.py",
    "groups.py",
    "paper.mplstyle",
    "registry.py",
    "save.py",
    "style.py",
    "text.py",
    "visible.py",
    "zones.py",
    "../tables/headline.py",
)

_TWO_INTERVALS = ("two_intervals.py", "../stats/clusters.py", "../stats/layout.py")
#: What a kind's module imports beside those.
_ALSO = {
    "best": ("../tables/best.py",),
    "forest": _TWO_INTERVALS,
    "group_differences": ("tested.py", "../stats/claims.py"),
    "largest": ("difference.py", "tested.py"),
    "largest_gap": ("tested.py",),
    "pairs": (*_TWO_INTERVALS, "../stats/claims.py"),
    "power": ("tested.py",),
    "surer": _TWO_INTERVALS,
}

#: A file name without its ending, to the figure's entry and its group (None where it shows all groups).
Plan = dict[str, tuple[Spec, str | None]]


def applies(spec: Spec, mode: Mode) -> bool:
    """Say whether a figure means anything under a decoding mode (`calibration` does not under greedy)."""
    return mode in spec.modes


def figures_of_cell(
    specs: Iterable[Spec], groups: Sequence[str], mode: Mode, tables: Collection[str] | None = None
) -> Plan:
    """Return the figures of one pair × decoding × setting: those that `tables` allow, if given.

    `groups` are those of the main grouping.
    """
    plan: Plan = {}
    for spec in specs:
        if spec.scope in ("settings", "pairs") or not (applies(spec, mode) and _has_tables(spec, tables)):
            continue
        if spec.scope == "cell":
            plan[spec.id] = (spec, None)
        else:
            plan |= {f"{spec.id}_{file_name(group)}": (spec, group) for group in groups}
    return plan


def figures_of_settings(specs: Iterable[Spec], mode: Mode, tables: Collection[str] | None = None) -> Plan:
    """Return the figures over all settings of one pair × decoding: those that `tables` allow, if given."""
    return {
        spec.id: (spec, None)
        for spec in specs
        if spec.scope == "settings" and applies(spec, mode) and _has_tables(spec, tables)
    }


def figures_of_pairs(specs: Iterable[Spec], mode: Mode) -> Plan:
    """Return the figures over all pairs of one decoding and setting."""
    return {spec.id: (spec, None) for spec in specs if spec.scope == "pairs" and applies(spec, mode)}


def _has_tables(spec: Spec, tables: Collection[str] | None) -> bool:
    return tables is None or {table.split("--")[0] for table in spec.tables} <= set(tables)


def figures_of(
    specs: Iterable[Spec], study: Study, cell: Cell, groups: Sequence[str], *, by_name: bool = False
) -> Plan:
    """Return the figures that a run draws of a study's cell, which may be one over all settings or all pairs.

    With `by_name`, all that are drawn when asked for by name: those of measured times too, and the whole set
    of every setting.
    """
    mode = study.decodings[cell.decoding].mode
    specs = list(specs) if by_name else drawn_specs(specs, study, cell)
    chosen = [spec for spec in specs if not (spec.needs_tokens and study.collector == "counts")]
    if cell.pair == ALL_PAIRS:
        return figures_of_pairs(chosen, mode) if cell in compared_cells(study) else {}
    if cell.setting != ALL_SETTINGS:
        return figures_of_cell(chosen, groups, mode, cell_tables(study))
    tables = [*settings_tables(study, cell.decoding), *(TIMING_TABLES if by_name else ())]
    return figures_of_settings(chosen, mode, tables)


def drawn_specs(specs: Iterable[Spec], study: Study, cell: Cell) -> list[Spec]:
    """Return the entries of which a run draws figures of a cell, where the cell has their tables."""
    whole = has_whole_set(study, cell)
    return [spec for spec in specs if not spec.timing and (whole or spec.every_setting)]


def has_whole_set(study: Study, cell: Cell) -> bool:
    """Say whether a cell has every figure; if not, it has those that every setting has."""
    whole = [setting.name for setting in study.whole_settings_of(cell.decoding)]
    return cell.setting in (ALL_SETTINGS, *whole)


def index_name(study: Study, cell: Cell) -> str:
    """Return the name of the file that lists a cell's figures: one of its own where they are few.

    Snakemake compares nothing of a job that has an output it never made, but runs one whose index is missing:
    where few figures become the whole set, it is.
    """
    return "index.json" if has_whole_set(study, cell) else "index-few.json"


def named(plan: Plan, stem: str) -> tuple[Spec, str | None]:
    """Return the figure that has this file name (without ending); a `ConfigError` lists those there are."""
    if stem not in plan:
        wanted = f"wanted one of {', '.join(plan)}" if plan else "this study has none there"
        raise ConfigError(f"there is no figure {stem!r}; {wanted}")
    return plan[stem]


def code_files(kind: str) -> list[Path]:
    """Return the source files that a figure of this kind rests on."""
    module = KINDS[kind]
    names = {*_SHARED, f"{module}.py", *_ALSO.get(module, ())}
    return [(_FOLDER / name).resolve() for name in sorted(names)]


def table_files(spec: Spec, folder: Path) -> list[Path]:
    """Return the CSV files in `folder` that a figure reads."""
    return [folder / f"{table}.csv" for table in spec.tables]
