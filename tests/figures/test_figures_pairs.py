"""Pairs side by side: every mark is a cell of the tables, each pair has a look, and nothing overlaps."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from specgap.figures.style import paper_style
from specgap.tables.csv import read_table
from tests.support.drawing import pairs_figure, texts
from tests.support.synthetic_pairs import SIX_PAIRS, THREE_PAIRS, TWO_DRAFTS, write_pairs
from tests.support.synthetic_tables import HONEST_LIKE

pytestmark = pytest.mark.slow

TWELVE = {**HONEST_LIKE, "eleven": (3, 12), "twelve": (4, 12)}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder, HONEST_LIKE, THREE_PAIRS)
    return folder


def panels(drawn: Figure) -> list[Axes]:
    return [axes for axes in drawn.axes if axes.axison]


def names_of_rows(axes: Axes) -> list[str]:
    return [label.get_text().rstrip("*") for label in axes.get_yticklabels()]


def marks(axes: Axes, marker: str) -> list[float]:
    """The values of the marks of one shape, from the bottom."""
    found = [line for line in axes.lines if line.get_marker() == marker]
    return [float(line.get_xdata()[0]) for line in sorted(found, key=lambda line: line.get_ydata()[0])]


def bars(axes: Axes, width: float) -> set[tuple[float, float]]:
    of_width = [one for one in axes.collections if isinstance(one, LineCollection)]
    ends = [one.get_segments()[0] for one in of_width if one.get_linewidth()[0] == pytest.approx(width)]
    return {(float(segment[0, 0]), float(segment[1, 0])) for segment in ends}


def ends(rows: pd.DataFrame, name: str, suffix: str = "") -> set[tuple[float, float]]:
    return set(zip(rows[f"{name}_low{suffix}"], rows[f"{name}_high{suffix}"], strict=True))


def test_every_target_has_a_panel_of_its_pairs_sorted_by_the_first_with_all_prompts_below(tables):
    big, large, *_ = panels(pairs_figure(tables, targets=2, drafts=3))
    rows = read_table(tables / "pairs_overview.csv")
    names = names_of_rows(big)
    assert names[0] == "all prompts"
    for axes, pair, marker in ((big, "small", "o"), (big, "tiny", "s"), (large, "other", "^")):
        own = rows[rows["pair"] == pair].set_index("group").loc[names]
        assert marks(axes, marker) == list(own["acceptance_rate"])
        assert ends(own, "these") <= bars(axes, 2.8)
        assert ends(own, "like") <= bars(axes, 0.9)
    assert marks(big, "o")[1:] == sorted(marks(big, "o")[1:])
    assert "target org/big" in texts(big.figure)
    assert "target else/large" in texts(big.figure)


def test_the_differences_are_those_of_the_table_level_with_their_groups(tables):
    *_, differences, alone = panels(pairs_figure(tables, targets=2, drafts=3))
    rows = read_table(tables / "pair_differences.csv").set_index("group").loc[names_of_rows(differences)]
    assert marks(differences, "s") == list(rows["difference_pp"])
    assert bars(differences, 2.8) == ends(rows, "these", "_pp")
    assert bars(differences, 0.9) == ends(rows, "like", "_pp")
    assert 0 in [line.get_xdata()[0] for line in differences.lines if line.get_marker() == "None"]
    assert "one draft" in [text.get_text() for text in alone.texts]


def test_one_target_has_rates_and_differences_side_by_side_with_their_adjusted_p(tmp_path):
    write_pairs(tmp_path, {"a": (6, 6), "b": (6, 6)}, TWO_DRAFTS)
    drawn = pairs_figure(tmp_path)
    rates, differences = panels(drawn)
    assert rates.get_ylim() == differences.get_ylim()
    said = [text.get_text() for text in differences.texts]
    for row in read_table(tmp_path / "pair_differences.csv").to_dict("records"):
        assert f"{row['difference_pp']:+.1f}".replace("-", "−") in said
    assert "adjusted p" in said


def test_each_of_six_drafts_has_a_colour_and_a_marker_of_its_own_and_differs_from_the_first(tmp_path):
    write_pairs(tmp_path, TWELVE, SIX_PAIRS)
    drawn = pairs_figure(tmp_path, drafts=6)
    rates, differences = panels(drawn)
    keys = drawn.axes[0].get_legend().legend_handles[:6]
    assert len({key.get_marker() for key in keys}) == len({key.get_color() for key in keys}) == 6
    for pair, key in zip(SIX_PAIRS, keys, strict=True):
        n = len(marks(differences, key.get_marker()))
        assert n == (0 if pair == "draft-1" else len(TWELVE) + 1)
        assert len(marks(rates, key.get_marker())) == len(TWELVE) + 1
    levels = np.sort([line.get_ydata()[0] for line in rates.lines if line.get_marker() not in ("None", "|")])
    with paper_style():
        drawn.draw_without_rendering()
    apart = np.diff(levels).min() * rates.bbox.height / np.ptp(rates.get_ylim()) * 72 / drawn.dpi
    assert apart > 2.8, "thick lines of two pairs do not touch"


def test_names_and_numbers_do_not_overlap_for_six_drafts_and_twelve_groups(tmp_path):
    write_pairs(tmp_path, TWELVE, SIX_PAIRS)
    drawn = pairs_figure(tmp_path, drafts=6)
    with paper_style():
        drawn.draw_without_rendering()
    rates, differences = panels(drawn)
    boxes = [label.get_window_extent() for label in rates.get_yticklabels()]
    assert not any(one.overlaps(other) for one, other in pairwise(boxes))
    numbers = sorted(
        (text.get_window_extent() for text in differences.texts), key=lambda box: (box.x1, box.y0)
    )
    for one, other in pairwise(numbers):
        if one.x1 == other.x1:
            # Heights of letters without ascent and descent, which digits have not.
            assert other.y0 - one.y0 > 0.7 * one.height


def test_a_pair_with_nothing_judged_is_named_and_leaves_the_others_alone(tmp_path):
    write_pairs(tmp_path, HONEST_LIKE, TWO_DRAFTS, unjudged=["tiny"])
    drawn = pairs_figure(tmp_path)
    said = " ".join(texts(drawn).split())
    assert "Nothing was judged where there is no mark: tiny." in said
    assert "Differences leave out prompts that were judged under one of the two pairs only" in said
    assert "nothing judged under both" in said
    assert not np.isnan(marks(panels(drawn)[0], "o")).any()


def test_under_greedy_decoding_it_says_what_an_interval_means(tmp_path):
    write_pairs(tmp_path, {"a": (3, 4), "b": (1, 4)}, mode="greedy")
    said = " ".join(texts(pairs_figure(tmp_path, mode="greedy")).split())
    assert "nothing is random, so an interval means other prompts and terms" in said
    assert "One identity term" in said


def test_without_identity_terms_it_says_what_that_leaves_out(tmp_path):
    write_pairs(tmp_path, {"a": (3, 4), "b": (3, 4)}, has_terms=False)
    said = " ".join(texts(pairs_figure(tmp_path)).split())
    assert "leave out how identity terms differ" in said
    assert "95 %, prompts like these" in said


def test_more_targets_than_fit_side_by_side_go_below(tmp_path):
    six = {f"p{n}": (f"org/target-{n}", "org/small") for n in range(6)}
    write_pairs(tmp_path, {"a": (3, 4), "b": (3, 4)}, six)
    found = panels(pairs_figure(tmp_path, targets=6, drafts=6))
    assert len(found) == 6
    assert len({round(axes.get_position().y0, 3) for axes in found}) == 2
