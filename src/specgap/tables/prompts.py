"""`results/study/tables/prompts.csv`: how many prompts, terms and templates each group rests on."""

import pandas as pd

from specgap.config import OVERALL
from specgap.prompts import PromptSet
from specgap.tables.counts import Row, frame_of
from specgap.tables.membership import Group, groups_in

COLUMNS = (
    "grouping",
    "group",
    "n_prompts",
    "n_terms",
    "n_templates",
    "n_duplicates",
    "n_shared",
    "pilot",
    "note",
)


def prompts_by_group(prompts: PromptSet) -> pd.DataFrame:
    """Return the table: every group of every grouping, and all prompts together.

    `n_duplicates` counts rows of the group beyond the first of each text, `n_shared` prompts that are in
    another group of the same grouping too.
    """
    rows = []
    for grouping in (*prompts.groupings, OVERALL):
        groups = groups_in(prompts, grouping)
        rows += [_row(grouping, group, groups) for group in groups]
    return frame_of(rows, COLUMNS)


def _row(grouping: str, group: Group, groups: list[Group]) -> Row:
    elsewhere = {prompt for other in groups if other is not group for prompt in other.rows}
    n_shared = len(elsewhere & group.rows.keys())
    shared = [f"prompts in another group too: {n_shared}"] if n_shared else []
    return {
        "grouping": grouping,
        "group": group.name,
        "n_prompts": group.n_prompts,
        "n_terms": group.n_terms,
        "n_templates": group.n_templates,
        "n_duplicates": group.n_rows - group.n_prompts,
        "n_shared": n_shared,
        "pilot": group.pilot,
        "note": "; ".join([*group.notes, *shared]),
    }
