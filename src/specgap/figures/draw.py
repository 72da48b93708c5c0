"""Draw figures into a folder: all of a cell in one process, or one; what has not changed is kept."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from specgap.errors import TableError
from specgap.figures.facts import CellFacts, caption_of, fill
from specgap.figures.plan import Plan, code_files, table_files
from specgap.figures.registry import Request, function_of
from specgap.figures.save import save
from specgap.figures.spec import Spec
from specgap.figures.style import paper_style
from specgap.files import read_json, sha256, writable, write_text
from specgap.tables.csv import read_table

_SIDECAR = ".fingerprints.json"


@dataclass(frozen=True)
class Outcome:
    """The file names (without ending) of the figures that were drawn, and of those that were kept."""

    drawn: tuple[str, ...]
    kept: tuple[str, ...]


def draw(spec: Spec, group: str | None, *, tables_folder: Path, facts: CellFacts) -> Figure:
    """Return one figure, drawn from the tables in a folder."""
    paths = dict(zip(spec.tables, table_files(spec, tables_folder), strict=True))
    tables = {name: _read(path, tuple(spec.tables[name])) for name, path in paths.items()}
    with paper_style():
        return function_of(spec.kind)(tables, Request(spec, facts, group))


def draw_many(plan: Plan, folder: Path, *, tables_folder: Path, facts: CellFacts, index: Path) -> Outcome:
    """Draw a cell's figures into `folder` and write `index`, a JSON list with one entry per figure.

    A figure is kept, its files touched, where its fingerprint (entry, group, facts, tables and code) is the
    one it was drawn with.
    """
    drawn: list[str] = []
    kept: list[str] = []
    entries = []
    for stem, (spec, group) in plan.items():
        entry = _entry(stem, spec, group, tables_folder, facts)
        (drawn if _draw_where_stale(entry, spec, group, folder, tables_folder, facts) else kept).append(stem)
        entries.append(entry)
    write_text(index, json.dumps(entries, ensure_ascii=False, indent=1) + "\n")
    return Outcome(tuple(drawn), tuple(kept))


def draw_one(
    stem: str, spec: Spec, group: str | None, folder: Path, *, tables_folder: Path, facts: CellFacts
) -> None:
    """Draw one figure into `folder`, whether it has changed or not, and note its fingerprint."""
    entry = _entry(stem, spec, group, tables_folder, facts)
    _draw_files(entry, spec, group, folder, tables_folder, facts)


def _entry(stem: str, spec: Spec, group: str | None, tables_folder: Path, facts: CellFacts) -> dict[str, Any]:
    """Return a figure's entry of the index."""
    return {
        "id": spec.id,
        "stem": stem,
        "group": group,
        "title": fill(spec.title, facts, group),
        "caption": caption_of(spec, facts, group),
        "alt": fill(spec.alt, facts, group),
        "png": f"{stem}.png",
        "pdf": f"{stem}.pdf",
        "fingerprint": fingerprint(spec, group, tables_folder=tables_folder, facts=facts),
    }


def fingerprint(spec: Spec, group: str | None, *, tables_folder: Path, facts: CellFacts) -> str:
    """Return a digest of everything that a figure's bytes depend on."""
    missing = [path for path in table_files(spec, tables_folder) if not path.is_file()]
    if missing:
        raise TableError(f"table {missing[0]} is not there; figure {spec.id!r} is drawn from it")
    parts = {
        "spec": spec.model_dump(mode="json"),
        "group": group,
        "facts": asdict(facts),
        "tables": [_digest(path, path.stat().st_mtime_ns) for path in table_files(spec, tables_folder)],
        "code": [_digest(path, path.stat().st_mtime_ns) for path in code_files(spec.kind)],
        "matplotlib": mpl.__version__,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _draw_where_stale(
    entry: dict[str, Any], spec: Spec, group: str | None, folder: Path, tables_folder: Path, facts: CellFacts
) -> bool:
    files = (folder / entry["png"], folder / entry["pdf"])
    fresh = _fingerprints(folder).get(entry["stem"]) == entry["fingerprint"]
    if fresh and all(path.is_file() for path in files):
        for path in files:
            os.utime(path)
        return False
    _draw_files(entry, spec, group, folder, tables_folder, facts)
    return True


def _draw_files(
    entry: dict[str, Any], spec: Spec, group: str | None, folder: Path, tables_folder: Path, facts: CellFacts
) -> None:
    made = draw(spec, group, tables_folder=tables_folder, facts=facts)
    # Forgotten first: a process that is killed between two files must not leave one that counts as drawn.
    _note(folder, entry["stem"], None)
    save(made, folder / entry["png"], folder / entry["pdf"], title=entry["title"], alt=entry["alt"])
    _note(folder, entry["stem"], entry["fingerprint"])


def _note(folder: Path, stem: str, fingerprint: str | None) -> None:
    """Note with what a figure was drawn; None: that it is not drawn."""
    with _locked(folder):
        known = _fingerprints(folder)
        if known.get(stem) == fingerprint:
            return
        known.pop(stem, None)
        if fingerprint is not None:
            known[stem] = fingerprint
        write_text(folder / _SIDECAR, json.dumps(known, indent=1, sort_keys=True) + "\n")


def _fingerprints(folder: Path) -> dict[str, str]:
    try:
        known = read_json(folder / _SIDECAR)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's sidecar alone: several processes may each draw one figure of a cell."""
    path = folder / ".fingerprints.lock"
    with writable(path):
        folder.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@cache
def _digest(path: Path, _changed: int) -> str:
    return sha256(path)


def _read(path: Path, columns: Sequence[str]) -> Any:
    return _read_once(path, tuple(columns), path.stat().st_mtime_ns if path.is_file() else 0).copy()


@cache
def _read_once(path: Path, columns: tuple[str, ...], _changed: int) -> Any:
    # Ten figures of a cell rest on one table of thousands of rows.
    table = read_table(path)
    for column in columns:
        if column not in table.columns:
            raise TableError(f"table {path} has no column {column!r}; it has {', '.join(table.columns)}")
    return table
