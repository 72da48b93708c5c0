"""Writes what may be claimed of a cell's groups: intervals, the test of all gaps, and what lies behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import rust_agg
from specgap.blocks import Statistics
from specgap.config import OVERALL
from specgap.layout import table_file
from specgap.prompts import PromptSet
from specgap.tables.acceptance import Mode
from specgap.tables.adjusted import Measures, adjusted_differences
from specgap.tables.counts import Counts, total
from specgap.tables.differences import group_differences
from specgap.tables.distances import distances, distributions
from specgap.tables.from_state import (
    discarded_of,
    prompt_counts,
    prompt_positions,
    sample_counts,
    unit_histograms,
)
from specgap.tables.gap_test import compare, gap_null, gap_test, power_table
from specgap.tables.intervals import intervals
from specgap.tables.layout import SAME_AS_STRATA, entries
from specgap.tables.membership import Group, groups_in
from specgap.tables.mixed import mixed_model
from specgap.tables.names import has_table
from specgap.tables.standardised import standardised_acceptance
from specgap.tables.terms import terms
from specgap.tables.variance import variance
from specgap.tables.write import write_named


@dataclass(frozen=True)
class Compared:
    """What the tables of all cells of a study share."""

    prompts: PromptSet
    statistics: Statistics
    seed: int
    #: Length in tokens and mean log-probability under the target, by prompt.
    measures: Measures


def write_inference_tables(folder: Path, *, state: rust_agg.State, study: Compared, mode: Mode) -> list[Path]:
    """Write the tables of every grouping; return the paths of `names.inference_table_names`."""
    counts = prompt_counts(state)
    prompts, written = study.prompts, []
    for grouping in (*prompts.groupings, OVERALL):
        frames = _frames(state, grouping, groups_in(prompts, grouping), counts, study, mode)
        for name, frame in frames.items():
            if has_table(name, grouping, prompts.groupings):
                path = table_file(folder, name, grouping, main=prompts.groupings[0])
                written += write_named(path, name, frame, prompts, mode)
    return written


def _frames(
    state: rust_agg.State,
    grouping: str,
    groups: list[Group],
    counts: Mapping[int, Counts],
    study: Compared,
    mode: Mode,
) -> dict[str, pd.DataFrame]:
    found = entries(groups, counts)
    frames = {"intervals": intervals(groups, found, mode=mode, discarded=discarded_of(state))}
    if grouping == OVERALL:
        return frames
    units = unit_histograms(state)
    is_main = grouping == study.prompts.groupings[0]
    totals = [total(counts.get(prompt, Counts()) for prompt in group.prompts) for group in groups]
    test = compare(
        grouping,
        groups,
        found,
        mode=mode,
        permutations=study.statistics.permutations,
        seed=study.seed,
        small_gap=study.statistics.small_gap,
    )
    return frames | {
        "group_differences": group_differences(groups, totals, test.gaps, mode=mode),
        "gap_test": gap_test(test),
        "gap_null": gap_null(test),
        "power": power_table(test),
        "terms": terms(groups, found, mode=mode),
        "distances": distances(
            units,
            grouping,
            groups,
            mode=mode,
            seed=study.seed,
            permutations=study.statistics.permutations,
            within_strata=SAME_AS_STRATA not in found.notes,
        ),
        "distributions": distributions(units, grouping, groups, mode=mode),
        "adjusted_differences": adjusted_differences(groups, found, study.measures, mode=mode),
        "standardised_acceptance": standardised_acceptance(groups, found, prompt_positions(state), mode=mode),
        "variance": variance(groups, found, sample_counts(state), mode=mode),
        **({"mixed_model": mixed_model(groups, found, mode=mode)} if is_main else {}),
    }
