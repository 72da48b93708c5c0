"""Files of counts as a server's user would write them, from studies whose counts are known."""

import csv
from collections.abc import Mapping
from pathlib import Path

from specgap.prompts import PromptSet
from specgap.tables.counts import Counts


def write_counts(
    path: Path, prompts: PromptSet, counts: Mapping[int, Counts], *, drafted: bool = True
) -> None:
    """Write a row for each prompt and group of the main grouping."""
    main = prompts.groupings[0]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        head = ["prompt", "group", "unit", "block", "accepted", "judged", "rounds", "emitted"]
        writer.writerow([*head, *(["drafted"] if drafted else [])])
        for row in prompts.rows:
            n = counts.get(row.prompt, Counts())
            numbers = [n.accepted, n.judged, n.rounds, n.emitted, *([n.drafted] if drafted else [])]
            for group in row.groups[main]:
                writer.writerow([row.text, group, row.term, row.template, *numbers])
