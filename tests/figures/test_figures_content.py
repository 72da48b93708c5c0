from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from specgap.figures.groups import ONE_TERM, PROMPT_UNITS
from specgap.figures.spec import Spec
from specgap.tables.csv import read_table
from tests.support.drawing import SPECS, cell, figure, texts
from tests.support.synthetic_tables import HONEST_LIKE, without_terms
from tests.support.thinned import thinned

pytestmark = pytest.mark.slow

GROUPS = list(HONEST_LIKE)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cell(tmp_path_factory.mktemp("cell"))


def outlines(drawn: Figure, panel: int) -> list[np.ndarray]:
    axes = panels(drawn)[panel]
    return [patch.get_data().values for patch in axes.patches if isinstance(patch, StepPatch)]


def panels(drawn: Figure) -> list:
    return [axes for axes in drawn.axes if axes.get_visible()]


def counts(tables: Path, quantity: str, group: str, *verdicts: str) -> np.ndarray:
    table = read_table(tables / "histograms.csv")
    rows = table[
        (table["quantity"] == quantity) & (table["group"] == group) & table["verdict"].isin(verdicts)
    ]
    return rows.groupby("bin")["count"].sum().to_numpy()


def column(tables: Path, table: str, name: str) -> "pd.Series":
    return read_table(tables / f"{table}.csv")[name]


@pytest.fixture(scope="module")
def drawn_of(tables) -> Callable[[str], Figure]:
    """Return a figure as it is drawn from the tables, to be looked at."""
    return cache(
        lambda spec_id: figure(spec_id, tables, "queer" if SPECS[spec_id].scope == "group" else None)
    )


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_pair_mode_n_and_rate_stand_in_every_figure(drawn_of, spec: Spec):
    said = texts(drawn_of(spec.id))
    of_one = ("pair demo", "models/big", "models/small", "372 prompts")
    for words in ("sampled", "judged tokens", *(("2 pairs: 1 target",) if spec.scope == "pairs" else of_one)):
        assert words in said
    assert "acceptance rate 0." in said
    assert ("3 settings" if spec.scope == "settings" else "heuristic-5") in said
    assert "pilot" not in said.lower()


@pytest.mark.parametrize("spec", thinned(SPECS.values()))
def test_pilot_and_partial_stand_in_every_figure_of_one(tables, spec: Spec):
    group = "queer" if spec.scope == "group" else None
    said = texts(figure(spec.id, tables, group, pilot=5, partial="3 of 8 shards"))
    assert "PILOT: at most 5 prompts per group" in said
    assert "PARTIAL: 3 of 8 shards" in said
    assert "(pilot) (partial)" in " ".join(said.split())


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_no_figure_is_wider_than_a_page_and_every_panel_of_data_is_labelled(drawn_of, spec: Spec):
    drawn = drawn_of(spec.id)
    assert drawn.get_figwidth() <= 7.0
    axes = [one for one in panels(drawn) if one.axison]
    assert any(one.get_xlabel() for one in axes) or drawn.get_supxlabel() or spec.kind in _NAMES_ON_AXES
    assert any(one.get_ylabel() for one in axes) or drawn.get_supylabel() or spec.kind in _NAMES_ON_AXES


#: Kinds whose axes bear names of groups or settings, which need no label.
_NAMES_ON_AXES = {
    *("forest", "surer_draft", "group_differences", "term_dots", "variance", "distributions"),
    *("distinctive_tokens", "schedule_sweep", "best_schedule", "order_effect", "cross_check"),
    *("measured_speed_up", "pairs_overview"),
}


@pytest.mark.parametrize("verdict", ["accepted", "rejected"])
def test_probabilities_are_the_counts_of_the_table(tables, verdict):
    drawn = figure(f"probabilities_{verdict}", tables)
    for panel, quantity in enumerate("pq"):
        found = outlines(drawn, panel)
        assert len(found) == len(GROUPS)
        for values, group in zip(found, GROUPS, strict=True):
            np.testing.assert_array_equal(values, counts(tables, quantity, group, verdict))


