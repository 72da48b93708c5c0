"""docs/statistics.md: its table is complete and its columns exist."""

import re

from specgap.tables import gap_test, intervals, names
from tests.statistics.table import DOCS, END, START
from tests.support.sandbox import ROOT


def test_the_table_has_a_line_for_every_simulation() -> None:
    made = DOCS.read_text(encoding="utf-8").split(START)[1].split(END)[0]
    simulated = set()
    for file in sorted((ROOT / "tests/statistics").glob("test_*_worlds.py")):
        simulated |= set(re.findall(r'name = "([^"]+)"', file.read_text(encoding="utf-8")))
    assert simulated
    for name in simulated:
        assert f"| {name} |" in made, f"{name}: wanted by `make test-statistics`"


def test_every_table_that_is_named_is_written() -> None:
    text = DOCS.read_text(encoding="utf-8")
    written = {
        *names.inference_table_names(["g"]),
        *names.cell_table_names(["g"]),
        *names.surer_table_names(["g"]),
    }
    for name in re.findall(r"`(\w+\.csv)`", text):
        assert name in written
    for column in ("p_omnibus", "claim", "detectable_pp", "null_mean_pp", "share_as_large"):
        assert column in gap_test.COLUMNS
    assert {"these_low", "like_high"} <= set(intervals.COLUMNS)
