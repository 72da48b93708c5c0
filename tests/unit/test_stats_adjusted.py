"""Differences at equal covariates: against dense formulas, and against truth."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t
from statsmodels.regression.linear_model import OLS

from specgap.stats.adjusted import Adjusted, adjusted_difference
from specgap.stats.layout import Layout
from specgap.tables.adjusted import COLUMNS, adjusted_differences
from specgap.tables.counts import Counts
from specgap.tables.layout import entries
from specgap.tables.membership import Group, groups_in
from tests.support.records import prompt_set, row

NAMES = ("length", "log p", "entropy")


def crossed(*n_terms: int, n_templates: int = 6) -> Layout:
    """Every term of every group in every template."""
    group = np.repeat(np.repeat(np.arange(len(n_terms)), n_terms), n_templates)
    unit = np.repeat(np.arange(sum(n_terms)), n_templates)
    block = np.tile(np.arange(n_templates), sum(n_terms))
    names = tuple(f"g{number}" for number in range(len(n_terms)))
    return Layout(
        names, ("",), tuple(map(str, range(sum(n_terms)))), group, np.zeros_like(group), unit, block
    )


def drawn(
    layout: Layout, rng: np.random.Generator, *, term: float, effect: float = 0.0, harder: float = 1.0
) -> tuple:
    """Rates that fall by 2 points with each token; the first group's texts are `harder` tokens longer."""
    assert layout.block is not None
    own = rng.normal(0, 1, layout.unit.max() + 1)[layout.unit]
    length = rng.normal(6, 2, layout.block.max() + 1)[layout.block] + own + harder * (layout.group == 0)
    log_p = rng.normal(-4, 1, len(layout)) - 0.2 * length
    rates = 0.8 - 0.02 * length + 0.02 * log_p + effect * (layout.group == 0)
    rates += rng.normal(0, term, len(own))[layout.unit] + rng.normal(0, 0.08, len(own))[layout.block]
    return rates + rng.normal(0, 0.08, len(own)), np.column_stack(
        [length, log_p, rng.normal(2, 0.3, len(own))]
    )


def adjusted(layout: Layout, drawing: tuple, pair: tuple[int, int] = (0, 1)) -> Adjusted:
    return adjusted_difference(*drawing, layout, pair, names=NAMES)


def wide(layout: Layout, covariates: np.ndarray) -> np.ndarray:
    """The same with one prompt of each group at either end, so that the support is all prompts."""
    covariates = covariates.copy()
    for group in np.unique(layout.group):
        first, second = np.flatnonzero(layout.group == group)[:2]
        covariates[first], covariates[second] = (1, -20, 0), (20, -1, 5)
    return covariates


def test_the_difference_is_the_coefficient_of_least_squares_on_group_block_and_covariates() -> None:
    layout, rng = crossed(5, 4, 3), np.random.default_rng(1)
    rates, covariates = drawn(layout, rng, term=0.05)
    covariates = wide(layout, covariates)
    found = adjusted(layout, (rates, covariates))
    two = layout.group < 2
    design = np.column_stack([(layout.group == 0)[two], covariates[two], np.eye(6)[layout.block[two]]])
    theirs = OLS(rates[two], design.astype(float)).fit()
    assert found.adjusted == pytest.approx(theirs.params[0], abs=1e-10)
    assert found.raw == pytest.approx(
        rates[layout.group == 0].mean() - rates[layout.group == 1].mean(), abs=1e-12
    )
    assert found.raw_inside == found.raw
    assert (found.share, found.n_units) == (1, (5, 4))


@pytest.mark.parametrize("has_terms", [True, False])
def test_the_interval_is_that_of_the_textbook_with_whole_matrices(has_terms: bool) -> None:
    """Bell and McCaffrey's formulas with n × n matrices, without templates (whose means are absorbed)."""
    layout, rng = replace(crossed(5, 4), block=None), np.random.default_rng(2)
    layout = layout if has_terms else replace(layout, unit=rng.permutation(len(layout)), has_terms=False)
    rates, covariates = drawn(crossed(5, 4), rng, term=0.05)
    covariates = wide(layout, covariates)
    found = adjusted(layout, (rates, covariates))
    n = len(layout)
    x = np.column_stack([covariates, layout.group == 0]).astype(float)
    x, y = x - x.mean(axis=0), rates - rates.mean()
    m = np.linalg.inv(x.T @ x)
    rest_of = np.eye(n) - x @ m @ x.T
    variance, columns = 0.0, []
    for unit in np.unique(layout.unit):
        own = layout.unit == unit
        values, vectors = np.linalg.eigh(rest_of[np.ix_(own, own)])
        a = vectors @ np.diag(values**-0.5) @ vectors.T
        weights = (m @ x[own].T @ a)[-1]
        variance += float(weights @ (rest_of @ y)[own]) ** 2
        columns.append(rest_of[:, own] @ weights)
    omega = np.array(columns) @ np.array(columns).T
    df = np.trace(omega) ** 2 / np.square(omega).sum()
    half = t.ppf(0.975, df) * np.sqrt(variance * n / (n - 1))
    low, high = found.interval or (0, 0)
    assert (high - low) / 2 == pytest.approx(half, rel=1e-10)


