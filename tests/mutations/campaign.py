"""One fault after another: planted, tried on the tests that run it, and what came of it kept.

What is kept of a fault and a commit is a small file, written when that fault is done: a campaign that is
interrupted goes on where it was.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from tests.mutations.covering import Covering, inside_functions, read_covering, statement_lines
from tests.mutations.fault import Fault, applies, planted
from tests.mutations.pytest_child import Ran, collect, run_tests
from tests.mutations.rust import Crate
from tests.mutations.tiers import CHAIN, COMPILES, OF_RUST, Tier
from tests.mutations.trees import Tree

_START = 60.0  # seconds that a run of tests may take beside three times what they took without a fault
_NOT_THERE = 4  # pytest's code where a test that was asked for does not exist
_COMPILING = 3600.0  # seconds
_AT_FIRST = 15  # tests


@dataclass(frozen=True)
class Result:
    """What came of one fault under the tests of one tier."""

    state: str  # caught, survived, absent (its text is not in this tree) or unviable (it does not compile)
    by: str = ""  # the first test that failed
    tried: int = 0  # how many tests ran the fault or may have
    deep: bool = False  # whether tests of child processes were among them
    line: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Limits:
    """How much a fault is given."""

    seconds: float = 120.0  # of tests in this process, as measured without a fault; the longest are left out
    chain: int = 0  # how many files of tests/workflow survivors meet
    cargo: float = 1800.0


@dataclass(frozen=True)
class Bench:
    """A tree with its tests, for one tier."""

    tree: Tree
    tier: Tier
    limits: Limits
    crate: Crate

    @cached_property
    def covering(self) -> Covering:
        return read_covering(self.tree, list(self.tier.arguments))

    @cached_property
    def tests(self) -> list[str]:
        """All tests of the tier, asked once per commit."""
        path = self.tree.known / f"tests-{self.tier.name}.json"
        if not path.exists():
            path.write_text(json.dumps(collect(self.tree, self.tier.arguments)), encoding="utf-8")
        return list(json.loads(path.read_text(encoding="utf-8")))

    @cached_property
    def _selected(self) -> frozenset[str]:
        return frozenset(self.tests)

    def kept(self, fault: Fault) -> Result | None:
        """Return what is known of a fault."""
        path = self._file(fault)
        return Result(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def result(self, fault: Fault, hint: str = "") -> Result:
        """Return what comes of a fault; `hint` is the test that caught it elsewhere and is tried first.

        A test that fails without the fault too catches nothing: it is left out from then on.
        """
        found = self.kept(fault)
        if found is None or self._may_go_deeper(fault, found):
            found = self._try(fault, hint, known=found)
            while "::" in found.by and not self._passes(found.by):
                found = self._try(fault, hint, known=None)
            self._file(fault).parent.mkdir(parents=True, exist_ok=True)
            self._file(fault).write_text(json.dumps(asdict(found)), encoding="utf-8")
        return found

    def _may_go_deeper(self, fault: Fault, found: Result) -> bool:
        return found.state == "survived" and not found.deep and self.limits.chain > 0 and not fault.in_rust

    def _file(self, fault: Fault) -> Path:
        return self.tree.known / "results" / self.tier.name / f"{fault.key}.json"

    def _try(self, fault: Fault, hint: str, known: Result | None) -> Result:
        if not applies(fault, self.tree.folder):
            return Result("absent")
        text = (self.tree.folder / fault.file).read_text(encoding="utf-8")
        hints = [hint] if hint in self._selected - self._broken() else []
        with planted(fault, self.tree.folder) as lines:
            if fault.in_rust:
                found = self._in_rust(hints)
            else:
                found = known or self._first_failure(_each_once(hints, self._near(fault, text, lines)))
            if found.state == "survived" and self.limits.chain and not fault.in_rust:
                found = self._deeper(found)
        return replace(found, line=lines[0])

    def _in_rust(self, hints: list[str]) -> Result:
        if not self.crate.compiles(_COMPILING):
            return Result("unviable")
        failed = self.crate.failing(self.limits.cargo)
        if failed:
            return Result("caught", failed)
        near = [
            test for test in self.covering.quickest_first(self.tests) if any(part in test for part in OF_RUST)
        ]
        tests = [test for test in self._affordable(near) if not any(part in test for part in COMPILES)]
        return self._first_failure(_each_once(hints, tests), self.crate.extension())

    def _deeper(self, found: Result) -> Result:
        """Return what comes of a fault that survived, under tests of child processes."""
        chain = [test for file in self._chain() for test in self.tests if test.startswith(file)]
        deep = self._first_failure([test for test in chain if test not in self._broken()])
        return replace(deep, tried=found.tried + deep.tried, seconds=found.seconds + deep.seconds, deep=True)

    def _chain(self) -> Sequence[str]:
        there = [file for file in CHAIN if any(test.startswith(file) for test in self.tests)]
        return there[: self.limits.chain]

    def _near(self, fault: Fault, text: str, lines: range) -> list[str]:
        """Return the tests that may see a fault: those that run its line, its file, others.

        Lines outside functions are run by an import, and no context says so: any test may see them.
        """
        named = [test for test in self.tests if test.startswith(fault.first)] if fault.first else []
        if not fault.in_package:
            return named
        own = self.covering.of_lines(fault.file, statement_lines(text, lines))
        of_file = self.covering.of_file(fault.file) - own
        others = [] if inside_functions(text, lines) else self.tests
        quickest = map(self.covering.quickest_first, (own, of_file, others))
        return _each_once(named, self._affordable(_each_once(*quickest)))

    def _affordable(self, tests: Sequence[str]) -> list[str]:
        """Return as many of these as fit into the seconds of a fault, without those of child processes."""
        spent, kept = 0.0, []
        wanted = self._selected - self._broken()
        for test in [test for test in tests if test in wanted and not test.startswith(CHAIN)]:
            seconds = self.covering.seconds(test)
            if spent + seconds <= self.limits.seconds:
                spent += seconds
                kept.append(test)
        return kept

    def _broken(self) -> set[str]:
        return {test for test, passes in self._tried().items() if not passes}

    def _first_failure(self, tests: Sequence[str], extension: Path | None = None) -> Result:
        """Run tests up to the first that fails with the fault in place.

        A few by themselves first: most faults fail one of them, and the imports of all others take longer.
        """
        seconds = 0.0
        for portion in filter(None, (tests[:_AT_FIRST], tests[_AT_FIRST:])):
            ran = self._run(portion, extension)
            seconds = round(seconds + ran.seconds, 1)
            if ran.late:
                return Result("caught", f"none in time ({ran.seconds:.0f} s)", len(tests), seconds=seconds)
            if ran.failed:
                return Result("caught", ran.failed, len(tests), seconds=seconds)
        return Result("survived", tried=len(tests), seconds=seconds)

    def _run(self, tests: Sequence[str], extension: Path | None) -> Ran:
        limit = _START + 3 * sum(map(self.covering.seconds, tests))
        ran = run_tests(self.tree, tests, limit, extension)
        if (
            ran.code == _NOT_THERE and ran.failed is None
        ):  # names of parameters are made of what the fault changes
            files = list(dict.fromkeys(test.split("::")[0] for test in tests))
            ran = run_tests(self.tree, files, limit, extension)
            if ran.code == _NOT_THERE and ran.failed is None:
                return replace(ran, failed="tests cannot be started")
        return ran

    def _passes(self, test: str) -> bool:
        """Return whether a test passes without a fault, asked once per commit."""
        known = self._tried()
        if test not in known:
            known[test] = self._run([test], None).code == 0
            self._passing.write_text(json.dumps(known, indent=0), encoding="utf-8")
        return known[test]

    def _tried(self) -> dict[str, bool]:
        return json.loads(self._passing.read_text(encoding="utf-8")) if self._passing.exists() else {}

    @property
    def _passing(self) -> Path:
        return self.tree.known / "passes.json"


def _each_once(*parts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(test for part in parts for test in part))
