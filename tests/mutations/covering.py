"""Which tests run a line, and how long each takes: from one run of the suite with coverage contexts."""

import ast
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

from tests.mutations.trees import Tree

_QUICK = 0.5  # seconds of a test that was not measured


@dataclass(frozen=True)
class Covering:
    """The measured run of one tree."""

    database: Path
    times: dict[str, float]  # seconds by node id, set-up included

    @cached_property
    def _lines(self) -> dict[str, dict[int, list[str]]]:
        """Contexts by file, from `src/` on, and line."""
        from coverage import CoverageData

        data = CoverageData(basename=str(self.database))
        data.read()
        return {_in_tree(file): data.contexts_by_lineno(file) for file in data.measured_files()}

    def of_lines(self, file: str, lines: Iterable[int]) -> set[str]:
        """Return the tests that run one of these lines.

        A fixture may be shared: what is run while one is set up is run for all tests of that file.
        """
        contexts = self._lines.get(file, {})
        return self.tests_of(context for line in lines for context in contexts.get(line, []))

    def of_file(self, file: str) -> set[str]:
        return self.of_lines(file, self._lines.get(file, {}))

    def tests_of(self, contexts: Iterable[str]) -> set[str]:
        found: set[str] = set()
        shared: set[str] = set()
        for context in set(contexts) - {""}:
            test, _, phase = context.rpartition("|")
            found.add(test)
            if phase == "setup":
                shared.add(test.split("::")[0])
        return found | {test for test in self.times if test.split("::")[0] in shared}

    def quickest_first(self, tests: Iterable[str]) -> list[str]:
        return sorted(tests, key=lambda test: (self.seconds(test), test))

    def seconds(self, test: str) -> float:
        return self.times.get(test, _QUICK)


def read_covering(tree: Tree, arguments: list[str]) -> Covering:
    """Return what is known of a commit; where nothing is, its suite is run once (minutes)."""
    database, times = tree.known / "coverage", tree.known / "junit.xml"
    if not (database.exists() and times.exists()):
        _measure(tree, arguments, database, times)
    return Covering(database, _times(times))


def _measure(tree: Tree, arguments: list[str], database: Path, times: Path) -> None:
    settings = tree.known / "coveragerc"
    source = tree.folder / "src/specgap"
    settings.write_text(f"[run]\nsource = {source}\ndata_file = {database}\n", encoding="utf-8")
    command = ["pytest", "-q", "-n", "2", "--dist", "loadfile", "--cov", f"--cov-config={settings}"]
    command += ["--cov-context=test", "--cov-report=", f"--junitxml={times}", *arguments]
    command += ["-W", "ignore::coverage.exceptions.CoverageWarning"]
    subprocess.run(command, cwd=tree.folder, env=tree.environment(), check=False)


def _times(path: Path) -> dict[str, float]:
    cases = ElementTree.parse(path).getroot().iter("testcase")
    return {
        _node(case.get("classname", ""), case.get("name", "")): float(case.get("time", 0)) for case in cases
    }


def _node(module: str, name: str) -> str:
    return f"{module.replace('.', '/')}.py::{name}"


def _in_tree(file: str) -> str:
    return file[file.rindex("src/specgap/") :]


def statement_lines(text: str, lines: range) -> set[int]:
    """Return all lines of the statements that these lines are part of; of a block, those of its head."""
    found = set(lines)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            if node.lineno <= lines[-1] and end >= lines[0]:
                found.update(range(node.lineno, end + 1))
    return found


def inside_functions(text: str, lines: range) -> bool:
    """Return whether all these lines stand in bodies of functions, so that only calls run them."""
    bodies: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            bodies.update(range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1))
    return bodies.issuperset(lines)
