"""The figures of a study's cells: which there are, the facts they bear, and where they lie."""

from collections.abc import Iterable
from pathlib import Path

from specgap.config import Study
from specgap.figures.draw import Outcome, draw_many, draw_one
from specgap.figures.facts import (
    CellFacts,
    Counted,
    counted_in_cell,
    counted_over_pairs,
    counted_over_settings,
    timed_setting,
)
from specgap.figures.plan import figures_of, index_name, named
from specgap.figures.spec import Spec
from specgap.gather import so_far
from specgap.layout import ALL_PAIRS, ALL_SETTINGS, Cell, compared_pairs, kind_folder
from specgap.prompts import PromptSet


def cell_facts(study: Study, cell: Cell, prompts: PromptSet, *, only: str | None = None) -> CellFacts:
    """Return the facts that stand in every figure of a cell; its tables have been written.

    `only` names the one setting that a figure in the folder of all settings is about.
    """
    tables = kind_folder(Path(study.results), "tables", cell)
    counted = _counted(cell, tables, only)
    target, draft = _models(study, cell)
    return CellFacts(
        pair=cell.pair,
        target=target,
        draft=draft,
        decoding=cell.decoding,
        mode=study.decodings[cell.decoding].mode,
        setting=only or cell.setting,
        grouping=prompts.groupings[0],
        n_prompts=counted.n_prompts,
        n_judged=counted.n_judged,
        acceptance_rate=counted.acceptance_rate,
        acceptance_rate_to=counted.acceptance_rate_to,
        n_settings=counted.n_settings,
        n_pairs=counted.n_pairs,
        over_confident_ratio=study.over_confident_ratio,
        pilot=prompts.pilot,
        partial=_so_far(study, cell, prompts) if study.partial else "",
    )


def _counted(cell: Cell, tables: Path, only: str | None) -> Counted:
    if cell.pair == ALL_PAIRS:
        return counted_over_pairs(tables)
    return (
        counted_over_settings(tables, only=only) if cell.setting == ALL_SETTINGS else counted_in_cell(tables)
    )


def _models(study: Study, cell: Cell) -> tuple[str, str]:
    """Return what target and draft of a cell are called, or how many its pairs have."""
    if cell.pair != ALL_PAIRS:
        pair = study.pairs[cell.pair]
        return pair.target.name, pair.draft.name
    pairs = [study.pairs[name] for name in compared_pairs(study, cell.decoding)]
    by_role = ([pair.target for pair in pairs], [pair.draft for pair in pairs])
    n, m = (len({model.model_dump_json() for model in models}) for models in by_role)
    return f"{n} target{'s' * (n != 1)}", f"{m} draft{'s' * (m != 1)}"


def _so_far(study: Study, cell: Cell, prompts: PromptSet) -> str:
    if cell.pair != ALL_PAIRS:
        return so_far(study, cell, prompts)
    cells = [Cell(pair, cell.decoding, cell.setting) for pair in compared_pairs(study, cell.decoding)]
    return ", ".join(f"{one.pair}: {so_far(study, one, prompts)}" for one in cells)


def draw_cell(study: Study, cell: Cell, prompts: PromptSet, specs: Iterable[Spec]) -> Outcome:
    """Draw those of a cell's figures that have changed, and write their index."""
    folder = kind_folder(Path(study.results), "figures", cell)
    return draw_many(
        figures_of(specs, study, cell, prompts.groups_of(prompts.groupings[0])),
        folder,
        tables_folder=kind_folder(Path(study.results), "tables", cell),
        facts=cell_facts(study, cell, prompts),
        index=folder / index_name(study, cell),
    )


def draw_named(study: Study, cell: Cell, prompts: PromptSet, specs: Iterable[Spec], stem: str) -> None:
    """Draw the one figure of a cell that has this file name (without ending)."""
    plan = figures_of(specs, study, cell, prompts.groups_of(prompts.groupings[0]), by_name=True)
    spec, group = named(plan, stem)
    tables = kind_folder(Path(study.results), "tables", cell)
    only = timed_setting(tables) if spec.timing else None
    draw_one(
        stem,
        spec,
        group,
        kind_folder(Path(study.results), "figures", cell),
        tables_folder=tables,
        facts=cell_facts(study, cell, prompts, only=only),
    )
