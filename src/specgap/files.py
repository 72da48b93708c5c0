"""Files appear whole or not at all: write beside the final name, then rename."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` when the block ends well.

    The temporary file is removed when the block fails, so a reader never meets half a file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8, newlines as they are) to `path`, whole or not at all."""
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as a hexadecimal string."""
    return _digest(path, hashlib.sha256())


def xxh3_128(path: Path) -> str:
    """Return the XXH3-128 of a file as a hexadecimal string: against damage, at a fifteenth of SHA-256."""
    import xxhash  # here, since Snakemake's own environment has none

    return _digest(path, xxhash.xxh3_128())


def _digest(path: Path, digest: Any) -> str:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return str(digest.hexdigest())
