"""Writes the tables over the pairs of a study: those of `names.pairs_table_names`."""

from collections.abc import Sequence
from pathlib import Path

from specgap.config import OVERALL
from specgap.prompts import PromptSet
from specgap.tables.acceptance import Mode
from specgap.tables.membership import groups_in
from specgap.tables.pairs import Counted, pair_differences, pairs_overview
from specgap.tables.write import about, write_with_tex


def write_pairs_tables(
    folder: Path, *, pairs: Sequence[Counted], prompts: PromptSet, mode: Mode
) -> list[Path]:
    """Write what the pairs of one decoding and setting come to, side by side.

    `pairs` are in the config's order, `prompts` those that the setting was traced on.
    """
    groupings = {name: groups_in(prompts, name) for name in (prompts.groupings[0], OVERALL)}
    frames = {
        "pairs_overview": pairs_overview(pairs, groupings, mode=mode),
        "pair_differences": pair_differences(pairs, groupings, mode=mode),
    }
    notes = about(prompts, mode)
    return [
        path
        for name, frame in frames.items()
        for path in write_with_tex(folder / f"{name}.csv", name, frame, notes)
    ]