def test_both_is_accepted_plus_rejected(tables):
    drawn = {name: figure(f"probabilities_{name}", tables) for name in ("accepted", "rejected", "both")}
    for panel in (0, 1):
        accepted, rejected, both = (outlines(drawn[name], panel) for name in drawn)
        for one, other, whole in zip(accepted, rejected, both, strict=True):
            np.testing.assert_array_equal(one + other, whole)


def test_p_and_q_share_axes_and_grid_and_n_stands_in_the_legend(tables):
    drawn = figure("probabilities_accepted", tables)
    left, right = panels(drawn)
    assert left.get_ylim() == right.get_ylim()
    assert left.get_yscale() == right.get_yscale() == "log"
    assert left.patches[0].get_data().baseline is None
    edges = [patch.get_data().edges for axes in (left, right) for patch in axes.patches]
    assert all((one == edges[0]).all() for one in edges)
    n = counts(tables, "p", "queer", "accepted").sum()
    assert f"queer  n {n:,}" in texts(drawn)


def test_ten_groups_differ_in_colour_and_line_together(tables):
    patches = panels(figure("probabilities_accepted", tables))[0].patches
    looks = {(patch.get_edgecolor(), str(patch.get_linestyle())) for patch in patches}
    assert len(looks) == len(GROUPS)


def test_likelihood_difference_is_shares_of_the_groups_judged_tokens(tables):
    drawn = figure("likelihood_difference", tables, "queer")
    accepted, rejected = (counts(tables, "difference", "queer", name) for name in ("accepted", "rejected"))
    n = accepted.sum() + rejected.sum()
    found = outlines(drawn, 0)
    np.testing.assert_allclose(found[0], accepted / n)
    np.testing.assert_allclose(found[1], rejected / n)
    assert sum(values.sum() for values in found) == pytest.approx(1)
    assert f"n {n:,} judged tokens" in texts(drawn)


def test_acceptance_per_bin_is_drawn_where_twenty_tokens_were_judged(tables):
    drawn = figure("likelihood_difference", tables, "female")
    accepted = counts(tables, "difference", "female", "accepted")
    judged = accepted + counts(tables, "difference", "female", "rejected")
    (points,) = [line for line in panels(drawn)[1].lines if line.get_marker() == "o"]
    np.testing.assert_allclose(points.get_ydata(), (accepted / np.maximum(judged, 1))[judged >= 20])


def test_all_groups_likelihood_differences_have_the_same_limits(tables):
    drawn = [figure("likelihood_difference", tables, group) for group in GROUPS]
    for panel in (0, 1):
        assert len({(axes[panel].get_xlim(), axes[panel].get_ylim()) for axes in map(panels, drawn)}) == 1
    highest = max(values.max() for one in drawn for values in outlines(one, 0))
    assert panels(drawn[0])[0].get_ylim()[1] > highest


def test_a_group_of_one_term_is_marked(tables):
    said = texts(figure("likelihood_difference", tables, "nonqueer"))
    assert "Likelihood difference: nonqueer*" in said
    assert ONE_TERM in said
    assert "term" not in texts(figure("likelihood_difference", tables, "female")).lower()


@pytest.mark.parametrize(
    "identifier",
    [
        *("probabilities_accepted", "probabilities_rejected", "probabilities_both", "probabilities_by_group"),
        *("position", "forest", "surer_draft", "group_differences", "term_dots", "distributions"),
        *("distinctive_tokens", "largest_difference"),
    ],
)
def test_groups_of_one_term_bear_an_asterisk_wherever_groups_are_named(tables, identifier):
    said = texts(figure(identifier, tables))
    assert ONE_TERM in said
    assert "queer_gender_xenogender*" in said
    assert "female*" not in said


@pytest.mark.parametrize("identifier", ["probabilities_accepted", "group_differences", "schedule_sweep"])
def test_without_groups_of_one_term_there_is_no_footnote_about_them(tmp_path, identifier):
    assert "term" not in texts(figure(identifier, cell(tmp_path, {"a": (3, 4), "b": (4, 4)}))).lower()


