"""The user's third habit: after a change, exactly the rules that depend on it run again."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest

from tests.support.sandbox import Sandbox
from tests.workflow.conftest import SETTINGS, STUDY

pytestmark = pytest.mark.slow

#: What follows from new counts in all four cells: three with records and one that is only counted.
TABLES_ON = {
    "tabulate_cell": 3,
    "tabulate_surer_tokens": 3,
    "tabulate_swept": 1,
    "tabulate_settings": 1,
    "tabulate_cross_check": 1,
}
FIGURES_ON = {"draw_figures": 1, "draw_figures_greedy": 1, "draw_settings_figures": 1, "write_report": 1}
COUNTS_ON = {"aggregate": 3, "replay": 1, **TABLES_ON, **FIGURES_ON}
#: Tables over settings that come from rounds and from paths; the greedy cell has one setting.
ROWS_ON = {"tabulate_schedule_state": 1, "tabulate_order_effect": 1}
#: What runs a model, but for the measures of the prompts.
MODELS_ON = {"collect_paths": 3, "collect_tails": 3, "collect_traces": 2}
#: One record job for each sample of the sampled cell, one for the greedy one.
RECORDS_ON = {"replay_records": 3}


def but(counts: dict[str, int], *rules: str) -> dict[str, int]:
    return {rule: count for rule, count in counts.items() if rule not in rules}


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
        assert reruns(edited_copy) == {**TABLES_ON, **ROWS_ON, "tabulate_prompts": 1, **FIGURES_ON}


def test_another_bin_grid_counts_anew_and_traces_nothing(edited_copy: Sandbox) -> None:
    with config(edited_copy, bins={"probability": 25}):
        assert reruns(edited_copy) == {**COUNTS_ON}


def test_another_number_of_counting_jobs_counts_anew_and_traces_nothing(edited_copy: Sandbox) -> None:
    with config(edited_copy, aggregate={"jobs": 2}):
        counts = reruns(edited_copy)
    # The greedy cell has one trace job, so one part: it is as it was. What is swept is counted in one pass.
    cells = {"aggregate_part": 4, "aggregate": 2, "tabulate_cell": 2, "tabulate_surer_tokens": 2}
    assert counts == but(COUNTS_ON, "replay", "tabulate_swept", "draw_figures_greedy") | cells


def test_another_seed_traces_everything_and_trains_nothing(edited_copy: Sandbox) -> None:
    with config(edited_copy, seed=2):
        assert reruns(edited_copy) == {**MODELS_ON, **RECORDS_ON, **COUNTS_ON, **ROWS_ON}


def test_one_more_sample_traces_that_sample_alone(edited_copy: Sandbox) -> None:
    one = {"collect_paths": 1, "collect_tails": 1, "replay_records": 1, "collect_traces": 1}
    with config(edited_copy, samples=3):
        cells = {"aggregate": 2, "tabulate_cell": 2, "tabulate_surer_tokens": 2}
        assert reruns(edited_copy) == one | but(COUNTS_ON, "draw_figures_greedy") | ROWS_ON | cells


MORE = {"schedule": "constant", "num_assistant_tokens": 2}


def test_one_more_setting_to_count_runs_no_model(edited_copy: Sandbox) -> None:
    with config(edited_copy, settings=[*SETTINGS, MORE]):
        counts = reruns(edited_copy)
    # Tails go to the end of the text where orders of groups are tried: they suffice for any setting.
    assert not {*MODELS_ON, *RECORDS_ON, "measure_prompts", "aggregate", "tabulate_cell"} & set(counts)
    assert (counts["replay"], counts["tabulate_swept"]) == (1, 1)


def test_one_more_setting_with_figures_replays_and_draws_it(edited_copy: Sandbox) -> None:
    figures = {"settings": ["heuristic-3", "constant-2"]}
    with config(edited_copy, settings=[*SETTINGS, MORE], figures=figures):
        counts = reruns(edited_copy)
    assert not {"collect_paths", "collect_traces", "measure_prompts"} & set(counts)
    assert (
        counts["replay_records"] == 4
    )  # two samples of the new one; the tails of the other have changed too
    assert counts["draw_few_figures"] == 1


def test_the_whole_set_of_every_setting_draws_those_that_had_few_of_it(edited_copy: Sandbox) -> None:
    chosen = {"settings": ["heuristic-3", "constant-4"]}
    by_choice = {}
    for whole_set in ("main", "all"):
        with config(edited_copy, figures={**chosen, "whole_set": whole_set}):
            counts = reruns(edited_copy)
        by_choice[whole_set] = counts.get("draw_few_figures", 0), counts["draw_figures"]
    assert by_choice == {"main": (1, 1), "all": (0, 2)}


def test_each_decoding_draws_the_whole_set_of_its_own_main_setting(edited_copy: Sandbox) -> None:
    # constant-4 is none of the greedy settings.
    with config(edited_copy, figures={"settings": ["constant-4", "heuristic-3"]}):
        counts = reruns(edited_copy)
    drawn = {rule: counts.get(rule, 0) for rule in ("draw_figures", "draw_few_figures")}
    assert drawn == {"draw_figures": 1, "draw_few_figures": 1}
    assert "draw_few_figures_greedy" not in counts


def test_one_more_setting_of_real_rounds_traces_that_setting_alone(edited_copy: Sandbox) -> None:
    with config(edited_copy, settings=[*SETTINGS, {**MORE, "collector": "assisted"}]):
        counts = reruns(edited_copy)
    assert counts["collect_traces"] == 2  # two samples
    assert (counts["aggregate"], counts["tabulate_cell"]) == (1, 1)
    assert not {"collect_paths", "collect_tails", "replay", "replay_records", "draw_figures"} & set(counts)


def test_without_tails_only_settings_with_records_run_the_draft_again(edited_copy: Sandbox) -> None:
    with config(edited_copy, tails="none"):
        counts = reruns(edited_copy)
    assert "collect_paths" not in counts
    # The greedy paths had no setting without records.
    assert (counts["collect_tails"], counts["replay_records"], counts["replay"]) == (2, 2, 1)


def test_a_greater_limit_of_a_live_check_traces_it_alone(edited_copy: Sandbox) -> None:
    more = [*SETTINGS[:2], {**SETTINGS[2], "limit": 2}]
    with config(edited_copy, settings=more):
        counts = reruns(edited_copy)
    assert (counts["collect_traces"], counts["aggregate"], counts["tabulate_cell"]) == (2, 1, 1)
    assert not {"collect_paths", "collect_tails", "replay", "replay_records", "draw_figures"} & set(counts)


def test_another_batch_reruns_nothing(edited_copy: Sandbox) -> None:
    with config(edited_copy, batch=3):
        assert "Nothing to be done" in edited_copy.dry_run().output


def test_a_renamed_grouping_traces_nothing(edited_copy: Sandbox) -> None:
    with config(edited_copy, groupings=[{"name": "people", "column": "group"}]):
        counts = reruns(edited_copy)
    assert counts["aggregate"] == 3
    assert not {*MODELS_ON, *RECORDS_ON, "measure_prompts"} & set(counts)


def test_a_merged_grouping_beside_the_first_traces_nothing(edited_copy: Sandbox) -> None:
    merged = {"name": "binary", "column": "group", "map": {"women": "binary", "men": "binary"}}
    with config(edited_copy, groupings=["group", merged]):
        counts = reruns(edited_copy)
    assert counts["aggregate"] == 3
    assert not {*MODELS_ON, *RECORDS_ON, "measure_prompts"} & set(counts)


def test_a_renamed_group_traces_nothing(edited_copy: Sandbox) -> None:
    with edited_copy.edited("prompts.csv", "women", "everyone"):
        counts = reruns(edited_copy)
    assert counts["prepare_prompts"] == 1
    assert not {*MODELS_ON, *RECORDS_ON, "measure_prompts"} & set(counts)


def test_another_prompt_traces_the_jobs_that_have_it(edited_copy: Sandbox) -> None:
    with edited_copy.edited("prompts.csv", "they dreamt of", "they thought of"):
        counts = reruns(edited_copy)
    assert (counts["collect_paths"], counts["collect_tails"]) == (3, 3)  # every job has all three shards
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
