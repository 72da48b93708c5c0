"""Files appear whole or not at all: write beside the final name, then rename. What is read has a limit."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specgap.errors import NOT_WRITABLE, FileError, not_writable

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK = 1 << 20
#: The most that is read of a file of JSON; the list of a job's shards takes a kilobyte a shard. In bytes.
MOST_JSON = 64 << 20
#: The most that the footer of a Parquet file may take; a shard's takes some kilobytes. In bytes.
MOST_FOOTER = 64 << 20


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; rename it to `path` when the block ends well.

    The temporary file is removed when the block fails, so a reader never meets half a file; so is what a
    killed process has left of this very file, which one process at a time writes. Raises `FileError` where
    the disk is full or does not take the file.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{_escaped(path.name)}.*.part"):
            left.unlink(missing_ok=True)
        try:
            yield beside
            beside.replace(path)
        finally:
            _remove(beside)


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turn what a disk says that does not take `path` into a `FileError`; other errors go on."""
    try:
        yield
    except OSError as error:
        if error.errno in NOT_WRITABLE:
            raise FileError(not_writable(path, error)) from error
        raise


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8, newlines as they are) to `path`, whole or not at all."""
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="")


def read_json(path: Path) -> Any:
    """Read a file of JSON that specgap wrote; raise `OSError`, or `ValueError` for whatever is none.

    Its size is looked at before it is read.
    """
    if path.stat().st_size > MOST_JSON:
        raise ValueError(f"{path} has {path.stat().st_size} bytes; wanted at most {MOST_JSON}")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(f"{path} is nested too deeply") from error


def check_footer(path: Path) -> None:
    """Raise `ValueError` where the end of a Parquet file claims a footer that it cannot have.

    A reader takes memory for as much as is claimed, so this goes first.
    """
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - 8))
        end = file.read(8)
    claimed = int.from_bytes(end[:4], "little")
    if end[4:] != b"PAR1":
        raise ValueError("it does not end as a Parquet file does")
    if claimed > min(length - 12, MOST_FOOTER):
        raise ValueError(f"it has {length} bytes and claims a footer of {claimed}")


def read_parquet(path: Path, *, columns: list[str] | None = None, check_pages: bool = False) -> "pa.Table":
    """Read one Parquet file as it stands, in this thread, whatever its folder is called.

    Where a thread cannot be started for want of memory, Arrow waits for it for ever; its reader of folders
    would take `name=value` in a path for a column.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=check_pages) as file:
        return file.read(columns=columns, use_threads=False)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as a hexadecimal string."""
    return _digest(path, hashlib.sha256())


def xxh3_128(path: Path) -> str:
    """Return the XXH3-128 of a file as a hexadecimal string: against damage, at a fifteenth of SHA-256."""
    import xxhash  # here, since Snakemake's own environment has none

    return _digest(path, xxhash.xxh3_128())


def digest_of(value: Any) -> str:
    """Return the XXH3-128 of a JSON value as a hexadecimal string."""
    import xxhash

    return str(xxhash.xxh3_128(json.dumps(value, separators=(",", ":")).encode()).hexdigest())


def _digest(path: Path, digest: Any) -> str:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return str(digest.hexdigest())


def _escaped(name: str) -> str:
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _remove(beside: Path) -> None:
    # Where nothing can be written nothing can be removed, and the first error is the one to tell.
    try:
        beside.unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
