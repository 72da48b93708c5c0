"""Figures over settings: what they show is what the tables hold, and 51 settings stay readable."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from specgap.figures.style import FAINT, INK, paper_style
from specgap.tables.csv import read_table
from tests.support.drawing import cell, facts_of, figure, texts
from tests.support.synthetic_settings import DENSE
from tests.support.synthetic_tables import HONEST_LIKE, write_settings

pytestmark = pytest.mark.slow

TWO = {"a": (3, 4), "b": (1, 4)}
FEW = (
    "constant-1",
    "constant-4",
    "constant-4-t0.2",
    "heuristic-3",
    "heuristic-5-carried",
    "constant-4-assisted",
)


def swept(folder: Path, *names: str, groups: dict[str, tuple[int, int]] = TWO, **how: object) -> Path:
    tables = cell(folder, groups)
    write_settings(tables / "all", groups, settings=names, **how)
    return tables


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swept(tmp_path_factory.mktemp("few"), *FEW)


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swept(tmp_path_factory.mktemp("dense"), *DENSE, groups=HONEST_LIKE)


def panels(drawn: Figure) -> list[Axes]:
    return [axes for axes in drawn.axes if axes.get_visible()]


def table(tables: Path, name: str) -> pd.DataFrame:
    return read_table(tables / "all" / f"{name}.csv")


def of_setting(tables: Path, column: str, group: str, *names: str) -> list[float]:
    rows = table(tables, "settings").set_index(["group", "setting"])
    return [float(rows.loc[(group, name), column]) for name in names]


def lines(axes: Axes, colour: str | None = None) -> list[list[float]]:
    """The y of each line with data, of a colour if one is given."""
    chosen = [line for line in axes.lines if colour in (None, line.get_color())]
    return [list(map(float, line.get_ydata())) for line in chosen if len(line.get_ydata())]


def rendered(drawn: Figure) -> Figure:
    with paper_style():
        drawn.draw_without_rendering()
    return drawn


RATES = ("block_efficiency", "acceptance_rate_prompt_mean", "draft_acceptance_rate")


@pytest.mark.parametrize(("place", "column"), list(enumerate(RATES)))
def test_the_sweep_joins_constant_settings_of_a_threshold_and_nothing_else(few, place, column):
    found = [line for line in lines(panels(figure("schedule_sweep", few))[place]) if len(line) > 0]
    assert of_setting(few, column, "all prompts", "constant-1", "constant-4") in found
    assert of_setting(few, column, "all prompts", "constant-4-t0.2") in found
    assert of_setting(few, column, "all prompts", "heuristic-3", "heuristic-5-carried") in found
    axes = panels(figure("schedule_sweep", few))[place]
    moving = [line for line in axes.lines if line.get_linestyle() == "None" and line.get_marker() != "_"]
    assert len(moving) == 2, "one for each threshold, joined by no line"


def test_the_sweep_has_a_panel_for_each_group_with_its_own_theory(few):
    drawn = panels(figure("schedule_sweep", few))[3:]
    assert [axes.get_title(loc="left") for axes in drawn] == ["a", "b*"]
    for axes, group in zip(drawn, "ab", strict=True):
        assert of_setting(few, "block_efficiency", group, "constant-1", "constant-4") in lines(axes)
        [theory] = [line for line in lines(axes, INK) if len(line) == 2]
        assert theory == of_setting(few, "block_efficiency_independent", group, "constant-1", "constant-4")
        [alpha] = of_setting(few, "acceptance_rate", group, "constant-1")
        assert theory == pytest.approx([1 + alpha, sum(alpha**power for power in range(5))])
        assert f"α {alpha:.3f}" in [text.get_text() for text in axes.texts]
    assert len({axes.get_ylim() for axes in drawn}) == 1


def test_without_constant_1_the_sweep_says_so_in_place_of_a_curve(tmp_path):
    drawn = figure("schedule_sweep", swept(tmp_path, "constant-3", "constant-9"))
    assert "No theory curve: it needs α, the acceptance rate at constant-1" in " ".join(texts(drawn).split())
    assert not any(np.isfinite(line).all() for axes in panels(drawn) for line in lines(axes, INK))


def test_settings_that_cannot_be_compared_are_named_and_not_drawn(few):
    drawn = figure("schedule_sweep", few)
    assert "a schedule shown already: constant-4-assisted." in " ".join(texts(drawn).split())
    assert max(len(line) for line in lines(panels(drawn)[0])) == 2


def test_a_setting_whose_gamma_moves_stands_in_a_zone_of_its_own(few):
    axes = panels(figure("schedule_sweep", few))[0]
    places = dict(zip((label.get_text() for label in axes.get_xticklabels()), axes.get_xticks(), strict=True))
    assert list(places) == ["1", "4", "h3", "c5"]
    assert places["1"] < places["4"] < places["h3"] < places["c5"]
    said = [text.get_text() for text in axes.texts]
    assert {"γ of constant settings", "h: heuristic", "c: carried"} <= set(said)


@pytest.mark.parametrize("identifier", ["schedule_sweep", "best_schedule"])
def test_fifty_one_settings_need_few_entries_of_a_legend(dense, identifier):
    drawn = figure(identifier, dense)
    legends = [axes.get_legend() for axes in panels(drawn) if axes.get_legend()]
    assert max(len(legend.get_texts()) for legend in legends) <= 5


@pytest.mark.parametrize("identifier", ["schedule_sweep", "best_schedule"])
def test_labels_of_an_axis_do_not_overlap_with_fifty_one_settings(dense, identifier):
    for axes in panels(rendered(figure(identifier, dense))):
        if not axes.axison:
            continue
        boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        assert not any(one.overlaps(other) for one, other in pairwise(sorted(boxes, key=lambda box: box.x0)))


def test_markers_of_settings_that_start_alike_stand_beside_each_other(dense):
    axes = panels(figure("schedule_sweep", dense))[0]
    moving = [line for line in axes.lines if line.get_linestyle() == "None" and line.get_color() != FAINT]
    places = np.sort(np.concatenate([line.get_xdata() for line in moving]))
    assert len(places) == 9
    assert (np.diff(places) > 0.01).all()


def test_where_discarded_tokens_are_unknown_the_sweep_says_so(tmp_path):
    drawn = figure("schedule_sweep", swept(tmp_path, *FEW, discarded="unknown"))
    assert "discarded tokens\nnot collected" in texts(drawn)


# best_schedule ---------------------------------------------------------------------------------------


def test_best_settings_and_losses_are_those_of_the_table(dense):
    drawn = panels(figure("best_schedule", dense))
    best = table(dense, "best_schedule")
    rows = best[(best["among"] == "constant") & (best["grouping"] != "overall")]
    names = [label.get_text().rstrip("*") for label in drawn[2].get_yticklabels()]
    ordered = rows.set_index("group").loc[names]
    [dots] = [line for line in drawn[2].lines if line.get_marker() == "o"]
    assert list(dots.get_xdata()) == list(ordered["best_num_assistant_tokens"])
    [losses] = [line for line in drawn[3].lines if line.get_marker() == "o"]
    np.testing.assert_allclose(losses.get_xdata(), ordered["loss_percent"])
    assert list(ordered["loss_percent"]) == sorted(ordered["loss_percent"]), "the greatest at the top"
    [common] = rows["average_num_assistant_tokens"].unique()
    assert [line.get_xdata()[0] for line in drawn[2].lines if line.get_marker() == "None"] == [common]
    words = [text.get_text() for text in drawn[4].texts]
    for group in names:
        assert f"{ordered.loc[group, 'best_speed_up']:.2f}×" in words


def test_each_groups_best_constant_setting_is_marked_on_its_curve(dense):
    speeds = panels(figure("best_schedule", dense))[1]
    [rings] = [line for line in speeds.lines if line.get_markerfacecolor() == "white"]
    best = table(dense, "best_schedule")
    rows = best[(best["among"] == "constant") & (best["grouping"] != "overall")]
    np.testing.assert_allclose(rings.get_ydata(), rows["best_speed_up"])


def test_the_cost_ratio_and_the_common_best_stand_in_the_figure(dense):
    said = " ".join(texts(figure("best_schedule", dense)).split())
    best = table(dense, "best_schedule")
    [common] = best.loc[best["among"] == "constant", "average_setting"].unique()
    assert "A draft call costs c = 0.1 target calls." in said
    assert f"Best for all prompts together: {common} (" in said


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"discarded": "unknown"}, "discarded tokens not collected (tails: none)"),
        ({"cost_ratio": None}, "no cost ratio given"),
    ],
)
def test_without_speed_ups_the_figure_says_why(tmp_path, how, why):
    said = " ".join(texts(figure("best_schedule", swept(tmp_path, *FEW, **how))).split())
    assert f"no modelled speed-up: {why}" in said
    assert "Best for all prompts" not in said


def test_without_constant_settings_there_is_no_best_gamma(tmp_path):
    drawn = figure("best_schedule", swept(tmp_path, "heuristic-3", "heuristic-5"))
    assert "no constant setting" in " ".join(texts(drawn).split())
    assert "heuristic-" in " ".join(text.get_text() for text in panels(drawn)[4].texts)


# The other ones --------------------------------------------------------------------------------------


def test_the_median_of_gamma_ends_where_few_continuations_are_left_and_six_prompts_are_steps(dense):
    top, below = panels(figure("schedule_state", dense))
    state = table(dense, "schedule_state")
    every = state[state["series"] == "all"]
    median = max(top.lines, key=lambda line: line.get_linewidth())
    np.testing.assert_array_equal(median.get_ydata(), every.loc[every["n"] >= 20, "requested_median"])
    np.testing.assert_array_equal([bar.get_height() for bar in below.patches], every["n"])
    steps = [line for line in top.lines if line is not median and line.get_drawstyle() == "steps-mid"]
    examples = state[state["series"] == "example"].groupby("prompt", sort=False)["requested"]
    assert len(steps) == 6
    for line, (_, values) in zip(steps, examples, strict=True):
        np.testing.assert_array_equal(np.round(line.get_ydata()), values)


def test_every_order_is_a_dot_beside_the_fixed_instrument(dense):
    axes = panels(figure("order_effect", dense))[0]
    effect = table(dense, "order_effect")
    fixed = effect[effect["series"] == "reset"].set_index("group")["draft_acceptance_rate"]
    diamonds = [line for line in axes.lines if line.get_marker() == "D"]
    assert [float(line.get_xdata()[0]) for line in diamonds] == sorted(fixed)
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    names = [label.get_text().rstrip("*") for label in axes.get_yticklabels()]
    carried = effect[effect["series"] == "carried"]
    for line, group in zip(dots, names, strict=True):
        np.testing.assert_allclose(
            line.get_xdata(), carried.loc[carried["group"] == group, "draft_acceptance_rate"]
        )
        assert len(set(line.get_ydata())) == 20, "equal dots are all seen"


def test_the_cross_check_shows_both_rates_and_their_difference_in_standard_errors(dense):
    axes = panels(figure("cross_check", dense))[0]
    check = table(dense, "cross_check")
    rates = check[check["quantity"] == "acceptance_rate"].set_index("group")
    names = [label.get_text().rstrip("*") for label in axes.get_yticklabels()]
    assert names[0] == "all prompts"
    for marker, side in (("o", "replayed"), ("s", "checked")):
        [line] = [one for one in axes.lines if one.get_marker() == marker]
        np.testing.assert_allclose(line.get_xdata(), rates.loc[names, f"{side}_value"])
    words = [text.get_text() for text in axes.texts]
    for z in rates["z"]:
        assert f"{z:+.1f}".replace("-", "−").replace("+0.0", "0.0") in words
    assert "one in twenty is expected by chance" in " ".join(texts(axes.figure).split())


def test_the_greedy_cross_check_counts_prompts_that_differ(tmp_path):
    tables = swept(tmp_path, "constant-1", "heuristic-5", mode="greedy")
    path = tables / "all" / "cross_check.csv"
    drawn = figure("cross_check", tables, mode="greedy")
    words = [text.get_text() for text in panels(drawn)[0].texts]
    assert words[:3] == ["prompts", "differ", "in drafted"]
    assert words[4::3] == words[5::3] == ["0"] * 3
    assert path.is_file()


def test_measured_speed_ups_stand_with_their_device_and_a_line_at_one(dense):
    drawn = figure("measured_speed_up", dense)
    axes = panels(drawn)[0]
    speed = table(dense, "measured_speed_up")
    [dots] = [line for line in axes.lines if line.get_marker() == "o"]
    assert sorted(dots.get_xdata()) == sorted(speed["measured_speed_up"])
    assert 1 in [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "None"]
    assert "measured on cpu (a)" in texts(drawn)


def test_probabilities_by_setting_show_no_more_settings_than_can_be_told_apart(tmp_path):
    tables = cell(tmp_path, TWO)
    frame = table(tables, "histograms")
    one = frame[frame["setting"] == frame["setting"].iloc[0]]
    many = pd.concat([one.assign(setting=f"setting-{number}") for number in range(12)])
    many.to_csv(tables / "all" / "histograms.csv", index=False)
    said = " ".join(texts(figure("probabilities_by_setting", tables)).split())
    assert "The first 10 of 12 settings with figures" in said
    assert "setting-9" in said
    assert "setting-10" not in said


def test_facts_over_settings_count_every_setting(dense):
    assert facts_of(dense / "all", setting="all").n_settings == len(DENSE)
