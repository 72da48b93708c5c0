"""Names that may stand in paths: groups are made safe, everything a user names in the config is checked."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from specgap.errors import ConfigError, PromptError

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_LONGEST = 80
_LONGEST_PART = 255  # bytes of a file name on common disks
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


def check_path(path: str) -> str:
    """Return a path of the config if a disk and the workflow can do with it, else raise `ValueError`.

    Braces and angle brackets are the workflow's own signs.
    """
    odd = next((character for character in path if character in "{}<>" or not character.isprintable()), None)
    if odd is not None:
        raise ValueError(f"path {path!r} holds {odd!r}; wanted printable characters and none of {{ }} < >")
    if not path.strip() or any(len(part.encode()) > _LONGEST_PART for part in path.split("/")):
        raise ValueError(f"path {path[:60]!r} is empty or too long; wanted a path that a disk can hold")
    return path


def plain_path(path: str) -> str:
    """Return a checked path in its shortest form, `~` replaced.

    >>> plain_path("./out//r/")
    'out/r'
    """
    try:
        return os.path.normpath(Path(check_path(path)).expanduser())
    except RuntimeError as error:
        raise ValueError(f"path {path!r} names the home of an unknown user; wanted a path") from error


def _is_plain(name: str) -> bool:
    # '--' separates a table from its grouping; '..' would leave the folder.
    return bool(_PLAIN.fullmatch(name)) and "--" not in name and ".." not in name and len(name) <= _LONGEST
