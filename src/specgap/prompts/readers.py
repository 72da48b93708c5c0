"""Readers of prompt files: CSV, TSV and JSON lines, all into one `Table`."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from specgap.errors import PromptError
from specgap.prompts.tabular import Cell, Place, Table

_BY_ENDING = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_DELIMITERS = {"csv": ",", "tsv": "\t", "honest": "\t"}


def read_table(path: Path, *, name: str, kind: str) -> Table:
    """Read a prompt file. `name` is what errors call it, `kind` is `prompts.format` of the config."""
    if kind == "auto":
        kind = _kind_by_ending(path, name)
    content = _read_text(path, name)
    table = _read_jsonl(content, name) if kind == "jsonl" else _read_csv(content, name, _DELIMITERS[kind])
    if not table.places:
        raise PromptError(f"{name} has a header but no rows; wanted at least one prompt")
    return table


def _kind_by_ending(path: Path, name: str) -> str:
    kind = _BY_ENDING.get(path.suffix.lower())
    if kind is None:
        raise PromptError(
            f"{name} ends in {path.suffix!r}; wanted {', '.join(_BY_ENDING)}, or prompts.format in the config"
        )
    return kind


def _read_text(path: Path, name: str) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise PromptError(f"prompt file {name} cannot be read ({error.strerror}); wanted a file") from error
    try:
        content = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{raw[error.start]:02x}" if error.start < len(raw) else "a cut character"
        raise PromptError(f"{name} line {line} holds {found}; wanted UTF-8 text") from error
    if not content.strip():
        raise PromptError(f"prompt file {name} is empty; wanted prompts")
    if "\0" in content:
        line = content.count("\n", 0, content.index("\0")) + 1
        raise PromptError(f"{name} line {line} holds a NUL character; wanted plain text")
    return content


def _read_csv(content: str, name: str, delimiter: str) -> Table:
    records = _csv_records(content, name, delimiter)
    header = next(records)[1]
    for column in header:
        if header.count(column) > 1:
            raise PromptError(f"{name} has two columns named {column!r}; wanted each name once")
    rows: list[list[str]] = []
    places: list[Place] = []
    for line, record in records:
        places.append(Place(name, len(places) + 1, line))
        if len(record) != len(header):
            raise PromptError(f"{places[-1]} has {len(record)} fields; wanted {len(header)} as in the header")
        rows.append(record)
    columns = zip(*rows, strict=True) if rows else ((),) * len(header)
    return Table(name, dict(zip(header, columns, strict=True)), places)


def _csv_records(content: str, name: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (first line, fields) of each record that is not a blank line."""
    # Strict: a stray quote would otherwise eat characters, or whole rows, in silence.
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    n_records = 0
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            where = f"row {n_records} (line {line})" if n_records else f"header (line {line})"
            raise PromptError(
                f"{name} {where} cannot be taken apart ({error}); wanted the quotes around a field closed, "
                "and quotes within it doubled"
            ) from error
        if record:
            n_records += 1
            yield line, record


def _read_jsonl(content: str, name: str) -> Table:
    rows: list[dict[str, Cell]] = []
    places: list[Place] = []
    # Only "\n" ends a line: JSON strings may hold the other characters at which splitlines() cuts.
    for line, text in enumerate(content.split("\n"), start=1):
        if text and not text.isspace():
            places.append(Place(name, len(places) + 1, line))
            rows.append(_json_object(text, places[-1]))
    columns: dict[str, list[Cell]] = {}
    for index, row in enumerate(rows):
        for key, value in row.items():
            if key not in columns:
                columns[key] = [None] * len(rows)
            columns[key][index] = value
    return Table(name, dict(columns), places)


def _json_object(text: str, place: Place) -> dict[str, Cell]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else error
        raise PromptError(f"{place} is not JSON ({reason}); wanted one object per line") from error
    if not isinstance(value, dict):
        raise PromptError(f'{place} is {type(value).__name__}; wanted an object such as {{"text": …}}')
    return value
