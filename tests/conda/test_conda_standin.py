"""The workflow with --use-conda: through a stand-in for conda, over a channel made of what is installed here.

conda-forge itself and its CUDA builds are not tried; names and bounds of the environment files, the isolation
of each rule in its own environment, and what --conda-prefix does are.
"""

import dataclasses
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.conda_runs import compared, with_conda
from tests.support.sandbox import ROOT, Sandbox, make_sandbox
from tests.support.tiny_study import prepare_study
from tests.support.warm import warm

pytestmark = pytest.mark.conda


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """The tiny study, run by what is installed here."""
    sandbox = prepare_study(tmp_path_factory.mktemp("undisturbed") / "study")
    sandbox.draw_few()
    with warm():
        run = sandbox.snakemake()
    assert run.code == 0, run.output
    return sandbox


@pytest.fixture(scope="module")
def study(variables: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """The tiny study before any job."""
    sandbox = prepare_study(tmp_path_factory.mktemp("standin") / "study")
    sandbox.draw_few()
    return through_conda(sandbox, variables)


@pytest.fixture
def embedded(variables: Mapping[str, str], tmp_path: Path) -> Iterator[Sandbox]:
    """The embedded study before any job."""
    yield through_conda(make_sandbox(tmp_path / "study"), variables)
    shutil.rmtree(tmp_path / "study")


def through_conda(sandbox: Sandbox, variables: Mapping[str, str]) -> Sandbox:
    """Return a sandbox without the extension that other tests take from this checkout."""
    shutil.rmtree(sandbox.folder / "resources")
    return dataclasses.replace(sandbox, environment=variables)


def made_in(prefix: Path) -> set[str]:
    """Return which environments lie there, by a package that only they have."""
    telling = {"torch": "trace", "scipy": "analysis"}
    found = {telling[f.name] for f in prefix.glob("*/lib/python3*/site-packages/*") if f.name in telling}
    return found | {"build" for file in prefix.glob("*/bin/maturin") if file.exists()}


def test_prefetch_makes_every_environment_and_builds_the_extension_in_one(
    study: Sandbox, prefix: Path
) -> None:
    run = with_conda(study, prefix, "--", "prefetch")
    assert run.code == 0, run.output
    assert made_in(prefix) == {"trace", "analysis", "build"}
    assert list((study.folder / "resources/build/rust_agg").rglob("*.abi3.so"))


#: To Snakemake, environments below another prefix are other environments.
MADE_ANEW = {"environment": 2, "build_rust_agg": 1, "prefetch": 1}


def test_environments_are_to_be_made_anew_where_another_prefix_is_named(
    study: Sandbox, tmp_path: Path
) -> None:
    run = with_conda(study, tmp_path / "elsewhere", "--dry-run", "--", "prefetch")
    assert run.job_counts() == MADE_ANEW


@pytest.mark.full
def test_environments_are_made_anew_where_another_prefix_is_named(study: Sandbox, tmp_path: Path) -> None:
    shutil.copytree(study.folder, tmp_path / "study")
    copy = Sandbox(tmp_path / "study", study.environment)
    run = with_conda(copy, tmp_path / "elsewhere", "--", "prefetch")
    assert run.code == 0, run.output
    assert run.job_counts() == MADE_ANEW
    assert made_in(tmp_path / "elsewhere") == {"trace", "analysis", "build"}


def test_a_study_through_the_standin_is_byte_equal_to_one_without_conda(
    study: Sandbox, prefix: Path, undisturbed: Sandbox
) -> None:
    run = with_conda(study, prefix)
    assert run.code == 0, run.output
    assert "build_rust_agg" not in run.job_counts()
    assert {"figures/tiny/sampled/heuristic-3/forest.png", "report.html"} <= set(compared(study.results))
    assert compared(study.results) == compared(undisturbed.results)


def test_afterwards_nothing_is_stale_until_a_source_of_the_extension_changes(
    study: Sandbox, prefix: Path
) -> None:
    # Newer, but with the same content.
    (study.folder / "rust_agg/src/lib.rs").touch()
    assert "Nothing to be done" in with_conda(study, prefix, "--dry-run").output
    with study.edited("rust_agg/src/lib.rs", "//!", "//! Edited."):
        counts = with_conda(study, prefix, "--dry-run").job_counts()
    assert counts["build_rust_agg"] == 1
    assert {"replay_records", "aggregate", "tabulate_cell", "draw_figures"} <= set(counts)
    assert not {"collect_paths", "collect_traces", "measure_prompts"} & set(counts)


def test_an_environment_with_other_bounds_runs_the_rules_of_that_environment_alone(
    study: Sandbox, prefix: Path
) -> None:
    with study.edited("envs/analysis.yaml", "typer >=0.15,<1", "typer >=0.16,<1"):
        counts = with_conda(study, prefix, "--dry-run").job_counts()
    assert counts
    assert not {"collect_paths", "collect_tails", "collect_traces", "build_rust_agg"} & set(counts)


@pytest.mark.full
def test_the_embedded_study_through_the_standin_is_byte_equal_to_make_figures(
    embedded: Sandbox, prefix: Path
) -> None:
    made = compared(ROOT / "results")
    assert made, "no results/ here; expected `make figures` before this test, as `make test-conda` does"
    run = with_conda(embedded, prefix)
    assert run.code == 0, run.output
    through = compared(embedded.results)
    assert len([name for name in through if name.endswith(".png")]) > 19
    assert set(through) == set(made)
    assert [name for name in made if made[name] != through[name]] == []
