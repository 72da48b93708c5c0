"""Groups of a row: a column's value, or what a map makes of it."""

from specgap.config import Grouping
from specgap.errors import PromptError
from specgap.names import file_names
from specgap.prompts.tabular import Table, nearest


def row_groups(table: Table, grouping: Grouping) -> list[tuple[str, ...]]:
    """Return the groups of each row under one grouping, none where a map does not name the row's value."""
    labels = list(table.labels(grouping.column))
    if grouping.map is None:
        _refuse_empty(labels, table, grouping)
        groups_of: dict[str, tuple[str, ...]] = {label: (label,) for label in dict.fromkeys(labels)}
    else:
        groups_of = _mapped(grouping, dict.fromkeys(labels), table)
    try:
        file_names(dict.fromkeys(group for groups in groups_of.values() for group in groups))
    except PromptError as error:
        raise PromptError(f"grouping {grouping.name!r} of {table.name}: {error}") from error
    return [groups_of.get(label, ()) for label in labels]


def _refuse_empty(labels: list[str], table: Table, grouping: Grouping) -> None:
    for label, place in zip(labels, table.places, strict=True):
        if not label:
            raise PromptError(
                f"{place} has no group in column {grouping.column!r}; wanted a group, "
                "or a map that leaves the row out"
            )


def _mapped(grouping: Grouping, values: dict[str, None], table: Table) -> dict[str, tuple[str, ...]]:
    groups_of: dict[str, tuple[str, ...]] = {}
    for value, groups in (grouping.map or {}).items():
        if value not in values:
            near = nearest(value, values)
            hint = f"did you mean {near!r}?" if near else f"wanted values such as {_few(values)}"
            raise PromptError(
                f"grouping {grouping.name!r} maps {value!r}, which no row of {table.name} has in column "
                f"{grouping.column!r}; {hint}"
            )
        groups_of[value] = tuple(dict.fromkeys([groups] if isinstance(groups, str) else groups))
        if any(not group or group.isspace() for group in groups_of[value]):
            raise PromptError(f"grouping {grouping.name!r} maps {value!r} to an empty name; wanted a group")
    if not any(groups_of.values()):
        raise PromptError(f"the map of grouping {grouping.name!r} names no group; wanted at least one")
    return groups_of


def _few(values: dict[str, None]) -> str:
    return ", ".join(map(repr, list(values)[:5]))
