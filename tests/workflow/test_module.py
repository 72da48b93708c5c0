"""Another workflow uses this one as a module, from a local path and with a config of its own."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.support.sandbox import ROOT, Sandbox
from tests.workflow.conftest import STUDY

pytestmark = pytest.mark.slow
USAGE = ROOT / "docs/reuse.md"


def outer_workflow(folder: Path, study: Sandbox) -> Sandbox:
    """Write the Snakefile of the docs, as it stands there, beside a study's models and prompts."""
    folder.mkdir()
    for name in ("models", "resources"):
        shutil.copytree(study.folder / name, folder / name)
    shutil.copy2(study.folder / "prompts.csv", folder / "prompts.csv")
    (found,) = re.findall(r"```python\n(configfile.*?)```", USAGE.read_text(), flags=re.DOTALL)
    assert "/path/to/specgap" in found
    (folder / "Snakefile").write_text(found.replace("/path/to/specgap", str(study.folder)))
    config = {"specgap": {**STUDY, "results": "results/specgap"}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return Sandbox(folder)


def test_a_module_with_a_local_path_and_its_own_config_runs(study: Sandbox, tmp_path: Path) -> None:
    outer = outer_workflow(tmp_path / "outer", study)
    planned = outer.workflow("--dry-run")
    assert planned.code == 0, planned.output
    # What the rule of the docs asks for, and no more: both samples of the sampled decoding.
    counts = planned.job_counts()
    assert counts["specgap_collect_paths"] == 2
    assert not {"specgap_write_report", "specgap_draw_figures"} & set(counts)
    assert not (outer.folder / "results").exists()
    run = outer.workflow()
    assert run.code == 0, run.output
    assert (outer.folder / "results/lowest.txt").read_text().startswith("lowest acceptance rate")
    inner, mine = study.results / "tables", outer.folder / "results/specgap/tables"
    written = list(mine.rglob("*.csv"))
    assert written
    for table in written:
        assert table.read_bytes() == (inner / table.relative_to(mine)).read_bytes()


def test_a_wrong_config_of_a_module_is_one_sentence(study: Sandbox, tmp_path: Path) -> None:
    outer = outer_workflow(tmp_path / "outer", study)
    (outer.folder / "config.yaml").write_text(yaml.safe_dump({"specgap": {**STUDY, "sample": 2}}))
    run = outer.workflow("--dry-run")
    assert run.code == 2
    assert "the config given to the module" in run.output
    assert "sample" in run.output
