"""docs/statistics.md: its table is complete and its columns exist."""

import re

from specgap.tables import gap_test, intervals, names, pairs
from tests.statistics.table import DOCS, END, START
from tests.support.sandbox import ROOT


def test_the_table_has_what_every_simulation_measures() -> None:
    made = DOCS.read_text(encoding="utf-8").split(START)[1].split(END)[0]
    said = set()
    for file in sorted((ROOT / "tests/statistics").glob("test_*_worlds.py")):
        text = file.read_text(encoding="utf-8")
        said |= set(re.findall(r'name = "([^"]+)"|\("((?:no effect|−0\.4|distributions)[^"]*)"', text))
        said |= set(re.findall(r'Measured\(\s*(?:name|"[^"]+"),\s*"([^"]+)"()', text))
    wanted = {words for pair in said for words in pair if words}
    assert len(wanted) > 25
    for words in wanted:
        assert words in made, f"{words}: wanted by `make test-statistics`"


def test_every_table_that_is_named_is_written() -> None:
    text = DOCS.read_text(encoding="utf-8")
    written = {
        *names.inference_table_names(["g"]),
        *names.cell_table_names(["g"]),
        *names.surer_table_names(["g"]),
        *names.pairs_table_names(),
    }
    for name in re.findall(r"`(\w+\.csv)`", text):
        assert name in written
    for column in ("p_omnibus", "claim", "detectable_pp", "null_mean_pp", "share_as_large"):
        assert column in gap_test.COLUMNS
    assert {"these_low", "like_high"} <= set(intervals.COLUMNS)
    assert {"difference_pp", "p_adjusted", "change_low_pp"} <= set(pairs.DIFFERENCE_COLUMNS)
