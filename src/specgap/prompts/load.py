"""Load a study's prompts: files to rows, rows to groups."""

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from specgap.config import Prompts, Study
from specgap.errors import PromptError
from specgap.prompts import ids, notices
from specgap.prompts.columns import Columns, choose_columns
from specgap.prompts.groupings import row_groups
from specgap.prompts.limit import pilot_rows
from specgap.prompts.promptset import PromptSet, Row
from specgap.prompts.readers import read_table
from specgap.prompts.slots import prompt_text
from specgap.prompts.sources import made_by, source_files
from specgap.prompts.tabular import Place, Table, join, shortened
from specgap.served import FORMAT

_BETWEEN_STRATA = " / "


def load_prompts(study: Study, *, root: Path = Path()) -> PromptSet:
    """Read the prompts of a study from the files it names, relative to `root`.

    The slot is cut, `auto` columns are chosen, groupings and limit applied. Raises a `PromptError` of one
    sentence for everything that cannot be meant.
    """
    tables = _read_tables(study, root)
    columns = choose_columns(study, tables)
    rows = _rows(join(tables, (column for column, _ in columns.roles())), columns, study)
    if study.prompts.format == FORMAT:
        rows = _each_once(rows)
    main = columns.groupings[0].name
    kept = rows if study.limit is None else pilot_rows(rows, main, study.limit)
    return PromptSet(
        rows=tuple(kept),
        groupings=tuple(grouping.name for grouping in columns.groupings),
        unit=columns.unit,
        block=columns.block,
        notices=_notices(rows, kept, columns, study.limit),
        pilot=study.limit,
    )


def _read_tables(study: Study, root: Path) -> list[Table]:
    kind = study.prompts.format
    if made_by(study) == "fetch_dataset":
        kind = "jsonl"
    elif kind == FORMAT:
        kind = "auto"
    tables = []
    for path in source_files(study):
        if made_by(study) and not (root / path).is_file():
            raise PromptError(
                f"prompt file {path} is not there yet; wanted it fetched first (rule {made_by(study)})"
            )
        tables.append(read_table(root / path, name=str(path), kind=kind))
    return tables


def _rows(table: Table, columns: Columns, study: Study) -> list[Row]:
    texts = _texts(table, columns.text, study.prompts)
    groups = [
        dict(zip((grouping.name for grouping in columns.groupings), of_row, strict=True))
        for of_row in zip(*(row_groups(table, grouping) for grouping in columns.groupings), strict=True)
    ]
    return [
        Row(*fields)
        for fields in zip(
            _ids(texts, table.places),
            texts,
            groups,
            _optional(table, columns.unit),
            _optional(table, columns.block),
            _strata(table, columns.strata),
            (place.source for place in table.places),
            strict=True,
        )
    ]


def _texts(table: Table, column: str, prompts: Prompts) -> list[str]:
    if prompts.format == FORMAT:
        texts = list(table.labels(column))  # nothing is traced, so an id will do, and has no slot
        for text, place in zip(texts, table.places, strict=True):
            if not text:
                raise PromptError(f"{place}: {column!r} is empty; wanted a prompt, or its id")
        return texts
    return [
        prompt_text(
            cell,
            slot=prompts.slot,
            truncate_at_slot=prompts.truncate_at_slot,
            column=column,
            place=place,
        )
        for cell, place in zip(table.columns[column], table.places, strict=True)
    ]


def _each_once(rows: Iterable[Row]) -> list[Row]:
    """Return the rows of counts less those of further samples and pairs, which say the same of a prompt."""
    first: dict[tuple[object, ...], Row] = {}
    for row in rows:
        kept = first.setdefault((row.prompt, *row.groups.items()), row)
        said, known = ((one.term, one.template, one.stratum) for one in (row, kept))
        if said != known:
            raise PromptError(
                f"{row.source}: {shortened(row.text)} has unit, block and stratum {said}, and {known} in "
                f"{kept.source}; wanted the same in every row of a prompt and its groups"
            )
    return list(first.values())


def _ids(texts: Sequence[str], places: Sequence[Place]) -> list[int]:
    text_of: dict[int, str] = {}
    found = []
    for text, place in zip(texts, places, strict=True):
        prompt = ids.prompt_id(text)
        if text_of.setdefault(prompt, text) != text:
            raise PromptError(
                f"{place}: {shortened(text)} and {shortened(text_of[prompt])} have the same 64-bit id "
                f"{prompt}; wanted one of them reworded"
            )
        found.append(prompt)
    return found


def _optional(table: Table, column: str | None) -> list[str | None]:
    if column is None:
        return [None] * len(table.places)
    return [label or None for label in table.labels(column)]


def _strata(table: Table, columns: Sequence[str]) -> list[str | None]:
    if not columns:
        return [None] * len(table.places)
    labels = [list(table.labels(column)) for column in columns]
    for column, of_column in zip(columns, labels, strict=True):
        for label, place in zip(of_column, table.places, strict=True):
            if not label:
                raise PromptError(f"{place} has nothing in column {column!r}; wanted a stratum")
    return [_BETWEEN_STRATA.join(of_row) for of_row in zip(*labels, strict=True)]


def _notices(
    rows: Sequence[Row], kept: Sequence[Row], columns: Columns, limit: int | None
) -> tuple[str, ...]:
    main = columns.groupings[0].name
    lines: Iterable[str] = chain(
        notices.pilot(kept, len(rows), main, limit),
        notices.duplicates(rows, main),
        notices.shared_texts(kept, main),
        notices.without_group(rows, main),
        notices.without_term(kept, columns.unit),
        notices.ending_in_space(kept),
    )
    return tuple(lines)
