"""The mixed model against closed forms of balanced designs, and what it cannot fit."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t
from statsmodels.regression.mixed_linear_model import MixedLM

from specgap.stats import mixed
from specgap.stats.layout import Layout
from specgap.stats.mixed import marginal_means
from specgap.tables.counts import Counts
from specgap.tables.layout import entries
from specgap.tables.membership import groups_in
from specgap.tables.mixed import COLUMNS, mixed_model
from tests.support.records import prompt_set, row


def crossed(*n_terms: int, n_templates: int = 5) -> Layout:
    """Every term of every group in every template."""
    group = np.repeat(np.repeat(np.arange(len(n_terms)), n_terms), n_templates)
    unit, block = np.divmod(np.arange(len(group)), n_templates)
    names = tuple(f"g{number}" for number in range(len(n_terms)))
    return Layout(names, ("",), (), group, np.zeros_like(group), unit, block)


def drawn(layout: Layout, seed: int = 1, term: float = 0.08) -> np.ndarray:
    rng = np.random.default_rng(seed)
    assert layout.block is not None
    rates = 0.7 + rng.normal(0, term, layout.unit.max() + 1)[layout.unit] - 0.03 * layout.group
    return rates + rng.normal(0, 0.05, 9)[layout.block] + rng.normal(0, 0.04, len(layout))


def test_in_a_balanced_design_means_and_errors_are_those_of_term_means() -> None:
    layout = crossed(6, 6, 6)
    rates = drawn(layout)
    terms = rates.reshape(3, 6, 5).mean(axis=2)
    error = np.sqrt(np.square(terms - terms.mean(axis=1)[:, None]).sum() / 15 / 6)
    for number, mean in enumerate(marginal_means(rates, layout)):
        assert mean.estimate == pytest.approx(terms[number].mean(), abs=1e-8)
        assert mean.se == pytest.approx(error, rel=1e-4)
        low, high = mean.interval or (0, 0)
        assert (high - low) / 2 == pytest.approx(t.ppf(0.975, 15) * (mean.se or 0))
        assert (mean.n_units, mean.note) == (6, "")


def test_a_group_of_one_term_borrows_the_spread_of_the_others() -> None:
    layout = crossed(8, 7, 1)
    eight, _, one = marginal_means(drawn(layout), layout)
    assert one.se is not None
    assert one.se > 2 * (eight.se or 1)


def test_missing_cells_are_averaged_over_all_templates() -> None:
    layout = crossed(6, 5)
    kept = np.random.default_rng(2).random(len(layout)) < 0.7
    rates = np.where(kept, drawn(layout), np.nan)
    frame = pd.DataFrame({"y": 100 * rates, "g": layout.group, "u": layout.unit, "b": layout.block})[kept]
    fit = MixedLM.from_formula("y ~ C(g) + C(b)", frame, groups="u").fit(method="bfgs")
    grid = pd.DataFrame({"g": np.repeat([0, 1], 5), "b": np.tile(np.arange(5), 2)})
    wanted = fit.predict(grid).to_numpy().reshape(2, 5).mean(axis=1) / 100
    assert [mean.estimate for mean in marginal_means(rates, layout)] == pytest.approx(
        wanted.tolist(), rel=1e-6
    )


def test_templates_that_groups_do_not_share_are_left_out() -> None:
    layout = crossed(6, 6)
    apart = replace(layout, block=layout.block + 5 * layout.group)  # type: ignore[operator]
    rates = drawn(layout)
    means = marginal_means(rates, apart)
    assert [mean.note for mean in means] == ["templates left out: groups do not share them"] * 2
    bare = marginal_means(rates, replace(layout, block=None))
    assert [mean.estimate for mean in bare] == [mean.estimate for mean in means]
    assert bare[0].note == "no templates named"


@pytest.mark.parametrize(
    ("layout", "note"),
    [
        (replace(crossed(4, 4), unit=np.arange(40), has_terms=False), "no term with several prompts"),
        (crossed(4, 4, n_templates=1), "no term with several prompts"),
        (crossed(1, 1), "one term in every group"),
    ],
)
def test_what_cannot_be_fitted_is_a_note(layout: Layout, note: str) -> None:
    for mean in marginal_means(drawn(layout), layout):
        assert (mean.estimate, mean.se, mean.interval) == (None, None, None)
        assert note in mean.note


def test_rates_without_spread_and_groups_without_rates_are_notes_or_answers() -> None:
    layout = crossed(4, 4, 2)
    everything = marginal_means(np.ones(len(layout)), layout)
    assert [mean.note for mean in everything] == ["the rates do not vary"] * 3
    exact = marginal_means(np.random.default_rng(0).normal(0.7, 0.1, 10)[layout.unit], layout)
    assert exact[0].note == "not fitted: prompts of a term differ by their templates alone"
    nothing = marginal_means(np.full(len(layout), np.nan), layout)
    assert [mean.note for mean in nothing] == ["nothing judged"] * 3
    some = marginal_means(np.where(layout.group == 1, np.nan, drawn(layout)), layout)
    assert some[1].note == "nothing judged"
    assert some[0].estimate is not None
    alone = marginal_means(drawn(crossed(5)), crossed(5))
    assert alone[0].interval is not None
    no_terms_vary = marginal_means(drawn(layout, term=0.0), layout)
    assert all(mean.se is not None for mean in no_terms_vary)


def test_a_fit_that_fails_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixed, "_METHODS", ("no such method",))
    layout = crossed(4, 4)
    assert all(mean.note.startswith("not fitted") for mean in marginal_means(drawn(layout), layout))
    monkeypatch.setattr(mixed, "MOST_UNITS", 3)
    assert all(mean.note == "more than 3 terms: not fitted" for mean in marginal_means(drawn(layout), layout))


def test_the_table_has_a_row_for_each_group() -> None:
    words = [(g, f"{g}{n}", at) for g in "fm" for n in range(4) for at in range(5)]
    rows = [row(f"{term} {at}", g, term=term, template=str(at)) for g, term, at in words]
    groups, rng = groups_in(prompt_set(*rows), "category"), np.random.default_rng(1)
    prompts = [prompt for group in groups for prompt in group.prompts]
    counts = {p: Counts(accepted=int(rng.integers(5, 9)), rejected=4) for p in prompts[1:]}
    table = mixed_model(groups, entries(groups, counts), mode="sampled")
    assert tuple(table.columns) == COLUMNS
    for found in table.to_dict("records"):
        assert found["low"] < found["estimate"] < found["high"]
        assert found["n_units"] == 4
