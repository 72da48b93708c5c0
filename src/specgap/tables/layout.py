"""The prompts of a grouping as `specgap.stats` wants them: arrays with an entry per group and prompt."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from specgap.stats.layout import Floats, Ints, Layout, Sums
from specgap.tables.counts import Counts
from specgap.tables.membership import Group

SAME_AS_STRATA = "groups are strata of their own: compared without strata"
_NOTHING = Counts()


@dataclass(frozen=True)
class Entries:
    """A layout with the prompt and the counts behind each of its entries."""

    layout: Layout
    prompts: tuple[int, ...]
    counts: tuple[Counts, ...]
    #: What a reader must know of the comparison.
    notes: tuple[str, ...]

    def sums(self, part: Callable[[Counts], float], whole: Callable[[Counts], float]) -> Sums:
        """Return numerator and denominator of a rate for each entry."""
        return Sums(_floats(map(part, self.counts)), _floats(map(whole, self.counts)))


def entries(groups: Sequence[Group], counts: Mapping[int, Counts]) -> Entries:
    """Return the entries of a grouping's groups; a prompt that was not counted has nothing judged."""
    rows = [(k, row) for k, group in enumerate(groups) for row in group.rows.values()]
    has_terms = any(group.has_terms for group in groups)
    has_templates = any(group.has_templates for group in groups)
    strata, stratum = _numbered(row.stratum or "" for _, row in rows)
    group = np.array([k for k, _ in rows], dtype=np.int64)
    units, unit = _numbered((k, name) for k, one in enumerate(groups) for name in one.unit_names)
    notes = _unit_notes([key for _, key in units]) if has_terms else []
    if len(groups) > 1 and len(strata) > 1 and not _shared(group, stratum):
        strata, stratum = [""], np.zeros_like(stratum)
        notes.append(SAME_AS_STRATA)
    block = None
    if has_templates:
        # A prompt without a template is a block of its own.
        keys = ((row.template if row.template is not None else row.prompt, row.stratum) for _, row in rows)
        _, block = _numbered(keys)
    layout = Layout(
        groups=tuple(one.name for one in groups),
        strata=tuple(map(str, strata)) or ("",),
        units=tuple(str(term) for _, term in units),
        group=group,
        stratum=stratum,
        unit=unit,
        block=block,
        has_terms=has_terms,
    )
    prompts = tuple(row.prompt for _, row in rows)
    return Entries(layout, prompts, tuple(counts.get(one, _NOTHING) for one in prompts), tuple(notes))


def judged_sums(found: Entries) -> Sums:
    """Return accepted and judged tokens, whose ratio is the acceptance rate."""
    return found.sums(lambda n: n.accepted, lambda n: n.judged)


def _unit_notes(keys: Sequence[str | int]) -> list[str]:
    """Say which units are not like the others: prompts without a term, and terms of several groups."""
    without = sum(isinstance(key, int) for key in keys)
    shared = sum(n > 1 for n in Counter(keys).values())
    notes = [f"prompts without a term are units of their own: {without}"] if without else []
    return notes + ([f"terms in several groups are units in each: {shared}"] if shared else [])


def _shared(group: Ints, stratum: Ints) -> bool:
    """Return whether any stratum holds two groups."""
    pairs = np.unique(np.stack([stratum, group]), axis=1)[0]
    return bool((np.bincount(pairs) > 1).any())


def _numbered(keys: Iterable[Hashable]) -> tuple[list[Any], Ints]:
    """Return the distinct keys in order of appearance, and each key's number."""
    numbers: dict[Hashable, int] = {}
    index = np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
    return list(numbers), index


def _floats(values: Iterable[float]) -> Floats:
    return np.fromiter(values, dtype=np.float64)
