"""The table of `docs/change_one_thing.md` is what dry runs say; `make docs` writes it anew."""

import os
import re

import pytest

from tests.support.changes import FIRST, LAST, changes, table
from tests.support.sandbox import ROOT, Sandbox
from tests.workflow.conftest import STUDY

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs/change_one_thing.md"


def test_the_table_says_what_dry_runs_say(edited_copy: Sandbox) -> None:
    counts = {}
    for change in changes(STUDY):
        with change.made(edited_copy, STUDY):
            run = edited_copy.dry_run()
        assert run.code == 0, run.output
        counts[change.what] = {} if "Nothing to be done" in run.output else run.job_counts()
    page = PAGE.read_text()
    before, after = page.split(FIRST)[0], page.split(LAST)[1]
    wanted = f"{before}{FIRST}{table(counts)}{LAST}{after}"
    if os.environ.get("SPECGAP_WRITE_DOCS"):
        PAGE.write_text(wanted)
    assert PAGE.read_text() == wanted, "the table is stale; `make docs` writes it anew"


@pytest.mark.parametrize(
    "command", re.findall(r"^(snakemake .*?)(?: +#.*)?$", PAGE.read_text(), flags=re.MULTILINE)
)
def test_every_command_of_the_page_runs_as_written(copy: Sandbox, command: str) -> None:
    """On the tiny study, whose names stand for the embedded study's."""
    tiny = command.replace("demo/sampled/heuristic-5", "tiny/sampled/heuristic-3")
    arguments = tiny.split()[1:]
    at = arguments.index("--cores") + 2 if "--cores" in arguments else 0
    run = copy.workflow(*arguments[at:], "--configfile", "study.yaml")
    assert run.code == 0, run.output
