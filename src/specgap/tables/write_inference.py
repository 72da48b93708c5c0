"""Writes what may be claimed of a cell's groups: intervals, the test of all gaps, and what lies behind it."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from specgap.blocks import Statistics
from specgap.config import OVERALL
from specgap.layout import table_file
from specgap.prompts import PromptSet
from specgap.tables.acceptance import Mode
from specgap.tables.adjusted import Measures, adjusted_differences
from specgap.tables.cell import CellCounts
from specgap.tables.comparison import compare
from specgap.tables.counts import Counts, PromptCounts, total
from specgap.tables.differences import group_differences
from specgap.tables.distances import distances, distributions
from specgap.tables.gap_test import gap_null, gap_test, power_table
from specgap.tables.intervals import intervals
from specgap.tables.layout import SAME_AS_STRATA, Entries, entries
from specgap.tables.membership import Group, groups_in
from specgap.tables.mixed import mixed_model
from specgap.tables.names import INFERENCE_TABLES, has_table
from specgap.tables.standardised import standardised_acceptance
from specgap.tables.terms import terms
from specgap.tables.variance import variance
from specgap.tables.write import about, write_groupings, write_with_tex


@dataclass(frozen=True)
class Compared:
    """What the tables of all cells of a study share."""

    prompts: PromptSet
    statistics: Statistics
    seed: int
    #: Length in tokens and mean log-probability under the target, by prompt; none where no model was run.
    measures: Measures = field(default_factory=dict)


def write_inference_tables(folder: Path, *, counts: PromptCounts, study: Compared, mode: Mode) -> list[Path]:
    """Write the tables of every grouping; return the paths of `names.inference_table_names`.

    Counts that are no `CellCounts` have those alone that rest on counts of prompts.
    """
    prompts, written = study.prompts, []
    for grouping in (*prompts.groupings, OVERALL):
        groups = groups_in(prompts, grouping)
        found = entries(groups, counts.prompts)
        frames = {"intervals": intervals_of(counts, groups, found, mode)}
        if grouping != OVERALL:
            frames |= _tested(counts, grouping, groups, found, study, mode)
            if isinstance(counts, CellCounts):
                frames |= _of_tokens(counts, grouping, groups, found, study, mode)
        for name in (table for table in INFERENCE_TABLES if table in frames):
            path = table_file(folder, name, grouping, main=prompts.groupings[0])
            written += write_with_tex(path, name, frames[name], about(prompts, mode))
    return written


def write_intervals(folder: Path, *, counts: PromptCounts, prompts: PromptSet, mode: Mode) -> list[Path]:
    """Write `intervals.csv` of every grouping; return the paths."""

    def table(groups: list[Group]) -> pd.DataFrame:
        return intervals_of(counts, groups, entries(groups, counts.prompts), mode)

    return write_groupings(folder, "intervals", table, prompts=prompts, mode=mode)


def intervals_of(counts: PromptCounts, groups: list[Group], found: Entries, mode: Mode) -> pd.DataFrame:
    """Return the table of rates with both intervals, of what the counts know."""
    return intervals(groups, found, mode=mode, discarded=counts.discarded, has_tokens=counts.has_tokens)


def _tested(
    counts: PromptCounts, grouping: str, groups: list[Group], found: Entries, study: Compared, mode: Mode
) -> dict[str, pd.DataFrame]:
    """Return what follows from counts of prompts, of the tables that `names.has_table` says there are."""
    totals = [total(counts.prompts.get(prompt, Counts()) for prompt in group.prompts) for group in groups]
    test = compare(
        grouping,
        groups,
        found,
        mode=mode,
        permutations=study.statistics.permutations,
        seed=study.seed,
        small_gap=study.statistics.small_gap,
    )
    frames = {
        "group_differences": group_differences(groups, totals, test.gaps, mode=mode),
        "gap_test": gap_test(test),
        "gap_null": gap_null(test),
        "power": power_table(test),
        "terms": terms(groups, found, mode=mode),
        "variance": variance(groups, found, counts.samples, mode=mode),
    }
    if has_table("mixed_model", grouping, study.prompts.groupings):
        frames["mixed_model"] = mixed_model(groups, found, mode=mode)
    return frames


def _of_tokens(
    counts: CellCounts, grouping: str, groups: list[Group], found: Entries, study: Compared, mode: Mode
) -> dict[str, pd.DataFrame]:
    """Return what needs more than that: p and q, draft positions, and how hard the text is."""
    return {
        "distances": distances(
            counts.unit_histograms,
            grouping,
            groups,
            mode=mode,
            seed=study.seed,
            permutations=study.statistics.permutations,
            within_strata=SAME_AS_STRATA not in found.notes,
        ),
        "distributions": distributions(counts.unit_histograms, grouping, groups, mode=mode),
        "adjusted_differences": adjusted_differences(groups, found, study.measures, mode=mode),
        "standardised_acceptance": standardised_acceptance(groups, found, counts.positions, mode=mode),
    }