@pytest.mark.parametrize(("n_a", "n_b", "term"), [(24, 16, 0.06), (24, 16, 0.0), (24, 4, 0.06)])
def test_intervals_hold_the_truth_where_one_groups_texts_are_harder(n_a: int, n_b: int, term: float) -> None:
    layout, rng, runs = crossed(n_a, n_b, n_templates=15), np.random.default_rng(11), 400
    held = raw_held = 0
    estimates = []
    for _ in range(runs):
        found = adjusted(layout, drawn(layout, rng, term=term, effect=-0.05))
        low, high = found.interval or (0, 0)
        held += low <= -0.05 <= high
        raw_held += low <= (found.raw or 0) <= high
        estimates.append(found.adjusted)
    error = np.std(estimates) / np.sqrt(runs)
    print(f"{n_a} and {n_b} terms, spread {term}: coverage {held / runs:.3f}, wanted .91 to .98; mean "
          f"{np.mean(estimates):.4f} ± 4 × {error:.4f}, truth -.05")  # fmt: skip
    assert 0.91 <= held / runs <= 0.98
    assert abs(np.mean(estimates) + 0.05) < 4 * error


def test_a_gap_that_is_all_length_vanishes_once_adjusted() -> None:
    layout, rng = crossed(20, 20, n_templates=15), np.random.default_rng(4)
    found = [adjusted(layout, drawn(layout, rng, term=0.02, harder=2.0)) for _ in range(40)]
    raw, fair = (np.mean([getattr(one, name) for one in found]) for name in ("raw", "adjusted"))
    print(f"raw {raw:.4f}, wanted about -.048; adjusted {fair:.4f}, wanted ± .005 of 0")
    assert raw < -0.04
    assert abs(fair) < 0.005


def test_only_prompts_that_both_groups_reach_are_compared() -> None:
    layout = crossed(3, 3, n_templates=2)
    length = np.array([1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8, 9.0])
    covariates = np.column_stack([length, np.full(12, np.nan), np.full(12, np.nan)])
    found = adjusted(layout, (np.linspace(0.2, 0.9, 12) + np.tile([0, 0.01, 0.03], 4), covariates))
    assert found.ranges == ((4, 6), None, None)
    assert found.share == 6 / 12
    assert found.n_units == (2, 2)
    assert found.interval is None
    assert "no interval: fewer than 3 units of a group" in found.notes
    assert {"log p not recorded", "entropy not recorded"} < set(found.notes)


def test_no_overlap_is_a_note_and_the_raw_difference_stays() -> None:
    layout = crossed(3, 3)
    covariates = np.column_stack([np.where(layout.group == 0, 3.0, 7.0) + layout.block, *np.zeros((2, 36))])
    covariates[:, 0] += 10 * layout.group
    found = adjusted(layout, (np.linspace(0, 1, 36), covariates))
    assert (found.adjusted, found.interval, found.share) == (None, None, 0)
    assert found.raw == pytest.approx(-0.5, abs=0.03)
    assert found.notes == ("no common support",)


def test_prompts_without_a_measure_are_left_out_and_counted() -> None:
    layout, rng = crossed(4, 4), np.random.default_rng(5)
    rates, covariates = drawn(layout, rng, term=0.05)
    covariates = wide(layout, covariates)
    covariates[[3, 30, 31], 1] = np.nan
    found = adjusted(layout, (rates, covariates))
    assert found.share == 45 / 48
    assert "3 prompts without all covariates left out" in found.notes


def test_degenerate_rates_and_groups_are_answers_or_notes() -> None:
    layout, rng = crossed(4, 4, 1, 0), np.random.default_rng(6)
    rates, covariates = drawn(layout, rng, term=0.05)
    everything = adjusted(layout, (np.ones(len(layout)), covariates))
    assert everything.adjusted == pytest.approx(0, abs=1e-12)
    assert everything.interval is None
    assert "no spread left for an interval" in everything.notes
    one_term = adjusted(layout, (rates, covariates), (0, 2))
    assert one_term.adjusted is not None
    assert one_term.interval is None
    nothing = adjusted(replace(layout, groups=("a", "b", "c", "d")), (rates, covariates), (0, 3))
    assert (nothing.raw, nothing.adjusted, nothing.notes) == (None, None, ("nothing judged (d)",))
    apart = replace(layout, block=layout.group * 6 + np.tile(np.arange(6), 9))
    found = adjusted(apart, (rates, covariates))
    assert found.adjusted == adjusted(replace(layout, block=None), (rates, covariates)).adjusted
    assert found.notes == ("templates left out: the groups share none",)
    strata = adjusted(replace(apart, stratum=layout.group), (rates, covariates))
    assert strata.adjusted is None
    assert strata.notes[-1] == "groups not to be told apart from strata and covariates"


