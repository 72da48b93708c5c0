"""Figures of intervals, tests and spreads: every mark is a cell of a table, and the words follow the test."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch

from specgap.figures.beside import signed
from specgap.figures.style import COLOURS, INK
from specgap.figures.tested import p_text
from specgap.tables.csv import read_table, write_table
from specgap.tables.headline import headline
from tests.support.drawing import cell, figure, texts
from tests.support.synthetic_tables import HONEST_LIKE, without_terms

pytestmark = pytest.mark.slow

TWO = {"a": (3, 4), "b": (4, 4)}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cell(tmp_path_factory.mktemp("cell"))


def table(tables: Path, name: str) -> pd.DataFrame:
    return read_table(tables / f"{name}.csv")


def rewritten(folder: Path, name: str, **columns: object) -> Path:
    """Give a table of two groups other values in some columns; return the folder."""
    write_table(folder / f"{name}.csv", table(folder, name).assign(**columns))
    return folder


def panels(drawn: Figure) -> list[Axes]:
    return [axes for axes in drawn.axes if axes.get_visible()]


def said_by(drawn: Figure) -> str:
    return " ".join(texts(drawn).split())


def names_of_rows(axes: Axes) -> list[str]:
    return [label.get_text().rstrip("*") for label in axes.get_yticklabels()]


def dots(axes: Axes, marker: str = "o") -> list[float]:
    lines = [line for line in axes.lines if line.get_marker() == marker]
    return [float(x) for line in lines for x in np.atleast_1d(line.get_xdata())]


def bars(axes: Axes, width: float) -> list[tuple[float, float]]:
    """The ends of horizontal lines of a width, from the bottom."""
    of_width = [one for one in axes.collections if isinstance(one, LineCollection)]
    ends = [one.get_segments()[0] for one in of_width if one.get_linewidth()[0] == pytest.approx(width)]
    return [(float(segment[0, 0]), float(segment[1, 0])) for segment in ends]


def of_quantity(tables: Path, quantity: str, weight: str = "pooled") -> pd.DataFrame:
    rows = table(tables, "intervals")
    return rows[(rows["quantity"] == quantity) & (rows["weight"] == weight)].set_index("group")


def test_the_forest_draws_both_intervals_of_the_table_sorted_by_rate(tables):
    axes = panels(figure("forest", tables))[0]
    rows = of_quantity(tables, "acceptance_rate").loc[names_of_rows(axes)]
    assert dots(axes) == list(rows["value"]) == sorted(rows["value"])
    assert bars(axes, 3.4) == list(zip(rows["these_low"], rows["these_high"], strict=True))
    assert bars(axes, 0.9) == list(zip(rows["like_low"], rows["like_high"], strict=True))
    means = of_quantity(tables, "acceptance_rate", "prompt_mean").loc[rows.index, "value"]
    assert dots(axes, "D") == list(means)
    [overall] = table(tables, "acceptance--overall")["acceptance_rate"]
    assert [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "None"] == [overall]


def test_the_forest_says_rate_and_layout_of_every_group_and_what_both_intervals_mean(tables):
    said = said_by(figure("forest", tables))
    for name, (n_terms, n_templates) in HONEST_LIKE.items():
        assert f"{n_terms} × {n_templates}" in said
        assert f"{of_quantity(tables, 'acceptance_rate').loc[name, 'value']:.3f}" in said
    assert "95 %, these terms" in said
    assert "95 %, terms like these" in said


def test_the_forest_marks_one_term_groups_hollow_and_borrowed_spread_dashed(tables):
    axes = panels(figure("forest", tables))[0]
    names = names_of_rows(axes)
    circles = [line for line in axes.lines if line.get_marker() == "o"]
    hollow = {names[int(one.get_ydata()[0])] for one in circles if one.get_markerfacecolor() == "white"}
    assert hollow == {"queer_gender_xenogender", "nonqueer"}
    outer = [
        one
        for one in axes.collections
        if isinstance(one, LineCollection) and one.get_linewidth()[0] == pytest.approx(0.9)
    ]
    dashed = {name for name, one in zip(names, outer, strict=True) if one.get_linestyle()[0][1] is not None}
    assert dashed == {name for name, (terms, _) in HONEST_LIKE.items() if terms < 3}
    assert "rests on that of the other groups" in said_by(axes.figure)


def test_a_lone_group_without_an_outer_interval_is_drawn_and_says_so(tmp_path):
    said = said_by(figure("forest", cell(tmp_path, {"only": (1, 4)})))
    assert "A group without a thin line has too few terms for one." in said


def test_under_greedy_decoding_an_interval_is_said_to_mean_other_prompts_and_terms(tmp_path):
    greedy = cell(tmp_path, TWO, mode="greedy")
    for identifier in ("forest", "surer_draft"):
        assert "nothing is random, so an interval means other prompts and terms" in said_by(
            figure(identifier, greedy, mode="greedy")
        )
        assert "nothing is random" not in said_by(figure(identifier, greedy))


@pytest.mark.parametrize(
    "identifier",
    [
        *("forest", "surer_draft", "largest_gap", "power", "variance", "term_dots", "group_differences"),
        *("distributions", "distinctive_tokens", "position"),
    ],
)
def test_where_prompts_are_the_units_the_figure_says_what_that_leaves_out(tmp_path, identifier):
    tables = cell(tmp_path, TWO)
    without_terms(tables)
    assert "leave out how identity terms differ" in said_by(figure(identifier, tables))


def test_the_triangle_is_the_contrast_of_row_minus_column(tables):
    axes = panels(figure("group_differences", tables))[0]
    drawn = np.asarray(axes.images[0].get_array().filled(np.nan))
    groups = list(HONEST_LIKE)
    assert np.isnan(drawn[~np.tri(len(groups), k=-1, dtype=bool)]).all()
    for row in table(tables, "group_differences").to_dict("records"):
        a, b = groups.index(row["group_a"]), groups.index(row["group_b"])
        value = row["contrast_pp"] if a > b else -row["contrast_pp"]
        assert drawn[max(a, b), min(a, b)] == value
    limits = axes.images[0].get_clim()
    assert limits[0] == -limits[1]


@pytest.mark.parametrize(("claim", "weight"), [("different", "bold"), ("not distinguishable", "normal")])
def test_a_difference_is_bold_and_framed_where_it_is_more_than_chance(tmp_path, claim, weight):
    tables = rewritten(cell(tmp_path, TWO), "group_differences", claim=claim)
    drawn = figure("group_differences", tables)
    [number] = panels(drawn)[0].texts
    assert number.get_fontweight() == weight
    assert bool([one for one in panels(drawn)[0].patches if isinstance(one, Rectangle)]) == (weight == "bold")
    [test] = table(tables, "gap_test").to_dict("records")
    assert "Bold, framed: more than chance after adjusting for all 1 pairs (p < 0.05, and" in said_by(drawn)
    assert f"All groups at once: p = {test['p_omnibus']:.2f}" in said_by(drawn)


def test_a_difference_that_cannot_be_estimated_is_a_dash(tmp_path):
    tables = cell(tmp_path, {**TWO, "empty": (3, 4)}, empty=["empty"])
    drawn = figure("group_differences", tables)
    assert [text.get_text() for text in panels(drawn)[0].texts].count("–") == 2
    assert "cannot be estimated" in said_by(drawn)


def test_numbers_are_light_on_dark_cells_and_dark_on_light_ones(tables):
    drawn = figure("group_differences", tables)
    axes = panels(drawn)[0]
    for text in axes.texts:
        column, row = map(int, text.get_position())
        red, green, blue, _ = axes.images[0].to_rgba(axes.images[0].get_array()[row, column])
        is_dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.45
        assert to_hex(text.get_color()) == ("#ffffff" if is_dark else INK)


def test_the_largest_gap_is_a_line_among_all_permuted_ones(tables):
    drawn = figure("largest_gap", tables)
    null = table(tables, "gap_null")
    [test] = table(tables, "gap_test").to_dict("records")
    for axes, scale in zip(panels(drawn), ("points", "standard_errors"), strict=True):
        rows = null[null["scale"] == scale]
        whole, beyond = [patch for patch in axes.patches if isinstance(patch, StepPatch)]
        np.testing.assert_array_equal(whole.get_data().values, rows["count"])
        observed = rows["observed"].iloc[0]
        assert axes.lines[0].get_xdata()[0] == observed
        assert beyond.get_data().edges[0] == observed
        np.testing.assert_array_equal(
            beyond.get_data().values, rows.loc[rows["high"] > observed, "count"].to_numpy()
        )
        names = "\n− ".join(rows[f"group_{side}"].iloc[0] for side in "ab")
        assert names in axes.texts[0].get_text().replace("*", "")
    share = f"{100 * test['share_as_large']:.0f} %"
    assert f"a largest gap as large or larger in {share} of worlds without any difference" in said_by(drawn)
    assert f"as large or larger: p = {test['p_omnibus']:.2f}" in said_by(drawn)


def test_a_gap_beyond_every_permuted_one_stays_in_the_picture(tmp_path):
    tables = rewritten(cell(tmp_path, TWO), "gap_null", observed=99.0)
    for axes in panels(figure("largest_gap", tables)):
        assert axes.get_xlim()[1] > 99
        assert len([patch for patch in axes.patches if isinstance(patch, StepPatch)]) == 1


def test_rate_and_severity_of_the_surer_draft_stand_in_the_same_order(tables):
    rate, severity = panels(figure("surer_draft", tables))
    names = names_of_rows(rate)
    for axes, quantity in ((rate, "surer_rate"), (severity, "severity")):
        rows = of_quantity(tables, quantity).loc[names]
        assert dots(axes) == list(rows["value"])
        assert bars(axes, 3.4) == list(zip(rows["these_low"], rows["these_high"], strict=True))
        assert bars(axes, 0.9) == list(zip(rows["like_low"], rows["like_high"], strict=True))
    assert dots(rate) == sorted(dots(rate))


def test_distinctive_tokens_are_the_first_of_each_verdict_and_said_to_be_exploratory(tables):
    drawn = figure("distinctive_tokens", tables)
    tokens = table(tables, "distinctive_tokens")
    for axes, group in zip(panels(drawn), HONEST_LIKE, strict=True):
        of_group = tokens[(tokens["group"] == group) & (tokens["z"] > 0)]
        for verdict, marker in (("rejected", "s"), ("accepted", "o")):
            first = of_group[of_group["verdict"] == verdict].head(4)
            assert dots(axes, marker) == list(first["log_odds"])
    assert "Exploratory" in said_by(drawn)
    assert said_by(drawn).count("no token in ≥ 3 prompts and ≥ 2 terms") == 2


def test_a_group_with_nothing_judged_says_so_beside_its_distinctive_tokens(tmp_path):
    tables = cell(tmp_path, {**TWO, "empty": (3, 4)}, empty=["empty"])
    assert "nothing judged" in said_by(figure("distinctive_tokens", tables))
    assert "nothing judged" in said_by(figure("distributions", tables))


def test_ridges_are_square_roots_of_shares_beside_the_quantiles_of_the_table(tables):
    left, right = panels(figure("distributions", tables))
    rows = table(tables, "distributions")
    rows = rows[rows["quantity"] == "difference"]
    outlines = [patch for patch in left.patches if isinstance(patch, StepPatch)][1::2]
    heights = np.concatenate([one.get_data().values - place for place, one in enumerate(outlines)])
    shares = np.concatenate([rows.loc[rows["group"] == name, "share"] for name in names_of_rows(left)])
    np.testing.assert_allclose(heights / heights.max(), np.sqrt(shares / shares.max()), atol=1e-12)
    quantiles = rows.groupby("group").first().loc[names_of_rows(left)]
    assert dots(right) == list(quantiles["median"]) == sorted(quantiles["median"])
    assert bars(right, 3.4) == list(zip(quantiles["p25"], quantiles["p75"], strict=True))
    assert bars(right, 0.9) == list(zip(quantiles["p05"], quantiles["p95"], strict=True))
    assert max(heights) < 1, "no ridge reaches the next one"


def test_conditional_acceptance_ends_where_few_tokens_were_judged_and_has_the_band_of_the_table(tables):
    top, _, *of_groups = panels(figure("position", tables))
    rows = table(tables, "acceptance_by_position")
    for axes, group in zip(of_groups, HONEST_LIKE, strict=True):
        of = rows[(rows["group"] == group) & (rows["n_judged"] >= 20)]
        line = axes.lines[1]
        np.testing.assert_allclose(line.get_ydata(), of["conditional_acceptance"])
        assert line.get_color() == COLOURS[0]
        paths = [path for band in axes.collections for path in band.get_paths()]
        edges = {round(float(y), 9) for path in paths for y in path.vertices[:, 1]}
        wanted = {round(float(y), 9) for y in [*of["low"].dropna(), *of["high"].dropna()]}
        assert edges == wanted
    everyone = table(tables, "acceptance_by_position--overall")
    everyone = everyone[everyone["n_judged"] >= 20]
    np.testing.assert_allclose(top.lines[0].get_ydata(), everyone["conditional_acceptance"])


def test_the_bars_of_variance_are_shares_with_deviations_in_points_beside(tables):
    axes = panels(figure("variance", tables))[0]
    rows = table(tables, "variance")
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], 100 * rows["share"])
    words = [text.get_text() for text in axes.texts]
    for row in rows.to_dict("records"):
        assert f"{row['sd_points']:.1f}" in words
        assert f"{100 * row['share']:.0f} %" in words


def test_a_component_that_cannot_be_estimated_says_so(tmp_path):
    said = said_by(figure("variance", cell(tmp_path, TWO, mode="greedy"), mode="greedy"))
    assert "not estimable" in said
    assert "sample: not estimable: one level." in said


def test_power_is_the_curve_of_the_table_with_the_study_and_its_gap_on_it(tables):
    axes = panels(figure("power", tables))[0]
    rows = table(tables, "power")
    [test] = table(tables, "gap_test").to_dict("records")
    curve, now, gap, small = axes.lines
    np.testing.assert_array_equal(curve.get_xdata(), rows["n_terms"])
    np.testing.assert_array_equal(curve.get_ydata(), rows["power_80_pp"])
    assert list(now.get_xdata()) == list(rows.loc[rows["now"], "n_terms"])
    assert gap.get_ydata()[0] == test["gap_pp"]
    assert small.get_ydata()[0] == test["small_gap_pp"]
    assert axes.get_ylim()[1] > max(rows["power_80_pp"].max(), test["gap_pp"])


def test_every_term_is_a_dot_in_the_row_of_its_group(tables):
    axes = panels(figure("term_dots", tables))[0]
    terms = table(tables, "terms")
    found = [one for one in axes.collections if isinstance(one, PathCollection)]
    offsets = np.concatenate([one.get_offsets() for one in found])
    for place, name in enumerate(names_of_rows(axes)):
        here = offsets[np.round(offsets[:, 1]) == place, 0]
        np.testing.assert_allclose(
            np.sort(here), np.sort(terms.loc[terms["group"] == name, "acceptance_rate"])
        )
    largest = max(float(area) for one in found for area in one.get_sizes())
    of_largest = next(one for one in found if largest in one.get_sizes())
    assert len(of_largest.get_offsets())
    rates = table(tables, "acceptance")["acceptance_rate"]
    solid = [line for line in axes.lines if line.get_linestyle() == "-"]
    assert [line.get_xdata()[0] for line in solid] == sorted(rates)


CLAIMS = {
    "different": "adjusted p = 0.0001: more than chance.",
    "not distinguishable": "adjusted p = 0.0001: not distinguishable from chance.",
    "not estimable": "Descriptive, no claim of significance.",
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_largest_difference_says_what_the_test_says_of_it(tmp_path, claim):
    columns = {"simultaneous_low_pp": -1.26, "simultaneous_high_pp": 13.4, "p_adjusted": 0.0001}
    tables = rewritten(cell(tmp_path, TWO), "group_differences", claim=claim, **columns)
    said = said_by(figure("largest_difference", tables))
    assert CLAIMS[claim] in said
    is_tested = claim != "not estimable"
    assert ("simultaneous 95 % interval −1.3 to +13.4" in said) == is_tested
    assert ("Descriptive" in said) != is_tested


def test_the_largest_difference_names_the_largest_gap_of_the_test_where_that_is_another(tmp_path):
    tables = cell(tmp_path)
    shown = headline(table(tables, "group_differences")).row
    pair = {"group_a": shown["group_a"], "group_b": shown["group_b"]}
    same = said_by(figure("largest_difference", rewritten(tables, "gap_test", **pair)))
    assert "Of all groups" not in same
    other = pair | {"group_a": next(name for name in HONEST_LIKE if name not in pair.values())}
    changed = rewritten(tables, "gap_test", **other, gap_pp=12.34, p_adjusted=0.5)
    said = said_by(figure("largest_difference", changed))
    assert "Of all groups, within strata, the largest gap is" in said
    assert "+12.3 pp, adjusted p = 0.50" in said


def test_the_largest_difference_names_the_gap_that_is_more_than_chance_where_that_is_another(tmp_path):
    tables = cell(tmp_path)
    shown = headline(table(tables, "group_differences")).row
    a, b = [name for name in HONEST_LIKE if name not in (shown["group_a"], shown["group_b"])][:2]
    different = {"different_a": a, "different_b": b, "different_pp": 3.21, "different_p_adjusted": 0.01}
    said = said_by(figure("largest_difference", rewritten(tables, "gap_test", **different))).replace("*", "")
    assert f"More than chance: {a} − {b} = +3.2 pp, adjusted p = 0.010." in said


def test_next_differences_have_the_p_of_the_difference_within_strata_beside_that_difference(tables):
    said = said_by(figure("largest_difference", tables))
    for row in headline(table(tables, "group_differences")).others.head(3).to_dict("records"):
        assert f"within strata {signed(row['contrast_pp'])}, adj. {p_text(row['p_adjusted'])}" in said


def test_a_gap_that_is_more_than_chance_is_named_beside_a_larger_one_that_may_be(tmp_path):
    tables = cell(tmp_path)
    [test] = table(tables, "gap_test").to_dict("records")
    a, b = [name for name in HONEST_LIKE if name not in (test["group_a"], test["group_b"])][:2]
    different = {"different_a": a, "different_b": b, "different_pp": 3.21, "different_p_adjusted": 0.01}
    said = said_by(figure("largest_gap", rewritten(tables, "gap_test", **different))).replace("*", "")
    assert f"{a} − {b}, 3.2 points, is more than chance (adjusted p = 0.010)" in said
