"""`make demonstration`: three studies whose truth is known, and what is said of each."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from specgap.demonstration import WORLDS, studies
from specgap.tables.csv import read_table
from tests.support.sandbox import ROOT

pytestmark = pytest.mark.landing


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demonstration") / "made"
    command = [sys.executable, ROOT / "scripts/demonstrate.py", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=180)
    return folder, done.stdout


def test_token_tests_find_a_difference_everywhere_and_specgap_where_there_is_one(
    made: tuple[Path, str],
) -> None:
    folder, said = made
    assert list(WORLDS) == ["No difference", "Terms differ, groups do not", "One group is 8 points lower"]
    assert said.count(": they differ, p ") == 3
    tests = [read_table(folder / f"{number}_gap_test.csv").iloc[0] for number in (1, 2, 3)]
    assert [test["verdict"] for test in tests] == ["underpowered", "underpowered", "significant"]
    assert all(test["claim"] in said for test in tests)
    # What is named is the planted group, and its interval holds the truth.
    assert tests[2]["different_b"] == "queer_gender"
    assert tests[2]["different_low_pp"] < 8 < tests[2]["different_high_pp"]


def test_no_gap_is_claimed_that_is_not_there() -> None:
    for study, planted in zip(studies(), (None, None, "queer_gender"), strict=True):
        found = study.test.gaps
        assert found is not None
        claimed = [{found.groups[k] for k in pair} for pair in found.pairs[found.different]]
        assert bool(claimed) == (planted is not None)
        assert all(planted in pair for pair in claimed)


def test_the_greatest_of_45_is_large_without_any_difference(made: tuple[Path, str]) -> None:
    test = read_table(made[0] / "2_gap_test.csv").iloc[0]
    assert test["n_pairs"] == 45
    assert test["gap_pp"] > 8
    assert test["share_as_large"] > 0.05


def test_the_figure_is_a_picture_of_all_three(made: tuple[Path, str]) -> None:
    with Image.open(made[0] / "known_truth.png") as picture:
        width, height = picture.size
    assert width > 1000
    assert height > width
    assert (made[0] / "known_truth.pdf").stat().st_size > 10_000
