"""`collector: counts`: from a CSV of a server's counts to figures and report, and no model anywhere."""

import re
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from specgap.config import load
from specgap.simulate import World
from specgap.tables.names import count_table_names
from tests.support.bare import MISSING, without_models_and_builds
from tests.support.sandbox import Sandbox, make_sandbox
from tests.support.served_files import write_counts

pytestmark = pytest.mark.slow

WORLD = World(terms=(("women", 5), ("men", 4), ("they & them", 1)), templates=4, term_sd=0.2)
STUDY = {
    "collector": "counts",
    "pairs": {
        "eagle": {"target": "meta/big", "draft": "eagle-head", "counts": "served.csv"},
        "mtp": {"target": "meta/big", "draft": "mtp-head", "counts": "other.csv"},
    },
    "statistics": {"permutations": 199},
}
FIGURES = {"forest", "group_differences", "largest_gap", "power", "term_dots", "variance"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    made = make_sandbox(tmp_path_factory.mktemp("served") / "study")
    for seed, name in enumerate(("served", "other"), start=1):
        write_counts(made.folder / f"{name}.csv", WORLD.prompts, WORLD.counts(seed))
    made.write_config(**STUDY)
    return without_models_and_builds(made)


@pytest.mark.parametrize("name", MISSING)
def test_what_counts_do_without_is_not_there(served: Sandbox, name: str) -> None:
    run = served.run(sys.executable, "-c", f"import {name}")
    assert run.code != 0
    assert "says the test" in run.output


def first_row(served: Sandbox) -> str:
    return (served.folder / "served.csv").read_text().splitlines()[1]


def test_counts_become_tables_figures_and_a_report(served: Sandbox) -> None:
    planned = served.dry_run()
    assert planned.code == 0, planned.output
    assert set(planned.job_counts()) == {
        "prepare_prompts", "tabulate_prompts", "tabulate_counts", "draw_figures", "write_report",
        "tabulate_pairs", "draw_pairs_figures",
    }  # fmt: skip
    run = served.snakemake()
    assert run.code == 0, run.output
    assert "counts hold neither p and q of tokens nor draft positions" in run.output
    assert not (served.folder / "resources/build").exists()
    cell = "eagle/sampled/served"
    written = {path.name for path in (served.results / "tables" / cell).iterdir()}
    assert written == set(count_table_names(["group"]))
    assert {path.stem for path in (served.results / "figures" / cell).glob("*.pdf")} == FIGURES
    assert (served.results / "study/figures/sampled/pairs_overview.pdf").is_file()
    page = (served.results / "report.html").read_text()
    assert "Does the draft serve the 3 groups of group equally?" in page
    assert "Pairs side by side" in page
    assert "these tables are left out, and all figures that need either: acceptance_by_position" in page
    methods = (served.results / "methods.md").read_text()
    assert "their counts were read from `served.csv`" in methods
    assert not re.search("unknown version|Distinctive tokens|transformers", methods)
    again = served.dry_run()
    assert not again.job_counts()


def test_other_counts_are_tabulated_anew(served: Sandbox) -> None:
    row = first_row(served)
    with served.edited("served.csv", row, f"{row}0"):  # ten times the drafted tokens
        assert {"tabulate_counts", "write_report"} <= set(served.dry_run().job_counts())


def test_wrong_counts_are_one_sentence(served: Sandbox) -> None:
    row = first_row(served)
    with served.edited("served.csv", row, re.sub(r"(?:\d+,){2}(\d+,\d+,\d+)$", r"9,3,\1", row)):
        refused = served.dry_run()
    assert refused.code == 2
    assert "specgap: served.csv row 1 (line 2): 9 accepted of 3 judged tokens" in refused.output
    assert "Traceback" not in refused.output


@pytest.mark.parametrize("target", ["power", "prefetch"])
def test_other_targets_of_counts_build_nothing_either(served: Sandbox, target: str) -> None:
    planned = served.dry_run(target)
    assert planned.code == 0, planned.output
    assert not {"build_rust_agg", "environment", "fetch_model"} & set(planned.job_counts())


@pytest.mark.landing
def test_a_bundle_of_counts_is_drawn_elsewhere(served: Sandbox, tmp_path: Path) -> None:
    run = served.snakemake("--", "bundle")
    assert run.code == 0, run.output
    with zipfile.ZipFile(served.results / "bundle.zip") as archive:
        archive.extractall(tmp_path)
        assert {
            "served.csv",
            "other.csv",
            "results/tables/eagle/sampled/served/gap_test.csv",
            "results/study/tables/sampled/pair_differences.csv",
            "results/study/figures/sampled/pairs_overview.png",
        } <= set(archive.namelist())
    study = load(tmp_path / "config.yaml")
    assert study.bundled
    assert study.pairs["eagle"].counts == "served.csv"
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["prompts"]["files"] == [
        "served.csv",
        "other.csv",
    ]
