"""The stored prompts, `results/study/prompts.parquet`: one row per source row, written and read back.

pyarrow is imported where it is used, so that the workflow can list prompts without it.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specgap.errors import TableError
from specgap.files import check_footer, read_parquet, written_whole
from specgap.prompts.promptset import PromptSet, Row

if TYPE_CHECKING:
    import pyarrow as pa

_METADATA = b"specgap"
_KIND = "prompts"


def prompts_table(prompts: PromptSet) -> "pa.Table":
    """Return the prompts as a table: `schema.PROMPTS`, and a `list<string>` column of groups per grouping."""
    import pyarrow as pa

    from specgap.schema import PROMPTS, SCHEMA_VERSION

    fields = [*PROMPTS, *(_groups_field(grouping) for grouping in prompts.groupings)]
    facts = {
        "kind": _KIND,
        "schema_version": SCHEMA_VERSION,
        "groupings": prompts.groupings,
        "unit": prompts.unit,
        "block": prompts.block,
        "pilot": prompts.pilot,
        "notices": prompts.notices,
    }
    columns: list[list[Any]] = [[getattr(row, name) for row in prompts.rows] for name in PROMPTS.names]
    columns += [[row.groups[grouping] for row in prompts.rows] for grouping in prompts.groupings]
    schema = pa.schema(fields, metadata={_METADATA: json.dumps(facts, ensure_ascii=False)})
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, fields, strict=True)], schema=schema
    )


def write_prompts(path: Path, prompts: PromptSet) -> None:
    """Write the prompts to a Parquet file, whole or not at all; equal prompts give equal bytes."""
    import pyarrow.parquet as pq

    with written_whole(path) as beside:
        pq.write_table(prompts_table(prompts), beside, compression="zstd", write_page_checksum=True)


def read_prompts(path: Path) -> PromptSet:
    """Read what `write_prompts` wrote; raises a `TableError` for any other file."""
    import pyarrow as pa

    try:
        check_footer(path)
        table = read_parquet(path, check_pages=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise TableError(f"{path} cannot be read ({reason}); wanted the prompts of a study") from error
    try:
        facts = _facts(table, path)
        groupings = tuple(facts["groupings"])
        return PromptSet(
            rows=tuple(_row(row, groupings) for row in table.to_pylist()),
            groupings=groupings,
            unit=facts["unit"],
            block=facts["block"],
            notices=tuple(facts["notices"]),
            pilot=facts["pilot"],
        )
    # UTF-8 that is none is a ValueError.
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise TableError(
            f"{path} does not hold the prompts of a study; wanted a file that specgap wrote"
        ) from error


def _groups_field(grouping: str) -> "pa.Field":
    import pyarrow as pa

    return pa.field(grouping, pa.list_(pa.field("element", pa.string(), nullable=False)), nullable=False)


def _facts(table: "pa.Table", path: Path) -> dict[str, Any]:
    from specgap.schema import SCHEMA_VERSION

    facts: dict[str, Any] = json.loads((table.schema.metadata or {}).get(_METADATA, b"{}"))
    if facts.get("kind") != _KIND:
        raise TableError(f"{path} does not hold the prompts of a study; wanted a file that specgap wrote")
    if facts["schema_version"] != SCHEMA_VERSION:
        raise TableError(
            f"{path} has schema version {facts['schema_version']}; wanted {SCHEMA_VERSION}, written anew"
        )
    return facts


def _row(row: dict[str, Any], groupings: tuple[str, ...]) -> Row:
    groups = {grouping: tuple(row.pop(grouping)) for grouping in groupings}
    return Row(groups=groups, **row)
