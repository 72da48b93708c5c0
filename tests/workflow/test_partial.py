"""`--config partial=true`: figures of the whole shards there are, while the study is still being traced."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from specgap.aggregate import load
from tests.support.lab import pause_after_shards, wait_until
from tests.support.sandbox import Sandbox
from tests.workflow.conftest import prepare_study

pytestmark = pytest.mark.slow
PARTIAL = ("--config", "partial=true", "--")
COUNTED = "aggregates/tiny/sampled/heuristic-3/state.rust_agg"


def indexes(sandbox: Sandbox) -> dict[str, list[dict[str, str]]]:
    """Return what the figures of each cell of the partial study say of themselves."""
    folder = sandbox.results / "partial/figures"
    return {
        file.parent.relative_to(folder).as_posix(): json.loads(file.read_text())
        for file in folder.rglob("index.json")
    }


def states(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("state.rust_agg")}


def n_counted(state: Path) -> int:
    return len(load(state).prompts())


def test_a_partial_study_of_all_shards_has_the_tables_of_the_whole_one(copy: Sandbox) -> None:
    run = copy.snakemake(*PARTIAL, "tables")
    assert run.code == 0, run.output
    assert states(copy.results / "partial/aggregates") == states(copy.results / "aggregates")
    tables = sorted((copy.results / "tables").rglob("*.csv"))
    for table in tables:
        if table.name != "order_effect.csv":  # needs every prompt, so no partial study has it
            twin = copy.results / "partial/tables" / table.relative_to(copy.results / "tables")
            assert twin.read_bytes() == table.read_bytes()


@pytest.mark.landing
def test_a_partial_study_says_so_in_figures_and_report_and_leaves_the_whole_one_alone(copy: Sandbox) -> None:
    run = copy.snakemake(*PARTIAL, "all")
    assert run.code == 0, run.output
    assert indexes(copy)
    for entries in indexes(copy).values():
        for entry in entries:
            n, planned = re.search(r"Partial: (\d+) of (\d+) continuations", entry["caption"]).groups()  # type: ignore[union-attr]
            assert n == planned
    report = (copy.results / "partial/report.html").read_text()
    assert "This is a partial study" in report
    # Nothing is left to do, and nothing of the whole study has changed.
    assert "Nothing to be done" in copy.snakemake("--dry-run", *PARTIAL, "all").output
    assert "Nothing to be done" in copy.dry_run().output


@pytest.mark.landing
def test_figures_of_what_there_is_are_drawn_while_the_study_is_traced(copy: Sandbox) -> None:
    copy.draw_few()
    drawn = copy.results / "figures"
    cells = {file.parent.relative_to(drawn).as_posix() for file in drawn.rglob("index.json")}
    whole = n_counted(copy.results / COUNTED)
    paths = copy.results / "paths/tiny/sampled"
    gone = sorted(paths.glob("s001-p*.json"))
    assert len(gone) >= 2
    for file in [*gone, *paths.glob("*.done.json"), copy.results / "report.html"]:
        file.unlink()
    for folder in ("aggregates", "tables", "figures"):
        shutil.rmtree(copy.results / folder)
    with running(copy) as study:
        # The first of the missing shards is whole, and its job waits before the next.
        wait_until(lambda: gone[0].exists() or study.poll() is not None, "a shard", seconds=300)
        run = copy.snakemake(*PARTIAL, "figures")
        assert run.code == 0, run.output
        assert study.poll() is None
    some = n_counted(copy.results / "partial" / COUNTED)
    assert 0 < some < whole
    found = indexes(copy)
    assert set(found) == cells
    for entries in found.values():
        for entry in entries:
            assert re.search(r"Partial: \d+ of \d+ continuations traced so far\.", entry["caption"])
    assert f"Partial: {some} of {whole} continuations" in found["tiny/sampled/heuristic-3"][0]["caption"]


@contextmanager
def running(sandbox: Sandbox) -> Iterator[subprocess.Popen[bytes]]:
    """Trace the study for the length of a block; jobs wait for ever after a shard that they write."""
    pause_after_shards(sandbox)
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "study.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(sandbox.folder / "src"), "SHARD_PAUSE": "3600"}
    with (sandbox.folder / "running.log").open("wb") as log:
        study = subprocess.Popen(
            command, cwd=sandbox.folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield study
    finally:
        with suppress(ProcessLookupError):
            os.killpg(study.pid, signal.SIGKILL)
        study.wait()


def test_a_study_that_has_not_begun_is_one_sentence(tmp_path: Path) -> None:
    sandbox = prepare_study(tmp_path / "study")
    run = sandbox.snakemake(*PARTIAL, "figures")
    assert run.code == 2
    said = [line for line in run.output.splitlines() if line.startswith("specgap: ")]
    assert len(said) == 1, run.output
    assert "partial is true, but 'results' has no pair with a whole shard" in said[0]
    assert not (sandbox.results / "partial").exists()


def test_prompts_that_have_yet_to_be_fetched_are_one_sentence(tmp_path: Path) -> None:
    sandbox = prepare_study(tmp_path / "study")
    sandbox.write_config(prompts={"fetch": "honest"})
    run = sandbox.snakemake(*PARTIAL, "figures")
    assert run.code == 2
    assert "specgap: partial is true, but resources/honest/" in run.output
