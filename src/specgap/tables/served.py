"""Counts of a server as the tables want them."""

from collections.abc import Iterable

from specgap.prompts import Served
from specgap.tables.counts import Counts, PromptCounts


def served_counts(rows: Iterable[Served]) -> PromptCounts:
    """Return counts of prompts, a row of `rows` being one sample of a prompt."""
    rows = list(rows)
    drafted = all(row.drafted is not None for row in rows)
    prompts: dict[int, Counts] = {}
    samples: dict[int, list[tuple[int, int]]] = {}
    for row in rows:
        one = Counts(
            rounds=row.rounds,
            emitted=row.emitted,
            accepted=row.accepted,
            rejected=row.judged - row.accepted,
            discarded=0 if row.drafted is None else row.drafted - row.judged,
        )
        prompts[row.prompt] = prompts.get(row.prompt, Counts()) + one
        samples.setdefault(row.prompt, []).append((row.accepted, row.judged))
    return PromptCounts(
        prompts=prompts, samples=samples, discarded="counted" if drafted else "unknown", has_tokens=False
    )
