"""`docs/reliability.md` says when `make test-all` last ran whole, on which commit, and what came of it.

`.ci/all` gives minutes and totals to `python -m tests.support.last_run` when all parts are green.
"""

import subprocess
import sys
from datetime import date

from tests.support.sandbox import ROOT

PAGE = ROOT / "docs/reliability.md"
FIRST, LAST = "<!-- last run of make test-all: begin -->\n", "<!-- last run of make test-all: end -->\n"


def with_run(page: str, said: str, on: date, commit: str) -> str:
    """Return the page with a run in place of the one that it had."""
    before, rest = page.split(FIRST)
    after = rest.split(LAST)[1]
    return f"{before}{FIRST}{on.isoformat()}, commit {commit}:\n\n```text\n{said.strip()}\n```\n{LAST}{after}"


def main() -> None:
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout.strip()
    page = with_run(PAGE.read_text(encoding="utf-8"), sys.stdin.read(), date.today(), commit)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
