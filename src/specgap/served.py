"""`collector: counts`: a study of what a server counted, with what follows for the rest of its config.

The rows of the counts are the prompts, and one file holds one decoding and one setting of one pair.
"""

from collections.abc import Iterable, Mapping
from typing import Any

#: `prompts.format` of such files.
FORMAT = "counts"
#: The setting of counts whose config names none: its schedule is the server's, and not known.
SERVED = "served"


def of_counts(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config, not validated yet, with the prompts and the setting that its counts stand for."""
    pairs = raw.get("pairs")
    entries = pairs.values() if isinstance(pairs, Mapping) else ()
    files = count_files(entry.get("counts") for entry in entries if isinstance(entry, Mapping))
    served = {"name": SERVED, "schedule": "constant", "num_assistant_tokens": 1}
    derived = {"prompts": {"files": files, "format": FORMAT}} if files else {}
    return {**derived, "settings": [served], **raw}


def count_files(given: Iterable[Any]) -> list[str]:
    """Return the files of counts, each once, in the order of the pairs."""
    return list(dict.fromkeys(file for file in given if isinstance(file, str) and file))
