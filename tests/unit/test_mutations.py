"""Planted faults stay plantable, and the tool that plants them leaves no trace."""

from contextlib import suppress
from pathlib import Path

import pytest

from tests.mutations.covering import Covering, inside_functions, statement_lines
from tests.mutations.excerpts import by_diff, excerpt
from tests.mutations.fault import BY_HAND, DRAWN, DoesNotApplyError, Fault, all_faults, planted, read_faults
from tests.support.sandbox import ROOT

FAULT = Fault("hand", "two for one", "module.py", "n = 1\n", "n = 2\n")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "module.py").write_text("m = 0\nn = 1\n")
    return tmp_path


def test_the_text_of_each_fault_by_hand_stands_once_in_its_file():
    for fault in read_faults(BY_HAND, "hand"):
        text = (ROOT / fault.file).read_text(encoding="utf-8")
        assert text.count(fault.old) == 1, f"{fault.what}: {fault.file}"
        assert fault.old != fault.new


def test_a_fault_by_hand_in_python_still_compiles():
    for fault in read_faults(BY_HAND, "hand"):
        if fault.file.endswith(".py"):
            compile(fault.planted((ROOT / fault.file).read_text(encoding="utf-8")), fault.file, "exec")


def test_there_are_a_hundred_faults_by_tools_and_thirty_by_hand():
    assert len(read_faults(DRAWN)) >= 100
    assert len(read_faults(BY_HAND, "hand")) >= 30


def test_no_two_faults_have_one_key():
    keys = [fault.key for fault in all_faults()]
    assert len(set(keys)) == len(keys)


def test_a_planted_fault_is_taken_back_when_the_block_fails(tree: Path):
    with suppress(ZeroDivisionError), planted(FAULT, tree):
        assert (tree / "module.py").read_text() == "m = 0\nn = 2\n"
        raise ZeroDivisionError
    assert (tree / "module.py").read_text() == "m = 0\nn = 1\n"


def test_a_fault_whose_text_stands_twice_is_refused(tree: Path):
    (tree / "module.py").write_text("n = 1\nn = 1\n")
    with pytest.raises(DoesNotApplyError, match=r"module\.py holds 2 times"), planted(FAULT, tree):
        pass


def test_a_fault_knows_the_lines_that_differ():
    fault = Fault("hand", "", "module.py", "a\nb\nc\n", "a\nX\nc\n")
    assert fault.lines("first\na\nb\nc\n") == range(3, 4)


def test_an_excerpt_holds_as_many_lines_as_name_one_place():
    before, after = "x\ny\nn\nx\nz\nn\n", "x\ny\nn\nx\nz\nm\n"
    old, new = excerpt(before, after)
    assert before.count(old) == 1
    assert before.replace(old, new) == after


def test_a_diff_is_applied_at_its_lines():
    diff = "--- a\n+++ b\n@@ -2,2 +2,2 @@\n two\n-three\n+four\n"
    assert by_diff("one\ntwo\nthree\n", diff) == "one\ntwo\nfour\n"


def test_a_line_of_a_statement_stands_for_the_whole_of_it():
    assert statement_lines("a = f(\n    1,\n    2,\n)\nb = 1\n", range(2, 3)) == {1, 2, 3, 4}


def test_only_lines_in_bodies_of_functions_are_run_by_calls_alone():
    text = "A = 1\n\ndef f():\n    return A\n"
    assert inside_functions(text, range(4, 5))
    assert not inside_functions(text, range(1, 2))


def test_a_line_that_a_fixture_runs_is_run_for_all_tests_of_its_file():
    covering = Covering(Path("none"), {"tests/a.py::x": 2.0, "tests/a.py::y": 1.0, "tests/b.py::z": 1.0})
    assert covering.tests_of(["tests/a.py::x|setup", ""]) == {"tests/a.py::x", "tests/a.py::y"}
