"""The workflow with --use-conda: through a stand-in for conda, over a channel made of what is installed here.

conda-forge itself and its CUDA builds are not tried; names and bounds of the environment files, the isolation
of each rule in its own environment, and what --conda-prefix does are.
"""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.conda_runs import compared, with_conda
from tests.support.sandbox import ROOT, Sandbox, make_sandbox

pytestmark = pytest.mark.conda


@pytest.fixture(scope="module")
def study(variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The embedded study before any job, without the extension that other tests take from this checkout."""
    sandbox = make_sandbox(tmp_path_factory.mktemp("standin") / "study")
    shutil.rmtree(sandbox.folder / "resources")
    yield dataclasses.replace(sandbox, environment=variables)
    shutil.rmtree(sandbox.folder)


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


def test_environments_are_made_anew_where_another_prefix_is_named(study: Sandbox, tmp_path: Path) -> None:
    shutil.copytree(study.folder, tmp_path / "study")
    copy = Sandbox(tmp_path / "study", study.environment)
    run = with_conda(copy, tmp_path / "elsewhere", "--", "prefetch")
    assert run.code == 0, run.output
    # To Snakemake they are other environments.
    assert run.job_counts() == {"environment": 2, "build_rust_agg": 1, "prefetch": 1}
    assert made_in(tmp_path / "elsewhere") == {"trace", "analysis", "build"}


def test_the_embedded_study_through_the_standin_is_byte_equal_to_make_figures(
    study: Sandbox, prefix: Path
) -> None:
    made = compared(ROOT / "results")
    assert made, "no results/ here; wanted `make figures` before this test, as `make test-conda` does"
    run = with_conda(study, prefix)
    assert run.code == 0, run.output
    assert "build_rust_agg" not in run.job_counts()
    through = compared(study.results)
    assert len([name for name in through if name.endswith(".png")]) > 19
    assert set(through) == set(made)
    assert [name for name in made if made[name] != through[name]] == []


def test_afterwards_nothing_is_stale_until_a_source_of_the_extension_changes(
    study: Sandbox, prefix: Path
) -> None:
    assert "Nothing to be done" in with_conda(study, prefix, "--dry-run").output
    # Newer, but with the same content.
    (study.folder / "rust_agg/src/lib.rs").touch()
    assert "Nothing to be done" in with_conda(study, prefix, "--dry-run").output
    with study.edited("rust_agg/src/lib.rs", "//!", "//! Edited."):
        counts = with_conda(study, prefix, "--dry-run").job_counts()
    assert counts["build_rust_agg"] == 1
    assert {"replay", "aggregate", "tabulate_cell", "draw_figures"} <= set(counts)
    assert not {"collect_paths", "collect_traces", "measure_prompts"} & set(counts)


def test_an_environment_with_other_bounds_runs_the_rules_of_that_environment_alone(
    study: Sandbox, prefix: Path
) -> None:
    with study.edited("envs/analysis.yaml", "typer >=0.15,<1", "typer >=0.16,<1"):
        counts = with_conda(study, prefix, "--dry-run").job_counts()
    assert counts
    assert not {"collect_paths", "collect_tails", "collect_traces", "build_rust_agg"} & set(counts)