def test_a_hundred_thousand_prompts_without_terms_need_no_column_each() -> None:
    n, rng = 100_000, np.random.default_rng(7)
    zeros = np.zeros(n, dtype=np.int64)
    layout = Layout(
        tuple("abcdefghij"), ("",), (), np.arange(n) % 10, zeros, np.arange(n), None, has_terms=False
    )
    rates, covariates = rng.random(n), rng.normal(5, 1, (n, 3))
    found = adjusted(layout, (rates, covariates), (0, 1))
    assert found.raw == pytest.approx(rates[::10].mean() - rates[1::10].mean(), abs=0.01)


# The table -------------------------------------------------------------------------------------------


def study() -> list[Group]:
    words = [("f", f"she{n}") for n in range(4)] + [("m", f"he{n}") for n in range(4)]
    rows = [row(f"{w} {at}", group, term=w, template=str(at)) for group, w in words for at in range(3)]
    return groups_in(prompt_set(*rows), "category")


def measured(groups: list[Group]) -> tuple[dict[int, Counts], dict[int, tuple[int, float | None]]]:
    rng = np.random.default_rng(8)
    counts, measures = {}, {}
    for group in groups:
        for at, prompt in enumerate(group.prompts):
            accepted = int(rng.integers(4, 9)) + (group.name == "m")
            counts[prompt] = Counts(accepted=accepted, rejected=10 - accepted, entropy_values=10,
                                    entropy_sum=round(2**40 * 10 * (1 + at / 10)))  # fmt: skip
            measures[prompt] = (3 + (at * 5) % 7, -4.0 + (at * 3) % 5 / 2)
    return counts, measures


def test_the_table_puts_the_higher_group_first_and_spells_the_support() -> None:
    groups = study()
    counts, measures = measured(groups)
    table = adjusted_differences(groups, entries(groups, counts), measures, mode="sampled")
    assert tuple(table.columns) == COLUMNS
    [found] = table.to_dict("records")
    assert (found["group_a"], found["group_b"]) == ("m", "f")
    assert found["unadjusted_pp"] > 0
    assert found["adjusted_low_pp"] < found["adjusted_pp"] < found["adjusted_high_pp"]
    assert found["support"] == "length 3–9 tokens, log p −4.0…−2.0, entropy 1.0–2.1; 100 % of prompts"
    assert (found["n_units_a"], found["n_units_b"]) == (4, 4)


def test_the_support_says_how_many_of_the_prompts_lie_in_it() -> None:
    groups = study()
    counts, measures = measured(groups)
    # Six of twenty-four prompts are longer than any of the other group.
    measures |= dict.fromkeys(groups[0].prompts[:6], (30, -3.0))
    [found] = adjusted_differences(groups, entries(groups, counts), measures, mode="sampled").to_dict(
        "records"
    )
    assert found["support"].startswith("length 3–9 tokens, ")
    assert found["support"].endswith("; 75 % of prompts")
    assert "points on these prompts" in found["note"]


def test_the_table_has_words_where_nothing_was_judged_or_measured() -> None:
    groups = study()
    counts, measures = measured(groups)
    [found] = adjusted_differences(groups, entries(groups, {}), {}, mode="greedy").to_dict("records")
    assert [found[c] for c in ("unadjusted_pp", "adjusted_pp", "support")] == [None] * 3
    assert "nothing judged (f); nothing judged (m)" in found["note"]
    [bare] = adjusted_differences(groups, entries(groups, counts), {}, mode="greedy").to_dict("records")
    assert "length not recorded; log p not recorded" in bare["note"]
    assert bare["support"] == "entropy 1.0–2.1; 100 % of prompts"
    some = {prompt: n for prompt, n in counts.items() if prompt != groups[0].prompts[0]}
    [part] = adjusted_differences(groups, entries(groups, some), measures, mode="greedy").to_dict("records")
    assert part["adjusted_pp"] is not None


def test_one_group_has_no_pairs() -> None:
    groups = study()
    counts, measures = measured(groups)
    one = groups[:1]
    assert adjusted_differences(one, entries(one, counts), measures, mode="sampled").empty
