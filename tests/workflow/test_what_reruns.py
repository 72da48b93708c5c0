"""The user's third habit: after a change, exactly the rules that depend on it run again."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest

from tests.support.sandbox import Sandbox
from tests.workflow.conftest import STUDY

pytestmark = pytest.mark.slow

#: What follows from new counts in all three cells.
TABLES_ON = {"tabulate_cell": 3, "tabulate_settings": 1}
FIGURES_ON = {"draw_figures": 1, "draw_figures_greedy": 1, "draw_settings_figures": 1, "write_report": 1}
COUNTS_ON = {"aggregate": 3, **TABLES_ON, **FIGURES_ON}


@contextmanager
def config(edited_copy: Sandbox, **keys: Any) -> Iterator[None]:
    edited_copy.write_config(**{**deepcopy(STUDY), **keys})
    try:
        yield
    finally:
        edited_copy.write_config(**STUDY)


def reruns(edited_copy: Sandbox, *targets: str) -> dict[str, int]:
    run = edited_copy.dry_run(*targets)
    assert run.code == 0, run.output
    return run.job_counts()


def test_a_whole_study_has_nothing_to_do(edited_copy: Sandbox) -> None:
    assert "Nothing to be done" in edited_copy.dry_run().output


def test_a_caption_redraws_figures_alone(edited_copy: Sandbox) -> None:
    with edited_copy.edited("config/figures.yaml", "caption: >-\n", "caption: >-\n    Edited.\n"):
        assert reruns(edited_copy) == FIGURES_ON


def test_the_title_of_one_cell_figure_leaves_figures_over_settings_alone(edited_copy: Sandbox) -> None:
    title = "title: Probabilities of accepted tokens"
    with edited_copy.edited("config/figures.yaml", title, f"{title}, edited"):
        assert reruns(edited_copy) == {"draw_figures": 1, "draw_figures_greedy": 1, "write_report": 1}


def test_a_colour_redraws_figures_alone(edited_copy: Sandbox) -> None:
    with edited_copy.edited("src/specgap/figures/style.py", '"""', '"""Edited. '):
        assert reruns(edited_copy) == FIGURES_ON


def test_a_figure_function_redraws_figures_alone(edited_copy: Sandbox) -> None:
    with edited_copy.edited("src/specgap/figures/calibration.py", '"""', '"""Edited. '):
        assert reruns(edited_copy) == FIGURES_ON


def test_a_table_function_tabulates_and_draws(edited_copy: Sandbox) -> None:
    with edited_copy.edited("src/specgap/tables/differences.py", '"""', '"""Edited. '):
        assert reruns(edited_copy) == {**TABLES_ON, "tabulate_prompts": 1, **FIGURES_ON}


def test_another_bin_grid_counts_anew_and_traces_nothing(edited_copy: Sandbox) -> None:
    with config(edited_copy, bins={"probability": 25}):
        assert reruns(edited_copy) == {**COUNTS_ON}


def test_another_number_of_counting_jobs_counts_anew_and_traces_nothing(edited_copy: Sandbox) -> None:
    with config(edited_copy, aggregate={"jobs": 2}):
        counts = reruns(edited_copy)
    # The greedy cell has one trace job, so one part: it is as it was.
    sampled = {**COUNTS_ON, "aggregate_part": 4, "aggregate": 2, "tabulate_cell": 2}
    del sampled["draw_figures_greedy"]
    assert counts == sampled


def test_another_seed_traces_everything_and_trains_nothing(edited_copy: Sandbox) -> None:
    with config(edited_copy, seed=2):
        assert reruns(edited_copy) == {"collect_traces": 5, **COUNTS_ON}


def test_one_more_sample_traces_that_sample_alone(edited_copy: Sandbox) -> None:
    with config(edited_copy, samples=3):
        sampled = {**COUNTS_ON, "aggregate": 2, "tabulate_cell": 2}
        del sampled["draw_figures_greedy"]
        assert reruns(edited_copy) == {"collect_traces": 2, **sampled}


def test_one_more_setting_traces_that_setting_alone(edited_copy: Sandbox) -> None:
    more = [*STUDY["settings"], {"schedule": "constant", "num_assistant_tokens": 2}]  # type: ignore[misc]
    with config(edited_copy, settings=more):
        counts = reruns(edited_copy)
    assert counts["collect_traces"] == 2  # two samples
    assert (counts["aggregate"], counts["tabulate_cell"]) == (1, 1)
    assert "draw_figures" not in counts  # `figures.settings` does not list it


def test_a_renamed_grouping_traces_nothing(edited_copy: Sandbox) -> None:
    with config(edited_copy, groupings=[{"name": "people", "column": "group"}]):
        counts = reruns(edited_copy)
    assert counts["aggregate"] == 3
    assert not {"collect_traces", "measure_prompts"} & set(counts)


def test_a_merged_grouping_beside_the_first_traces_nothing(edited_copy: Sandbox) -> None:
    merged = {"name": "binary", "column": "group", "map": {"women": "binary", "men": "binary"}}
    with config(edited_copy, groupings=["group", merged]):
        counts = reruns(edited_copy)
    assert counts["aggregate"] == 3
    assert not {"collect_traces", "measure_prompts"} & set(counts)


def test_a_renamed_group_traces_nothing(edited_copy: Sandbox) -> None:
    with edited_copy.edited("prompts.csv", "women", "everyone"):
        counts = reruns(edited_copy)
    assert counts["prepare_prompts"] == 1
    assert not {"collect_traces", "measure_prompts"} & set(counts)


def test_another_prompt_traces_the_jobs_that_have_it(edited_copy: Sandbox) -> None:
    with edited_copy.edited("prompts.csv", "they dreamt of", "they thought of"):
        counts = reruns(edited_copy)
    assert counts["collect_traces"] == 5  # every job has all three shards
    assert (counts["prepare_prompts"], counts["measure_prompts"], counts["aggregate"]) == (1, 1, 3)


def test_one_figure_is_redrawn_alone(edited_copy: Sandbox) -> None:
    figure = "results/figures/tiny/sampled/heuristic-3/likelihood_difference_women.pdf"
    assert reruns(edited_copy, figure) == {"draw_figure": 1}


def test_one_figure_asked_for_by_name_waits_for_its_tables_alone(edited_copy: Sandbox) -> None:
    figure = "results/figures/tiny/sampled/heuristic-3/likelihood_difference_women.pdf"
    with config(edited_copy, bins={"difference": 40}):
        assert reruns(edited_copy, figure) == {
            "aggregate": 1,
            "tabulate_cell": 1,
            "draw_figure": 1,
        }
