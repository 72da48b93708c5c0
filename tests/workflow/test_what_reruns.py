"""The user's third habit: after a change, exactly the rules that depend on it run again."""

import re

import pytest

from tests.support.changes import PAGE, Change, changes, page
from tests.support.sandbox import Sandbox
from tests.workflow.conftest import STUDY

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("change", [pytest.param(change, id=change.what) for change in changes(STUDY)])
def test_after_a_change_exactly_what_depends_on_it_runs_again(edited_copy: Sandbox, change: Change) -> None:
    with change.made(edited_copy, STUDY):
        run = edited_copy.dry_run(*change.targets)
    assert run.code == 0, run.output
    counts = {} if "Nothing to be done" in run.output else run.job_counts()
    assert counts == change.reruns


def test_the_table_of_the_docs_says_so_too() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(STUDY, text), "the table is stale; `make docs` writes it"


@pytest.mark.landing
@pytest.mark.parametrize(
    "command", re.findall(r"^(snakemake .*?)(?: +#.*)?$", PAGE.read_text(), flags=re.MULTILINE)
)
def test_every_command_of_the_docs_runs_as_written(copy: Sandbox, command: str) -> None:
    """On the tiny study, whose names stand for the embedded study's."""
    tiny = command.replace("demo/sampled/heuristic-5", "tiny/sampled/heuristic-3")
    arguments = tiny.split()[1:]
    at = arguments.index("--cores") + 2 if "--cores" in arguments else 0
    run = copy.workflow(*arguments[at:], "--configfile", "study.yaml")
    assert run.code == 0, run.output
