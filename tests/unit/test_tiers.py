"""Every test runs somewhere: `.ci/run` and `make test-all` leave no combination of markers out."""

import itertools
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.support.last_run import with_run
from tests.support.thinned import thinned

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
#: How large a test is, and whether it has a target of its own.
SIZES = ("", "slow", "landing", "full")
SUITES = ("", "simulation", "faults", "conda", "cluster")
_CALL = re.compile(r"^part \S+ make (\S+)$", flags=re.MULTILINE)


def parts(script: str) -> list[str]:
    return _CALL.findall((ROOT / ".ci" / script).read_text(encoding="utf-8"))


def commands(target: str, *variables: str) -> Iterator[list[str]]:
    """Yield the words of each pytest command that a target would run."""
    shown = subprocess.run(
        ["make", "--dry-run", "--always-make", target, *variables],
        cwd=ROOT, text=True, capture_output=True, check=True,
    ).stdout  # fmt: skip
    for line in shown.splitlines():
        words = shlex.split(line, comments=True)
        if "pytest" in words:
            yield words[words.index("pytest") :]


def selected(words: list[str], marks: frozenset[str]) -> bool:
    """Say whether a command with this `-m`, or the one of pyproject.toml, takes tests with these marks."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    words = [*shlex.split(options["addopts"]), *words]
    at = [number for number, word in enumerate(words) if word == "-m"]
    expression = words[at[-1] + 1]
    return bool(eval(re.sub(r"\b(?!and\b|or\b|not\b)\w+", lambda m: str(m[0] in marks), expression)))


def kinds() -> set[frozenset[str]]:
    """Return all combinations of markers that a test can have."""
    return {frozenset(filter(None, pair)) for pair in itertools.product(SIZES, SUITES)}


def taken(script: str, *variables: str) -> set[frozenset[str]]:
    found = [words for target in parts(script) for words in commands(target, *variables)]
    return {marks for marks in kinds() for words in found if selected(words, marks)}


def test_test_all_runs_every_test() -> None:
    assert kinds() - taken("all", "SIZE=full") == set()


def test_ci_runs_every_test_but_those_of_full_size() -> None:
    assert {marks for marks in kinds() if "full" not in marks} - taken("run") == set()


def test_quick_is_a_part_of_test_and_test_of_ci() -> None:
    quick, test = ({m for m in kinds() for w in commands(t) if selected(w, m)} for t in ("quick", "test"))
    assert {frozenset()} == quick
    assert quick < test < taken("run")


def test_markers_of_tiers_are_those_that_pytest_knows() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert {marker.split(":")[0] for marker in options["markers"]} == {*SIZES, *SUITES} - {""}


def test_no_test_is_skipped_in_silence() -> None:
    """A skip says what is missing."""
    skips = subprocess.run(
        ["git", "grep", "-nE", r"pytest\.skip\(|mark\.skip|mark\.xfail|importorskip", "--", "tests"],
        cwd=ROOT, text=True, capture_output=True, check=False,
    ).stdout  # fmt: skip
    assert [
        line for line in skips.splitlines() if "reason=" not in line and "test_tiers.py" not in line
    ] == []


def test_a_part_of_the_combinations_has_every_value() -> None:
    every = thinned("abcd", range(5))
    tried = [one.values for one in every if not one.marks]
    assert {first for first, _ in tried} == set("abcd")
    assert {second for _, second in tried} == set(range(5))
    assert len(every) == 20 > 2 * len(tried)


def test_the_last_run_of_test_all_takes_the_place_of_the_one_before() -> None:
    page = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    once = with_run(page, " 9.0 min  test\n4 passed, 0 failed\n", date(2026, 1, 2), "abc1234")
    assert "2026-01-02, commit abc1234:" in once
    assert with_run(once, "5 passed, 0 failed", date(2026, 1, 3), "def5678").count("passed, 0 failed") == 1
    assert once.split("<!-- last run")[0] == page.split("<!-- last run")[0]
