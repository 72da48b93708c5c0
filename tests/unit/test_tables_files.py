"""CSV and TeX: what is written is what is read, whatever a group is called."""

import doctest
import importlib
import math
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import specgap.tables
from specgap.errors import TableError
from specgap.tables import headings
from specgap.tables.csv import read_table, write_table
from specgap.tables.names import WITH_TEX, cell_table_names
from specgap.tables.tex import Column, escape, write_tex

HOSTILE = [
    "NA",
    "1",
    "=1+1",
    'a "quoted", name',
    "two\nlines",
    "old\r\nlines",
    "\r",
    " padded ",
    "",
    "é🎉",
    "nan",
    "true",
]


def test_hostile_names_come_back_as_they_were(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", pd.DataFrame({"group": HOSTILE}))
    assert read_table(tmp_path / "t.csv")["group"].tolist() == HOSTILE


def test_numbers_come_back_to_the_last_bit(tmp_path: Path) -> None:
    numbers = [0.1 + 0.2, 1 / 3, 5e-324, 1e22, 0.0, 1.0]
    write_table(tmp_path / "t.csv", pd.DataFrame({"overlap": numbers}))
    assert read_table(tmp_path / "t.csv")["overlap"].tolist() == numbers


def test_missing_values_are_empty_cells_and_whole_numbers_stay_whole(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "group": ["a", "b"],
            "n_terms": pd.Series([3, None], dtype=object),
            "overlap": [math.nan, 0.5],
            "headline": [True, False],
        }
    )
    write_table(tmp_path / "t.csv", frame)
    assert (tmp_path / "t.csv").read_bytes() == (b"group,n_terms,overlap,headline\na,3,,true\nb,,0.5,false\n")
    table = read_table(tmp_path / "t.csv")
    assert table["headline"].tolist() == [True, False]
    assert math.isnan(table["n_terms"][1])


def test_an_infinite_number_never_reaches_a_table(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="odds_ratio"):
        write_table(tmp_path / "t.csv", pd.DataFrame({"odds_ratio": [math.inf]}))
    assert not (tmp_path / "t.csv").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "there is no such table"),
        ("", "the file is empty"),
        ("group,count\na\n", "row 1 has 1 cells; wanted 2"),
        ("group,count\na,many\n", "column count"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_a_sentence(
    tmp_path: Path, text: str | None, sentence: str
) -> None:
    if text is not None:
        (tmp_path / "t.csv").write_text(text)
    with pytest.raises(TableError, match=sentence):
        read_table(tmp_path / "t.csv")


def test_a_table_of_no_rows_keeps_its_columns(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", pd.DataFrame({"group": [], "count": []}))
    assert read_table(tmp_path / "t.csv").columns.tolist() == ["group", "count"]


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("a_b & 50 % #1", r"a\_b \& 50 \% \#1"),
        ("\\input{x}", r"\textbackslash{}input\{x\}"),
        ("$x^2$ ~", r"\$x\textasciicircum{}2\$ \textasciitilde{}"),
        ("two\n\nlines", r"two\textbackslash{}n\textbackslash{}nlines"),
        ("␣the", r"\textvisiblespace{}the"),
        ("a--b", "a-{}-b"),
        ("party 🎉", "party 🎉"),
        ("[M]*", "{[}M{]}{*}"),
    ],
)
def test_tex_prints_names_as_they_are(text: str, tex: str) -> None:
    assert escape(text) == tex


def written(tmp_path: Path, frame: pd.DataFrame, *columns: Column) -> str:
    write_tex(tmp_path / "t.tex", frame, columns, caption="A_b", notes=["100 %"])
    return (tmp_path / "t.tex").read_text(encoding="utf-8")


def test_every_tex_row_has_as_many_cells_as_the_head(tmp_path: Path) -> None:
    frame = pd.DataFrame({"group": HOSTILE, "overlap": [0.12345] * len(HOSTILE)})
    tex = written(tmp_path, frame, Column("group", "Group"), Column("overlap", "Overlap", 3))
    body = tex.split("\\endfoot\n")[1].split("\\end{longtable}")[0].splitlines()
    assert len(body) == len(HOSTILE)
    assert all(len(re.findall(r"(?<!\\)&", line)) == 1 and line.endswith(r" & 0.123 \\") for line in body)


def test_tex_says_missing_and_never_rounds_a_number_to_nothing(tmp_path: Path) -> None:
    frame = pd.DataFrame({"overlap": pd.Series([None, 1e-9, -0.5], dtype=object)})
    tex = written(tmp_path, frame, Column("overlap", "Overlap", 3))
    assert "\\textendash{} \\\\\n1.0e\\ensuremath{-}09 \\\\\n\\ensuremath{-}0.500 \\\\" in tex


def test_groups_of_tex_braces_and_environments_are_balanced(tmp_path: Path) -> None:
    tex = written(tmp_path, pd.DataFrame({"group": [*HOSTILE, "}{", "{"]}), Column("group", "Group"))
    plain = re.sub(r"\\[{}]", "", tex)
    assert plain.count("{") == plain.count("}")
    assert tex.count(r"\begin{") == tex.count(r"\end{") == 1


def test_file_names_are_known_beforehand_and_plain_for_the_main_grouping_only() -> None:
    names = cell_table_names(["category", "number"])
    assert len(set(names)) == len(names)
    assert {"acceptance.csv", "acceptance--number.tex", "acceptance--overall.csv", "calibration.csv"} <= set(
        names
    )
    assert "group_differences--overall.csv" not in names


def test_tables_in_print_and_on_the_page_are_those_with_headings() -> None:
    of_the_page = {"adjusted_differences", "distances", "standardised_acceptance", "mixed_model"}
    assert set(headings.TABLES) == WITH_TEX | of_the_page


def test_knowing_the_file_names_needs_no_heavy_import() -> None:
    code = (
        "import sys, specgap.tables.names; "
        "print(sorted({'pandas', 'pyarrow', 'numpy', 'scipy', 'rust_agg'} & set(sys.modules)))"
    )
    assert subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout == ("[]\n")


def test_examples_in_docstrings_hold() -> None:
    for module in pkgutil.iter_modules(specgap.tables.__path__):
        if module.name not in ("from_state", "write"):
            assert not doctest.testmod(importlib.import_module(f"specgap.tables.{module.name}")).failed
