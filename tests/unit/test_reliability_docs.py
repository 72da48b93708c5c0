"""The docs' table of faults is that of the faults that are tried."""

import json
import re
from pathlib import Path

import pytest

from tests.faults.faults import FAULTS, ROOT
from tests.faults.table import BEGIN, DOCS, END, origin, rows_of, table, write


def test_the_docs_have_a_row_for_each_fault_that_is_tried_and_no_other() -> None:
    assert rows_of(DOCS.read_text(encoding="utf-8")) == list(FAULTS.values())


def test_every_fault_is_counted_by_a_test() -> None:
    tests = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests/faults").glob("test_*.py"))
    counted = set(re.findall(r'counted\(\s*f?"([a-z-]+)', tests)) | set(
        re.findall(r'else "([a-z-]+)"', tests)
    )
    for name in FAULTS:
        assert any(name == known or (known.endswith("-") and name.startswith(known)) for known in counted), (
            name
        )


def test_the_table_is_written_between_its_marks_and_nowhere_else(tmp_path: Path) -> None:
    docs, counted = tmp_path / "page.md", tmp_path / "counted.json"
    docs.write_text(f"above\n{BEGIN}\nold\n{END}\nbelow\n")
    numbers = dict.fromkeys(("injected", "equal", "sentences", "kept", "lost", "partial"), 1_234)
    made = {**numbers, "size": "full", "tree": "2026-11-30, commit 1a2b3c4"}
    counted.write_text(json.dumps(dict.fromkeys(FAULTS, made)))
    write(docs, counted)
    page = docs.read_text()
    said = "Counted at full size: 2026-11-30, commit 1a2b3c4."
    assert page == f"above\n{BEGIN}\n{said}\n\n{table(json.loads(counted.read_text()))}\n{END}\nbelow\n"
    assert rows_of(page) == list(FAULTS.values())
    assert "| 1,234 |" in page


def test_counts_of_the_small_size_do_not_come_into_the_docs() -> None:
    known = {"size": "full", "tree": "2026-11-30, commit 1a2b3c4"}
    counts = {"term": known, "memory": {**known, "size": "small"}}
    with pytest.raises(SystemExit, match="memory: not counted at full size; expected `make reliability`"):
        origin(counts)
