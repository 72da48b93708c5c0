"""The user's third habit: after a change, exactly the rules that depend on it run again."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest

from tests.support.sandbox import Sandbox
from tests.workflow.conftest import STUDY

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("study")]

#: What follows from new counts in all three cells.
TABLES_ON = {"tabulate_cell": 3, "tabulate_settings": 1}
FIGURES_ON = {"draw_figures": 1, "draw_figures_greedy": 1, "draw_settings_figures": 1, "write_report": 1}
COUNTS_ON = {"aggregate": 3, **TABLES_ON, **FIGURES_ON}


@contextmanager
def config(study: Sandbox, **keys: Any) -> Iterator[None]:
    study.write_config(**{**deepcopy(STUDY), **keys})
    try:
        yield
    finally:
        study.write_config(**STUDY)


def reruns(study: Sandbox, *targets: str) -> dict[str, int]:
    run = study.dry_run(*targets)
    assert run.code == 0, run.output
    return run.job_counts()


def test_a_whole_study_has_nothing_to_do(study: Sandbox) -> None:
    assert "Nothing to be done" in study.dry_run().output


def test_a_caption_redraws_figures_alone(study: Sandbox) -> None:
    with study.edited("config/figures.yaml", "caption: >-\n", "caption: >-\n    Edited.\n"):
        assert reruns(study) == FIGURES_ON


def test_the_title_of_one_cell_figure_leaves_figures_over_settings_alone(study: Sandbox) -> None:
    title = "title: Probabilities of accepted tokens"
    with study.edited("config/figures.yaml", title, f"{title}, edited"):
        assert reruns(study) == {"draw_figures": 1, "draw_figures_greedy": 1, "write_report": 1}


def test_a_colour_redraws_figures_alone(study: Sandbox) -> None:
    with study.edited("src/specgap/figures/style.py", '"""', '"""Edited. '):
        assert reruns(study) == FIGURES_ON


def test_a_figure_function_redraws_figures_alone(study: Sandbox) -> None:
    with study.edited("src/specgap/figures/calibration.py", '"""', '"""Edited. '):
        assert reruns(study) == FIGURES_ON


def test_a_table_function_tabulates_and_draws(study: Sandbox) -> None:
    with study.edited("src/specgap/tables/differences.py", '"""', '"""Edited. '):
        assert reruns(study) == {**TABLES_ON, "tabulate_prompts": 1, **FIGURES_ON}


def test_another_bin_grid_counts_anew_and_traces_nothing(study: Sandbox) -> None:
    with config(study, bins={"probability": 25}):
        assert reruns(study) == {**COUNTS_ON}


def test_another_seed_traces_everything_and_trains_nothing(study: Sandbox) -> None:
    with config(study, seed=2):
        assert reruns(study) == {"collect_traces": 5, **COUNTS_ON}


def test_one_more_sample_traces_that_sample_alone(study: Sandbox) -> None:
    with config(study, samples=3):
        sampled = {**COUNTS_ON, "aggregate": 2, "tabulate_cell": 2}
        del sampled["draw_figures_greedy"]
        assert reruns(study) == {"collect_traces": 2, **sampled}


def test_one_more_setting_traces_that_setting_alone(study: Sandbox) -> None:
    more = [*STUDY["settings"], {"schedule": "constant", "num_assistant_tokens": 2}]  # type: ignore[misc]
    with config(study, settings=more):
        counts = reruns(study)
    assert counts["collect_traces"] == 2  # two samples
    assert (counts["aggregate"], counts["tabulate_cell"]) == (1, 1)
    assert "draw_figures" not in counts  # `figures.settings` does not list it


def test_a_renamed_grouping_traces_nothing(study: Sandbox) -> None:
    with config(study, groupings=[{"name": "people", "column": "group"}]):
        counts = reruns(study)
    assert counts["aggregate"] == 3
    assert not {"collect_traces", "measure_prompts"} & set(counts)


def test_a_merged_grouping_beside_the_first_traces_nothing(study: Sandbox) -> None:
    merged = {"name": "binary", "column": "group", "map": {"women": "binary", "men": "binary"}}
    with config(study, groupings=["group", merged]):
        counts = reruns(study)
    assert counts["aggregate"] == 3
    assert not {"collect_traces", "measure_prompts"} & set(counts)


def test_a_renamed_group_traces_nothing(study: Sandbox) -> None:
    with study.edited("prompts.csv", "women", "everyone"):
        counts = reruns(study)
    assert counts["prepare_prompts"] == 1
    assert not {"collect_traces", "measure_prompts"} & set(counts)


def test_another_prompt_traces_the_jobs_that_have_it(study: Sandbox) -> None:
    with study.edited("prompts.csv", "they dreamt of", "they thought of"):
        counts = reruns(study)
    assert counts["collect_traces"] == 5  # every job has all three shards
    assert (counts["prepare_prompts"], counts["measure_prompts"], counts["aggregate"]) == (1, 1, 3)


def test_one_figure_is_redrawn_alone(study: Sandbox) -> None:
    figure = "results/figures/tiny/sampled/heuristic-3/likelihood_difference_women.pdf"
    assert reruns(study, figure) == {"draw_figure": 1}


def test_one_figure_asked_for_by_name_waits_for_its_tables_alone(study: Sandbox) -> None:
    figure = "results/figures/tiny/sampled/heuristic-3/likelihood_difference_women.pdf"
    with config(study, bins={"difference": 40}):
        assert reruns(study, figure) == {
            "aggregate": 1,
            "tabulate_cell": 1,
            "draw_figure": 1,
        }
