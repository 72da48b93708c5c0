"""How Hypothesis runs here: the same examples every time, and no deadline, since machines are shared.

And what simulations measured is printed beside their bands, which pytest would keep of tests that pass.
"""

import pytest
from hypothesis import settings

settings.register_profile("specgap", deadline=None, derandomize=True)
settings.load_profile("specgap")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [one for one in terminalreporter.getreports("passed") if "_worlds.py" in one.nodeid]
    lines = [line for one in reports for line in one.capstdout.splitlines()]
    if lines:
        terminalreporter.section("simulations: what was measured, beside its band")
        terminalreporter.write_line("\n".join(sorted(lines)))
