"""Counts of a server say what the same counts say where specgap traced them; what needs more is left out."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from specgap.blocks import Statistics
from specgap.config import parse
from specgap.figures.plan import figures_of
from specgap.figures.spec import load_specs
from specgap.layout import Cell
from specgap.prompts import load_prompts, read_counts
from specgap.simulate import World
from specgap.tables.counts import PromptCounts
from specgap.tables.csv import read_table
from specgap.tables.from_state import cell_counts
from specgap.tables.intervals import QUANTITIES
from specgap.tables.names import count_table_names
from specgap.tables.served import served_counts
from specgap.tables.write import write_acceptance_tables
from specgap.tables.write_inference import Compared, write_inference_tables
from tests.support.sandbox import ROOT
from tests.support.served_files import write_counts

WORLD = World(terms=(("a", 4), ("b", 3), ("c", 1)), templates=3, term_sd=0.3)
STATISTICS = Statistics(permutations=199)
CONFIG = {"collector": "counts", "pairs": {"p": {"target": "a", "draft": "b", "counts": "c.csv"}}}


def written(folder: Path, counts: PromptCounts, prompts: object) -> dict[str, pd.DataFrame]:
    shared = Compared(prompts, STATISTICS, 1)  # type: ignore[arg-type]
    paths = write_acceptance_tables(
        folder, counts=counts, prompts=shared.prompts, mode="sampled", cost_ratio=None
    )
    paths += write_inference_tables(folder, counts=counts, study=shared, mode="sampled")
    return {path.name: read_table(path) for path in paths if path.suffix == ".csv"}


@pytest.mark.parametrize("drafted", [True, False])
def test_the_tables_are_those_of_the_traced_study(tmp_path: Path, drafted: bool) -> None:
    known = cell_counts(WORLD.state(3))
    file = tmp_path / "c.csv"
    write_counts(file, WORLD.prompts, known.prompts, drafted=drafted)
    raw = {**CONFIG, "pairs": {"p": {"target": "a", "draft": "b", "counts": str(file)}}}
    prompts = load_prompts(parse(raw, source="c.yaml"))
    served = written(
        tmp_path / "served", served_counts(read_counts(file, name="c.csv", groupings=["group"])), prompts
    )
    # The same prompts, whose grouping, unit and block bear the names of the file's columns.
    known = replace(known, discarded="counted" if drafted else "unknown")
    traced = written(tmp_path / "traced", known, prompts)
    assert sorted(served) == sorted(name for name in count_table_names(["group"]) if name.endswith(".csv"))
    needs_tokens = [name for name, quantity in QUANTITIES.items() if quantity.tokens]
    missing = [*needs_tokens, *([] if drafted else ["draft_acceptance_rate", "gamma_mean"])]
    for name, table in served.items():
        other = traced[name]
        if name.startswith("intervals"):
            other = other[~other["quantity"].isin(missing)].reset_index(drop=True)
        if name.startswith("acceptance"):
            columns = ["acceptance_rate", "acceptance_rate_prompt_mean", "block_efficiency", "n_judged"]
            assert table[["overlap", "surer_rate", "severity", "share_cut"]].isna().all().all()
            assert table["draft_acceptance_rate"].notna().all() == drafted
            table, other = table[columns], other[columns]
        pd.testing.assert_frame_equal(table, other, check_exact=True)


def test_figures_that_need_tokens_are_left_out() -> None:
    study = parse(CONFIG, source="c.yaml")
    specs = load_specs(ROOT / "config/figures.yaml")
    plan = figures_of(specs, study, Cell("p", "sampled", "served"), ["a", "b"])
    assert set(plan) == {
        "forest", "group_differences", "largest_gap", "power", "term_dots", "variance",
    }  # fmt: skip
