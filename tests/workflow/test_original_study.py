"""The original study's own config, end to end, on models of its shape with random weights."""

from pathlib import Path

import pytest
import yaml

from specgap.tables.csv import read_table
from tests.support.sandbox import FEW_FIGURES, ORIGINAL_FIGURES, ROOT, make_sandbox
from tests.support.tiny_models import gpt2_shaped_folder, gpt_neo_shaped_folder

HONEST = ROOT.parent / "shared/data/honest"
pytestmark = pytest.mark.landing
#: With ten figures by group at the main setting, and these at all three, the original has nineteen.
PROBABILITIES = {"probabilities_accepted", "probabilities_rejected", "probabilities_both"}


@pytest.mark.skipif(not HONEST.is_dir(), reason="HONEST's two files are not here")
def test_the_original_study_runs_to_its_figures_on_honest(tmp_path: Path) -> None:
    sandbox = make_sandbox(tmp_path / "study")
    models = sandbox.folder / "models"
    gpt2 = gpt2_shaped_folder(models / "gpt2", 1)
    gpt2_shaped_folder(models / "distilgpt2", 2, layers=1)
    neo = gpt_neo_shaped_folder(models / "gpt-neo", 3)
    gpt_neo_shaped_folder(models / "gpt-neo-small", 4, near=neo)
    config = yaml.safe_load((ROOT / "config/examples/original.yaml").read_text())
    config["prompts"]["local"] = str(HONEST)
    config["pairs"] = {
        "gpt2": {"target": str(gpt2), "draft": str(models / "distilgpt2")},
        "gpt-neo": {"target": str(neo), "draft": str(models / "gpt-neo-small")},
    }
    # A pilot with few figures beside the original's, since only the chain is tried here.
    config |= {"limit": 3}
    sandbox.draw_few(FEW_FIGURES | ORIGINAL_FIGURES)
    sandbox.write_config(**config)
    run = sandbox.snakemake()
    assert run.code == 0, run.output
    figures = sandbox.folder / config["results"] / "figures"
    for pair in config["pairs"]:
        drawn = {
            setting: {file.stem for file in (figures / pair / "sampled" / setting).glob("*.png")}
            for setting in ("heuristic-5", "constant-5", "constant-20")
        }
        main = drawn.pop("heuristic-5")
        assert main > PROBABILITIES
        assert len([name for name in main if name.startswith("likelihood_difference_")]) == 10
        assert drawn == {"constant-5": PROBABILITIES, "constant-20": PROBABILITIES}
        acceptance = read_table(
            sandbox.folder / config["results"] / "tables" / pair / "sampled/heuristic-5/acceptance.csv"
        )
        assert list(acceptance["n_prompts"]) == [3] * 10
        assert set(acceptance["pilot"]) == {3}
    # Two settings of each pair have few figures, which become the whole set.
    sandbox.write_config(**config, figures={"whole_set": "all"})
    assert sandbox.dry_run().job_counts() == {"draw_figures": 4, "write_report": 1}
