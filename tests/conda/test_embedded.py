"""The embedded study with --use-conda through the stand-in: byte for byte what `make figures` has made."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from tests.support.conda_runs import compared
from tests.support.sandbox import ROOT, make_sandbox

pytestmark = pytest.mark.conda


def test_the_embedded_study_through_the_standin_is_byte_equal_to_make_figures(
    variables: dict[str, str], prefix: Path, tmp_path: Path
) -> None:
    made = compared(ROOT / "results")
    assert made, "no results/ here; wanted `make figures` before this test, as `make test-embedded` does"
    sandbox = dataclasses.replace(make_sandbox(tmp_path / "study"), environment=variables)
    shutil.rmtree(sandbox.folder / "resources")
    run = sandbox.workflow("--cores", "8", "--use-conda", "--conda-prefix", str(prefix))
    assert run.code == 0, run.output
    through = compared(sandbox.results)
    assert len([name for name in through if name.endswith(".png")]) > 19
    assert set(through) == set(made)
    assert [name for name in made if made[name] != through[name]] == []
