"""How tests run: the same examples of Hypothesis each time, the longest modules first."""

import re
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support import times

# No deadline, since machines are shared.
settings.register_profile("specgap", deadline=None, derandomize=True)
settings.load_profile("specgap")

_TIER = re.compile(r"^pytestmark = pytest\.mark\.(\w+)$", flags=re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave modules unread whose tests are all left out: what they import takes seconds."""
    left_out = re.fullmatch(r"not \((.*)\)", config.option.markexpr)
    if left_out is None or not collection_path.match("test_*.py"):
        return None
    tier = _TIER.search(collection_path.read_text(encoding="utf-8"))
    return True if tier and tier[1] in left_out[1].split(" or ") else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest modules, so that no process is left with one at the end."""
    known = times.known()

    def seconds(item: pytest.Item) -> float:
        return known.get(item.path.relative_to(times.ROOT).as_posix(), float("inf"))

    items.sort(key=seconds, reverse=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [one for one in terminalreporter.getreports("passed") if "_worlds.py" in one.nodeid]
    lines = [line for one in reports for line in one.capstdout.splitlines()]
    if lines:
        terminalreporter.section("simulations: what was measured, beside its band")
        terminalreporter.write_line("\n".join(sorted(lines)))
