"""What every later stage knows of the prompts: rows, and who belongs to which group."""

from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a prompt file.

    `groups` has every grouping's name; its groups are several through a map, or none. `term`, `template` and
    `stratum` are None where no column was named or the cell is empty. `source` is `file:line`.
    """

    prompt: int
    text: str
    groups: dict[str, tuple[str, ...]]
    term: str | None
    template: str | None
    stratum: str | None
    source: str


@dataclass(frozen=True)
class PromptSet:
    """The rows of a study's prompts in listed order, and the groupings over them.

    `groupings` begins with the main one; `unit` and `block` are the columns behind `term` and `template`;
    `notices` are sentences for the reader; `pilot` is the config's `limit`.
    """

    rows: tuple[Row, ...]
    groupings: tuple[str, ...]
    unit: str | None
    block: str | None
    notices: tuple[str, ...]
    pilot: int | None

    @cached_property
    def texts(self) -> dict[int, str]:
        """Each distinct prompt's text, in listed order (first occurrence)."""
        return {row.prompt: row.text for row in self.rows}

    @cached_property
    def distinct(self) -> tuple[int, ...]:
        """The ids of the distinct prompts, in listed order (first occurrence)."""
        return tuple(self.texts)

    def groups_of(self, grouping: str) -> tuple[str, ...]:
        """Return a grouping's groups in the order in which they appear."""
        return tuple(dict.fromkeys(group for row in self.rows for group in row.groups[grouping]))

    def members(self, grouping: str) -> dict[str, dict[int, str | None]]:
        """Return group → prompt id → term. Within a group a prompt counts once: its first row wins."""
        members: dict[str, dict[int, str | None]] = {group: {} for group in self.groups_of(grouping)}
        for row in self.rows:
            for group in row.groups[grouping]:
                members[group].setdefault(row.prompt, row.term)
        return members
