"""Writes what may be claimed of a cell's groups: intervals, the test of all gaps, and what lies behind it."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from specgap.blocks import Statistics
from specgap.config import OVERALL
from specgap.layout import table_file
from specgap.prompts import PromptSet
from specgap.tables.acceptance import Mode
from specgap.tables.adjusted import Measures, adjusted_differences
from specgap.tables.counts import Counts, total
from specgap.tables.differences import group_differences
from specgap.tables.distances import distances, distributions
from specgap.tables.from_state import CellCounts
from specgap.tables.gap_test import compare, gap_null, gap_test, power_table
from specgap.tables.intervals import intervals
from specgap.tables.layout import SAME_AS_STRATA, entries
from specgap.tables.membership import Group, groups_in
from specgap.tables.mixed import mixed_model
from specgap.tables.names import has_table
from specgap.tables.standardised import standardised_acceptance
from specgap.tables.terms import terms
from specgap.tables.variance import variance
from specgap.tables.write import about, write_with_tex


@dataclass(frozen=True)
class Compared:
    """What the tables of all cells of a study share."""

    prompts: PromptSet
    statistics: Statistics
    seed: int
    #: Length in tokens and mean log-probability under the target, by prompt.
    measures: Measures


def write_inference_tables(folder: Path, *, counts: CellCounts, study: Compared, mode: Mode) -> list[Path]:
    """Write the tables of every grouping; return the paths of `names.inference_table_names`."""
    prompts, written = study.prompts, []
    for grouping in (*prompts.groupings, OVERALL):
        frames = _frames(counts, grouping, groups_in(prompts, grouping), study, mode)
        for name, frame in frames.items():
            path = table_file(folder, name, grouping, main=prompts.groupings[0])
            written += write_with_tex(path, name, frame, about(prompts, mode))
    return written


def _frames(
    counts: CellCounts, grouping: str, groups: list[Group], study: Compared, mode: Mode
) -> dict[str, pd.DataFrame]:
    """Return the tables of a grouping that `names.has_table` says it has, in their order."""
    found = entries(groups, counts.prompts)
    frames = {"intervals": intervals(groups, found, mode=mode, discarded=counts.discarded)}
    if grouping == OVERALL:
        return frames
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
    frames |= {
        "group_differences": group_differences(groups, totals, test.gaps, mode=mode),
        "gap_test": gap_test(test),
        "gap_null": gap_null(test),
        "power": power_table(test),
        "terms": terms(groups, found, mode=mode),
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
        "variance": variance(groups, found, counts.samples, mode=mode),
    }
    if has_table("mixed_model", grouping, study.prompts.groupings):
        frames["mixed_model"] = mixed_model(groups, found, mode=mode)
    return frames
