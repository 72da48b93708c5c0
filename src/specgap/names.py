"""Names that may stand in paths: groups are made safe, everything a user names in the config is checked."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from specgap.errors import ConfigError, PromptError

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_LONGEST = 80
#: Folder names that mean something in `results/`.
RESERVED = frozenset({"all", "study"})


def file_name(group: str) -> str:
    """Return a file name for a group: plain names stay, others become a slug and a digest of the name.

    Two different names that are not plain never share a file name, since the digest is of the name itself.

    >>> file_name("queer_gender")
    'queer_gender'
    >>> file_name("../a b")
    'a_b-a15de0ef'
    """
    if _is_plain(group):
        return group
    ascii_only = unicodedata.normalize("NFKD", group).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9_]+", "_", ascii_only).strip("_")[: _LONGEST - 9] or "group"
    return f"{slug}-{hashlib.sha256(group.encode()).hexdigest()[:8]}"


def file_names(groups: Iterable[str]) -> dict[str, str]:
    """Return the file name of each group; refuse two that would share one on a case-blind disk."""
    names: dict[str, str] = {}
    taken: dict[str, str] = {}
    for group in groups:
        name = file_name(group)
        other = taken.setdefault(name.casefold(), group)
        if other != group:
            raise PromptError(
                f"groups {other!r} and {group!r} would share the file name {name!r}; rename one of them"
            )
        names[group] = name
    return names


def check_name(name: str, *, what: str) -> str:
    """Return `name` if it may be a folder of `results/`, else raise `ConfigError`."""
    if not _is_plain(name):
        raise ConfigError(
            f"{what} is named {name!r}; wanted letters, digits, '_', '.' and '-', "
            f"at most {_LONGEST} of them, starting with a letter, digit or '_', without '--' or '..'"
        )
    if name in RESERVED:
        raise ConfigError(
            f"{what} is named {name!r}, which specgap keeps for its own folders; choose another name"
        )
    return name


def _is_plain(name: str) -> bool:
    # '--' separates a table from its grouping; '..' would leave the folder.
    return bool(_PLAIN.fullmatch(name)) and "--" not in name and ".." not in name and len(name) <= _LONGEST
