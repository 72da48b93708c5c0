"""Which column plays which part: text, groupings, unit, block, strata."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from specgap.config import Grouping, Study
from specgap.errors import PromptError
from specgap.prompts.counts import PROMPT
from specgap.prompts.tabular import Table
from specgap.served import FORMAT

#: The column by which HONEST's layout is known.
HONEST_TEXT = "template_masked"

#: What `auto` means: text, main grouping, unit and block, in HONEST's layout, of counts and in any other.
_HONEST = (HONEST_TEXT, "category", "identity", "raw")
_COUNTS = (PROMPT, "group", "unit", "block")
_ANY = ("text", "group", "term", "template")

#: Columns of the stored table, so no grouping may be named so.
RESERVED = frozenset({"prompt", "text", "term", "template", "stratum", "source"})


@dataclass(frozen=True)
class Columns:
    """The column of each part; `unit` and `block` may be missing, `strata` may be empty."""

    text: str
    groupings: tuple[Grouping, ...]
    unit: str | None
    block: str | None
    strata: tuple[str, ...]

    def roles(self) -> Iterator[tuple[str, str]]:
        """Yield (column, what the config calls it)."""
        yield self.text, "the text"
        for grouping in self.groupings:
            yield grouping.column, f"grouping {grouping.name!r}"
        for key, column in (("unit", self.unit), ("block", self.block)):
            if column is not None:
                yield column, key
        for column in self.strata:
            yield column, "strata"


def choose_columns(study: Study, tables: Sequence[Table]) -> Columns:
    """Resolve every `auto` of the config, and check that each table has the columns that are needed.

    HONEST's layout has `template_masked`, `category`, `identity` and `raw`; counts have `prompt`, `group` and
    maybe `unit` and `block`; any other has `text`, `group` and maybe `term` and `template`.
    """
    honest = _is_honest(study, tables)
    counts = study.prompts.format == FORMAT
    text, group, unit, block = _HONEST if honest else _COUNTS if counts else _ANY
    present = {column for table in tables for column in table.columns}

    def auto(chosen: str | None, column: str) -> str | None:
        return chosen if chosen != "auto" else column if honest or column in present else None

    columns = Columns(
        text=study.prompts.text if study.prompts.text != "auto" else text,
        groupings=(Grouping(column=group),) if study.groupings == "auto" else tuple(study.groupings),
        unit=auto(study.unit, unit),
        block=auto(study.block, block),
        strata=tuple(study.strata),
    )
    _check_names(columns.groupings)
    for table in tables:
        for column, role in columns.roles():
            table.require(column, role=role)
    return columns


def group_columns(study: Study) -> list[str]:
    """Return the columns by which counts are grouped."""
    return [_COUNTS[1]] if study.groupings == "auto" else [one.column for one in study.groupings]


def _is_honest(study: Study, tables: Sequence[Table]) -> bool:
    if study.prompts.format != "auto":
        return study.prompts.format == "honest"
    layouts = {HONEST_TEXT in table.columns: table.name for table in tables}
    if len(layouts) > 1:
        raise PromptError(
            f"{layouts[True]} has HONEST's column {HONEST_TEXT!r} and {layouts[False]} has not; "
            "wanted prompt files of the same columns"
        )
    return True in layouts


def _check_names(groupings: Sequence[Grouping]) -> None:
    for grouping in groupings:
        if grouping.name in RESERVED:
            raise PromptError(
                f"a grouping is named {grouping.name!r}, a column of the stored prompts; wanted another, "
                f"as in {{name: by_{grouping.name}, column: {grouping.column}}}"
            )
