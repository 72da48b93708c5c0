"""Counts per prompt that a server kept: a CSV with a row for each prompt, group and sample.

Columns: `prompt` (a text or an id), a group, maybe `unit`, `block`, `sample` and more columns to group by,
and whole numbers: `accepted`, `judged`, `rounds`, `emitted`, maybe `drafted`. A prompt of several groups has
a row in each, with the same numbers.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

from specgap.errors import PromptError
from specgap.prompts.ids import prompt_id
from specgap.prompts.readers import read_table
from specgap.prompts.tabular import Place, Table, shortened

#: Column of the prompt's text or id; a sample of it, where there are several.
PROMPT, SAMPLE = "prompt", "sample"
_WANTED = ("accepted", "judged", "rounds", "emitted")
_DRAFTED = "drafted"
#: Sums of so many are exact in float64.
_MOST = 2**40


@dataclass(frozen=True)
class Served:
    """What was counted for one sample of a prompt; `drafted` is None where the file has no such column."""

    prompt: int
    accepted: int
    judged: int
    rounds: int
    emitted: int
    drafted: int | None


def read_counts(path: Path, *, name: str, groupings: Sequence[str]) -> list[Served]:
    """Read a file of counts, each sample of a prompt once; `name` is what errors call it.

    `groupings` are the columns that say in which groups a row stands: a prompt has the same samples in each.
    Raises a `PromptError` of one sentence for numbers that cannot be, and for rows that contradict another.
    """
    table = read_table(path, name=name, kind="auto")
    numbers = [*_WANTED, *([_DRAFTED] if _DRAFTED in table.columns else [])]
    for column in (PROMPT, *_WANTED):
        table.require(column, role="counts")
    counted = zip(*(_whole(table, column) for column in numbers), strict=True)
    columns = [column for column in groupings if column in table.columns]
    groups = zip(*(table.labels(column) for column in columns), strict=True) if columns else repeat(())
    keys = zip(table.labels(PROMPT), _samples(table), strict=True)
    found: dict[tuple[str, str], Served] = {}
    seen: dict[str, dict[tuple[str, ...], dict[str, Place]]] = {}
    for place, key, group, row in zip(table.places, keys, groups, counted, strict=False):
        accepted, judged, rounds, emitted, *drafted = row
        one = Served(prompt_id(key[0]), accepted, judged, rounds, emitted, drafted[0] if drafted else None)
        _check(one, place)
        samples = seen.setdefault(key[0], {}).setdefault(group, {})
        if samples.setdefault(key[1], place) is not place:
            raise PromptError(
                f"{place}: {shortened(key[0])} a second time; wanted each prompt once in a group, or a "
                f"column {SAMPLE!r} that tells its samples apart"
            )
        if found.setdefault(key, one) != one:
            raise PromptError(
                f"{place}: {shortened(key[0])} has other counts than in another of its groups; wanted the "
                "same, or prompts named apart"
            )
    _check_samples(seen)
    return list(found.values())


def _check_samples(seen: Mapping[str, Mapping[tuple[str, ...], Mapping[str, Place]]]) -> None:
    """Refuse a prompt with one sample in this group and another in that: it would count for both."""
    for prompt, of_groups in seen.items():
        every = {sample: place for samples in of_groups.values() for sample, place in samples.items()}
        for group, samples in of_groups.items():
            for sample, place in every.items():
                if sample not in samples:
                    raise PromptError(
                        f"{place}: {shortened(prompt)} has sample {sample!r} here and not in group "
                        f"{', '.join(group)}; wanted every sample in each group of a prompt, or prompts "
                        "named apart"
                    )


def _samples(table: Table) -> list[str]:
    return list(table.labels(SAMPLE)) if SAMPLE in table.columns else [""] * len(table.places)


def _whole(table: Table, column: str) -> list[int]:
    found = []
    for cell, place in zip(table.columns[column], table.places, strict=True):
        text = str(cell) if isinstance(cell, int) and not isinstance(cell, bool) else cell
        if not isinstance(text, str) or not re.fullmatch(r"[0-9]{1,13}", text) or int(text) > _MOST:
            raise PromptError(
                f"{place}: {column!r} is {shortened(cell)}; wanted a whole number from 0 to {_MOST:,}"
            )
        found.append(int(text))
    return found


def _check(one: Served, place: Place) -> None:
    """Refuse counts that no rounds can have: of each round at most one token is rejected.

    A round emits one token beside those accepted; servers count the first token of a request too, and a row
    may be several requests of a round or more each.
    """
    most = one.accepted + 2 * one.rounds + 1
    rejected = one.judged - one.accepted
    for is_wrong, what in (
        (rejected < 0, f"{one.accepted} accepted of {one.judged} judged tokens; wanted no more than judged"),
        (
            rejected > one.rounds,
            f"{rejected} rejected tokens (judged − accepted) in {one.rounds} rounds; wanted at most one a "
            "round: tokens drafted after the first rejection were never judged",
        ),
        (
            one.emitted < one.accepted,
            f"{one.emitted} emitted of {one.accepted} accepted tokens; wanted no fewer than accepted",
        ),
        (
            one.accepted > 0 and not one.rounds,
            f"{one.accepted} accepted tokens in 0 rounds; wanted the number of verified drafts",
        ),
        (
            one.emitted > most,
            f"{one.emitted} emitted tokens of {one.accepted} accepted in {one.rounds} rounds; wanted at most "
            f"{most}: a round emits one token beside the accepted ones",
        ),
        (
            one.drafted is not None and one.drafted < one.judged,
            f"{one.drafted} drafted of {one.judged} judged tokens; wanted no fewer than judged",
        ),
    ):
        if is_wrong:
            raise PromptError(f"{place}: {what}")
