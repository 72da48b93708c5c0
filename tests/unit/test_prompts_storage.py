"""The stored prompts: columns, round trip, refusals."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from specgap import schema
from specgap.errors import TableError
from specgap.prompts import prompts_table, read_prompts, write_prompts
from tests.support.prompt_files import csv, loaded

GROUPINGS = ["group", {"name": "family", "column": "group", "map": {"f": ["x", "y"]}}]


def test_the_table_has_the_columns_of_the_schema_and_a_list_per_grouping(tmp_path: Path) -> None:
    table = prompts_table(loaded(tmp_path, csv("a,f", "a,m"), groupings=GROUPINGS))
    assert table.schema.names == [*schema.PROMPTS.names, "group", "family"]
    assert table.select(schema.PROMPTS.names).schema.equals(schema.PROMPTS)
    assert table.column("family").to_pylist() == [["x", "y"], []]
    assert table.column("source").to_pylist() == ["p.csv:2", "p.csv:3"]


def test_reading_gives_back_what_was_written(tmp_path: Path) -> None:
    prompts = loaded(tmp_path, csv("a,f,t", "a,m,", header="text,group,term"), groupings=GROUPINGS, limit=7)
    write_prompts(tmp_path / "prompts.parquet", prompts)
    assert read_prompts(tmp_path / "prompts.parquet") == prompts


def test_equal_prompts_give_equal_bytes(tmp_path: Path) -> None:
    prompts = loaded(tmp_path, csv("a,f", "b,m"))
    for name in ("one", "two"):
        write_prompts(tmp_path / name, prompts)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_notice_alone_changes_no_column(tmp_path: Path) -> None:
    prompts = loaded(tmp_path, csv("a,f"))
    assert prompts_table(replace(prompts, notices=("x",))).equals(prompts_table(prompts))


@pytest.mark.parametrize("content", ["", "no Parquet at all"])
def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "prompts.parquet").write_text(content)
    with pytest.raises(
        TableError, match=r"prompts\.parquet cannot be read \(.*wanted the prompts of a study"
    ):
        read_prompts(tmp_path / "prompts.parquet")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"prompts\.parquet cannot be read"):
        read_prompts(tmp_path / "prompts.parquet")


def test_a_foreign_table_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"prompt": [1]}), tmp_path / "other.parquet")
    with pytest.raises(TableError, match=r"other\.parquet does not hold the prompts of a study"):
        read_prompts(tmp_path / "other.parquet")


def test_another_schema_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_prompts(tmp_path / "prompts.parquet", loaded(tmp_path, csv("a,f")))
    monkeypatch.setattr(schema, "SCHEMA_VERSION", schema.SCHEMA_VERSION + 1)
    with pytest.raises(TableError, match=rf"has schema version {schema.SCHEMA_VERSION - 1}; wanted"):
        read_prompts(tmp_path / "prompts.parquet")