def test_the_largest_difference_is_the_first_between_groups_of_three_terms(tables):
    table = read_table(tables / "group_differences.csv")
    first = table[table["headline"]].iloc[0]
    said = texts(figure("largest_difference", tables))
    assert f"{first['group_a']} − {first['group_b']} = {first['difference_pp']:+.1f} pp" in said
    assert "among groups of 3 or more identity terms" in said
    assert f"{table.iloc[0]['difference_pp']:+.1f} pp" in said


def test_without_headline_groups_the_largest_difference_says_so(tmp_path):
    said = texts(figure("largest_difference", cell(tmp_path, {"a": (2, 9), "b": (1, 9)})))
    assert "No two groups have 3 or more identity terms" in said


def test_where_the_unit_is_the_prompt_the_largest_difference_says_so(tmp_path):
    tables = cell(tmp_path, {"a": (3, 9), "b": (4, 9), "c": (5, 9)})
    without_terms(tables)
    said = " ".join(texts(figure("largest_difference", tables)).split())
    assert "Greatest difference among groups of 3 or more prompts" in said
    assert "Next greatest, groups of 3 or more prompts" in said
    assert "prompts as units" in said
    assert "term" not in said.replace(PROMPT_UNITS, "")
    assert PROMPT_UNITS in said


def test_a_pair_without_a_difference_is_never_the_largest(tmp_path):
    tables = cell(tmp_path, {"a": (3, 9), "b": (4, 9)}, empty=["a"])
    path = tables / "group_differences.csv"
    head = path.read_text(encoding="utf-8").splitlines()[0].split(",")
    values = {"group_a": "a", "group_b": "b", "n_terms_a": "3", "n_terms_b": "4", "headline": "true"}
    row = ",".join(values.get(name, "") for name in head)
    path.write_text(f"{','.join(head)}\n{row}\n", encoding="utf-8")
    assert "nothing to compare" in texts(figure("largest_difference", tables))


def test_probabilities_by_group_has_a_panel_with_four_outlines_for_each_group(tables):
    axes = panels(figure("probabilities_by_group", tables))
    assert [one.get_title(loc="left").split("\n")[0].rstrip("*") for one in axes] == GROUPS
    assert all(len(one.patches) == 4 for one in axes)
    assert len({one.get_ylim() for one in axes}) == 1


def test_joint_probabilities_hold_every_token_and_rejected_ones_lie_below_the_diagonal(tables):
    axes = panels(figure("joint_probabilities", tables))
    meshes = [next(c for c in one.collections if isinstance(c, QuadMesh)) for one in axes[:2]]
    table = read_table(tables / "joint_histogram--overall.csv")
    for mesh, verdict in zip(meshes, ("accepted", "rejected"), strict=True):
        assert mesh.get_array().sum() == table.loc[table["verdict"] == verdict, "count"].sum()
    assert meshes[0].norm is meshes[1].norm
    rejected = meshes[1].get_array().filled(0)
    assert not np.tril(rejected, -1).any(), "rows are p: below the matrix diagonal p exceeds q"


def test_probabilities_by_setting_are_the_shares_of_the_table(tables):
    drawn = figure("probabilities_by_setting", tables)
    table = read_table(tables / "all" / "histograms.csv")
    for panel, (verdict, quantity) in enumerate(
        (verdict, quantity) for verdict in ("accepted", "rejected") for quantity in "pq"
    ):
        rows = table[(table["verdict"] == verdict) & (table["quantity"] == quantity)]
        for values, setting in zip(outlines(drawn, panel), rows["setting"].unique(), strict=True):
            np.testing.assert_allclose(values, rows.loc[rows["setting"] == setting, "share"])


def test_calibration_draws_the_atom_at_one_apart(tables):
    drawn = figure("calibration", tables)
    table = read_table(tables / "calibration.csv")
    bins, atom = (next(line for line in axes.lines if line.get_marker() == "o") for axes in panels(drawn)[:2])
    np.testing.assert_allclose(bins.get_ydata(), table.loc[table["low"] < 1, "acceptance_rate"])
    np.testing.assert_allclose(atom.get_ydata(), table.loc[table["low"] >= 1, "acceptance_rate"])
