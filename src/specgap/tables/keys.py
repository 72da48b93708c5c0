"""The names by which a state of `rust_agg` knows groups and units.

Grouping, group and unit are joined by U+001F, since names of groups may hold anything a user types.
"""

_SEPARATOR = "\x1f"


def group_key(grouping: str, group: str) -> str:
    """Return the name by which a state knows a group."""
    return f"{grouping}{_SEPARATOR}{group}"


def split_key(key: str) -> tuple[str, str]:
    """Return (grouping, group) of a key; a grouping's name never holds the separator."""
    grouping, group = key.split(_SEPARATOR, 1)
    return grouping, group


def unit_key(grouping: str, group: str, term: str | None, prompt: int) -> str:
    """Return the name by which a state knows a unit: a term within a group, or a prompt that has no term."""
    return f"{group_key(grouping, group)}{_SEPARATOR}{prompt if term is None else term}"
