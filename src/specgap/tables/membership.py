"""Which prompts, terms and templates a group has. Many to many: a text in two groups stands in both."""

from dataclasses import dataclass
from functools import cached_property

from specgap.config import OVERALL
from specgap.prompts import PromptSet, Row
from specgap.tables.headline import HEADLINE_UNITS

#: Name of the one group of the grouping `overall`.
ALL_PROMPTS = "all prompts"
#: What every table says where prompts name no terms.
PROMPTS_AS_UNITS = "units are prompts: nothing is said of terms like these"


@dataclass(frozen=True)
class Group:
    """One group of a grouping. Within it a prompt counts once; its first row has its term and template."""

    name: str
    rows: dict[int, Row]
    n_rows: int
    has_terms: bool
    has_templates: bool
    pilot: int | None

    @property
    def prompts(self) -> list[int]:
        """Ids of the group's distinct prompts, in listed order."""
        return list(self.rows)

    @property
    def n_prompts(self) -> int:
        """Number of distinct prompts."""
        return len(self.rows)

    @property
    def unit_names(self) -> list[str | int]:
        """The unit of each of `prompts`: its term; a prompt without one is a unit of its own, by its id."""
        return [prompt if row.term is None else row.term for prompt, row in self.rows.items()]

    @cached_property
    def units(self) -> list[int]:
        """The same, numbered."""
        numbers: dict[str | int, int] = {}
        return [numbers.setdefault(name, len(numbers)) for name in self.unit_names]

    @cached_property
    def n_units(self) -> int:
        """Number of identity terms; a prompt without a term is a unit of its own."""
        return len(set(self.units))

    @property
    def n_terms(self) -> int | None:
        """Number of identity terms, if the prompts have any."""
        return self.n_units if self.has_terms else None

    @cached_property
    def n_templates(self) -> int | None:
        """Number of templates, if the prompts have any."""
        return len({row.template for row in self.rows.values()}) if self.has_templates else None

    @property
    def headline(self) -> bool:
        """Whether the group rests on enough units for a headline."""
        return self.n_units >= HEADLINE_UNITS

    @property
    def notes(self) -> list[str]:
        """What a reader must know about the group itself, whatever was measured."""
        notes = []
        if not self.has_terms:
            notes.append(PROMPTS_AS_UNITS)
        elif self.n_units == 1:
            notes.append("one identity term")
        elif not self.headline:
            notes.append("few terms")
        if not self.has_templates:
            notes.append("no templates named")
        if self.pilot is not None:
            notes.append(f"pilot of {self.pilot} prompts per group")
        return notes


def pair_notes(a: Group, b: Group) -> list[str]:
    """Return the notes of two groups, each with the group's name where it holds of one alone."""
    notes = []
    for note in dict.fromkeys([*a.notes, *b.notes]):
        where = [group.name for group in (a, b) if note in group.notes]
        about_all = note.startswith("pilot") or len(where) == 2
        notes.append(note if about_all else f"{note} ({where[0]})")
    return notes


def shared_prompts(a: Group, b: Group) -> int:
    """Return the number of prompts that stand in both groups."""
    return len(a.rows.keys() & b.rows.keys())


def shared_notes(a: Group, b: Group) -> list[str]:
    """Say that two groups share prompts, if they do."""
    n = shared_prompts(a, b)
    return [f"prompts in both groups: {n}"] if n else []


def groups_in(prompts: PromptSet, grouping: str) -> list[Group]:
    """Return the groups of a grouping in order of first appearance; `overall` has one, with every prompt."""
    names = (ALL_PROMPTS,) if grouping == OVERALL else prompts.groups_of(grouping)
    rows: dict[str, dict[int, Row]] = {name: {} for name in names}
    n_rows = dict.fromkeys(names, 0)
    for row in prompts.rows:
        for name in (ALL_PROMPTS,) if grouping == OVERALL else row.groups.get(grouping, ()):
            rows[name].setdefault(row.prompt, row)
            n_rows[name] += 1
    return [
        Group(
            name,
            rows[name],
            n_rows[name],
            has_terms=any(row.term is not None for row in rows[name].values()),
            has_templates=any(row.template is not None for row in rows[name].values()),
            pilot=prompts.pilot,
        )
        for name in names
    ]
