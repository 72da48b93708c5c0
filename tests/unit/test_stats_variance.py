"""Components of variance against statsmodels, analysis of variance, and truth."""

import time
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from specgap.stats.layout import Layout
from specgap.stats.variance import COMPONENTS, MOST_BLOCKS, Component, variance_components
from specgap.tables.layout import entries
from specgap.tables.membership import groups_in
from specgap.tables.variance import variance
from tests.support.records import prompt_set, row

SD = {"term": 0.06, "template": 0.08, "prompt": 0.05, "sample": 0.1}


def crossed(n_groups: int, n_terms: int, n_templates: int) -> Layout:
    """Every term of every group in every template."""
    shape = (n_groups, n_terms, n_templates)
    group, term, block = (axis.ravel().astype(np.int64) for axis in np.indices(shape))
    unit = group * n_terms + term
    names = tuple(f"g{number}" for number in range(n_groups))
    return Layout(names, ("",), tuple(map(str, np.unique(unit))), group, np.zeros_like(group), unit, block)


def drawn(layout: Layout, n_samples: np.ndarray, sd: dict[str, float], seed: int = 1) -> tuple:
    """Rates by row, and the entry of each row, with effects of these standard deviations."""
    rng = np.random.default_rng(seed)
    assert layout.block is not None
    levels = {"term": layout.unit, "template": layout.block, "prompt": np.arange(len(layout))}
    mean = 0.7 + sum(rng.normal(0, sd[name], index.max() + 1)[index] for name, index in levels.items())
    entry = np.repeat(np.arange(len(layout)), n_samples)
    return mean[entry] + rng.normal(0, sd["sample"], len(entry)), entry


def named(components: list[Component]) -> dict[str, Component]:
    assert tuple(c.name for c in components) == COMPONENTS
    return {c.name: c for c in components}


def variances(components: list[Component]) -> dict[str, float | None]:
    return {c.name: c.variance for c in components}


def test_balanced_components_are_those_of_the_analysis_of_variance() -> None:
    k, m, b, s = 3, 6, 5, 4
    layout = crossed(k, m, b)
    rates, entry = drawn(layout, np.full(len(layout), s), SD)
    cells = rates.reshape(k, m, b, s)
    prompts = cells.mean(axis=3)
    terms, templates, groups = prompts.mean(axis=2), prompts.mean(axis=(0, 1)), prompts.mean(axis=(1, 2))
    within = np.square(cells - prompts[..., None]).sum() / (k * m * b * (s - 1))
    additive = prompts - terms[..., None] - templates + prompts.mean()
    of_prompts = s * np.square(additive).sum() / ((k * m - 1) * (b - 1))
    of_terms = s * b * np.square(terms - groups[:, None]).sum() / (k * (m - 1))
    of_templates = s * k * m * np.square(templates - prompts.mean()).sum() / (b - 1)
    wanted = {
        "group": groups.var(),
        "term": (of_terms - of_prompts) / (s * b),
        "template": (of_templates - of_prompts) / (s * k * m),
        "prompt": (of_prompts - within) / s,
        "sample": within,
    }
    assert min(wanted.values()) > 0, "REML and the analysis of variance agree where all are positive"
    found = variances(variance_components(rates, entry, layout))
    assert found == pytest.approx(wanted, rel=1e-8)


def unbalanced(seed: int) -> tuple:
    """A fifth of the cells missing, one to three samples of each prompt."""
    rng = np.random.default_rng(seed)
    layout = crossed(2, 7, 5)
    layout = layout.kept(rng.random(len(layout)) < 0.8)
    return layout, *drawn(layout, rng.integers(1, 4, len(layout)), SD, seed)


@pytest.mark.parametrize("seed", [3, 8])
def test_unbalanced_components_are_those_of_statsmodels(seed: int) -> None:
    layout, rates, entry = unbalanced(seed)
    frame = pd.DataFrame({"y": rates, "g": layout.group[entry], "u": layout.unit[entry]})
    frame = frame.assign(b=layout.block[entry], p=entry, one=1)
    formula = {"term": "0 + C(u)", "template": "0 + C(b)", "prompt": "0 + C(p)"}
    model = MixedLM.from_formula("y ~ 0 + C(g)", frame, groups="one", vc_formula=formula, re_formula="0")
    with warnings.catch_warnings():
        # A variance below 0.01 is "on the boundary" to statsmodels, whatever the unit.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit = model.fit(reml=True, method="lbfgs", maxiter=2000)
    theirs = dict(zip(model.exog_vc.names, fit.vcomp, strict=True)) | {"sample": fit.scale}
    ours = variances(variance_components(rates, entry, layout))
    print("statsmodels", theirs, "specgap", ours)
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=1e-3, abs=1e-7)
    rows = np.bincount(frame["g"])
    means = fit.fe_params.to_numpy()
    between = np.average((means - np.average(means, weights=rows)) ** 2, weights=rows)
    assert ours["group"] == pytest.approx(between, rel=1e-3)


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_no_variances_nearby_are_likelier_by_the_dense_likelihood(seed: int) -> None:
    layout, rates, entry = unbalanced(seed)
    indices = (np.arange(len(rates)), entry, layout.unit[entry], layout.block[entry])
    same = [(index[:, None] == index).astype(float) for index in indices]
    groups = np.eye(2)[layout.group[entry]]

    def unlikely(values: np.ndarray) -> float:
        v = sum(value * matrix for value, matrix in zip(values, same, strict=True))
        inverse = np.linalg.inv(v)
        seen = groups.T @ inverse @ groups
        p = inverse - inverse @ groups @ np.linalg.inv(seen) @ groups.T @ inverse
        return float(np.linalg.slogdet(v)[1] + np.linalg.slogdet(seen)[1] + rates @ p @ rates)

    ours = variances(variance_components(rates, entry, layout))
    found = np.array([ours[name] for name in ("sample", "prompt", "term", "template")])
    least, rng = unlikely(found), np.random.default_rng(0)
    print("variances", found, "minus twice the log-likelihood", least)
    for size in (1e-3, 1e-2, 0.1, 1):
        for _ in range(20):
            assert unlikely(np.abs(found + size * 0.005 * rng.normal(size=4))) >= least - 1e-9


@pytest.mark.landing
def test_known_components_come_back_on_average() -> None:
    layout, runs = crossed(4, 12, 8), 60
    n = np.full(len(layout), 2)
    found = [variances(variance_components(*drawn(layout, n, SD, seed), layout)) for seed in range(runs)]
    for name, sd in SD.items():
        values = np.array([one[name] for one in found])
        error = values.std() / np.sqrt(runs)
        print(f"{name}: mean {values.mean():.5f}, truth {sd**2:.5f} ± 4 × {error:.5f}")
        assert abs(values.mean() - sd**2) < 4 * error


def test_forty_five_thousand_rows_take_seconds() -> None:
    layout = crossed(10, 100, 15)
    rates, entry = drawn(layout, np.full(len(layout), 3), SD)
    start = time.perf_counter()
    components = variance_components(rates, entry, layout)
    print(f"{len(rates)} rows in {time.perf_counter() - start:.2f} s, wanted below 5")
    assert time.perf_counter() - start < 5
    assert sum(c.share or 0 for c in components) == pytest.approx(1)


def test_a_component_without_variance_is_zero_and_not_negative() -> None:
    layout = crossed(3, 8, 6)
    zero = 0
    for seed in range(10):
        rates, entry = drawn(layout, np.full(len(layout), 2), SD | {"term": 0.0}, seed)
        found = variances(variance_components(rates, entry, layout))
        assert min(v for v in found.values() if v is not None) >= 0
        zero += found["term"] == 0
    assert zero >= 2


def test_rows_in_another_order_give_the_same_components() -> None:
    layout = crossed(3, 5, 4)
    rates, entry = drawn(layout, np.full(len(layout), 2), SD)
    order = np.random.default_rng(0).permutation(len(rates))
    one, other = (variances(variance_components(rates[o], entry[o], layout)) for o in (slice(None), order))
    assert one == pytest.approx(other, rel=1e-9)


def test_one_sample_leaves_prompt_and_sample_together() -> None:
    layout = crossed(2, 6, 5)
    found = named(variance_components(*drawn(layout, np.ones(len(layout), dtype=int), SD), layout))
    assert found["sample"].variance is None
    assert found["sample"].note == "one sample of every prompt: prompt holds both"
    assert "holds the samples" in found["prompt"].note
    assert found["prompt"].variance == pytest.approx(SD["prompt"] ** 2 + SD["sample"] ** 2, rel=0.5)


def test_samples_that_are_all_alike_have_no_variance() -> None:
    layout = crossed(2, 6, 5)
    once, _ = drawn(layout, np.ones(len(layout), dtype=int), SD)
    single = variances(variance_components(once, np.arange(len(once)), layout))
    doubled = variances(variance_components(np.repeat(once, 2), np.repeat(np.arange(len(once)), 2), layout))
    assert doubled["sample"] == 0
    assert {**single, "sample": 0} == pytest.approx(doubled)


def test_rates_that_are_all_one_have_no_variance_and_say_so() -> None:
    layout = crossed(2, 3, 4)
    components = variance_components(np.ones(48), np.repeat(np.arange(24), 2), layout)
    assert [c.variance for c in components] == [0.0] * 5
    assert all(c.share is None and "the rates do not vary" in c.note for c in components)


def test_rates_without_any_noise_are_an_answer() -> None:
    layout = crossed(2, 4, 5)
    rates, entry = drawn(layout, np.ones(40, dtype=int), SD | {"prompt": 0.0, "sample": 0.0})
    found = variances(variance_components(rates, entry, layout))
    assert found["prompt"] == pytest.approx(0, abs=1e-8)
    assert found["term"] is not None
    assert found["term"] > 1e-3


@pytest.mark.parametrize("noise", [1e-6, 1e-8, 1e-10, 1e-12, 1e-14, 1e-16])
def test_rates_with_almost_no_noise_are_an_answer(noise: float) -> None:
    layout = crossed(2, 4, 5)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        level = 0.5 + rng.normal(0, 0.1, 8)[layout.unit]
        rates = level + (0 if layout.block is None else rng.normal(0, 0.1, 5)[layout.block])
        found = variances(variance_components(rates + rng.normal(0, noise, 40), np.arange(40), layout))
        assert all(value is None or np.isfinite(value) for value in found.values())
        assert found["prompt"] == pytest.approx(0, abs=1e-8)


def test_without_templates_or_terms_they_are_left_out_with_a_note() -> None:
    layout = crossed(2, 6, 5)
    rates, entry = drawn(layout, np.full(len(layout), 2), SD)
    n = np.arange(len(layout))
    bare = Layout(layout.groups, layout.strata, (), layout.group, layout.stratum, n, None, has_terms=False)
    found = named(variance_components(rates, entry, bare))
    assert found["term"].variance is None
    assert "no terms named" in found["term"].note
    assert "no templates named" in found["template"].note
    means = rates.reshape(2, 30, 2).mean(axis=2)
    within = np.square(rates.reshape(60, 2) - rates.reshape(60, 2).mean(1)[:, None]).sum() / 60
    between = 2 * np.square(means - means.mean(axis=1)[:, None]).sum() / 58
    assert found["prompt"].variance == pytest.approx((between - within) / 2)


@pytest.mark.parametrize(
    ("layout", "component", "note"),
    [
        (crossed(1, 4, 3), "group", "one group"),
        (crossed(3, 1, 4), "term", "one term in every group: group holds both"),
        (crossed(3, 4, 1), "template", "one template"),
        (crossed(3, 4, 1), "term", "not to be told apart from prompt"),
        (crossed(3, 1, 1), "prompt", "one prompt in every group: group holds both"),
    ],
)
def test_what_a_layout_cannot_tell_apart_is_noted(layout: Layout, component: str, note: str) -> None:
    for n_samples in (1, 2):
        rates, entry = drawn(layout, np.full(len(layout), n_samples), SD)
        found = named(variance_components(rates, entry, layout))
        assert found[component].variance is None
        assert note in found[component].note
        assert all(c.variance is None or np.isfinite(c.variance) for c in found.values())


def test_templates_of_one_group_each_are_held_by_the_groups() -> None:
    layout = crossed(2, 5, 1)
    nested = replace(layout, block=layout.group)
    found = named(variance_components(*drawn(layout, np.full(10, 2), SD), nested))
    assert found["template"].note == "one template in every group: group holds both"


def test_nothing_judged_is_a_table_of_notes() -> None:
    components = variance_components(np.array([]), np.array([], dtype=np.int64), crossed(2, 2, 2))
    assert [c.note for c in components] == ["nothing judged"] * 5


def test_the_table_leaves_out_samples_with_nothing_judged() -> None:
    words = ("she", "her", "he", "him")
    prompts = prompt_set(*(row(w, "f" if w in ("she", "her") else "m", term=w) for w in words))
    groups = groups_in(prompts, "category")
    ids = [prompt for group in groups for prompt in group.prompts]
    samples = {ids[0]: [(3, 4), (1, 2)], ids[1]: [(2, 4), (0, 0)], ids[2]: [(1, 4)]}
    table = variance(groups, entries(groups, {}), samples, mode="sampled").set_index("component")
    assert list(table.index) == list(COMPONENTS)
    assert table["n_levels"].to_dict() == {"group": 2, "term": 3, "template": 1, "prompt": 3, "sample": 4}
    # Prompts do not differ beyond their samples, so that all rows of a group are samples of one rate.
    assert table.loc["sample", "variance"] == pytest.approx(np.var([0.75, 0.5, 0.5], ddof=1))
    assert table.loc["group", "sd_points"] == pytest.approx(100 * np.sqrt(table.loc["group", "variance"]))
    assert table.loc["term", "note"] == "not to be told apart from prompt"


def test_a_prompt_of_two_groups_counts_in_each_and_the_table_says_so() -> None:
    prompts = prompt_set(row("she", "f", "m"), row("her", "f"), row("he", "m"))
    groups = groups_in(prompts, "category")
    samples = {prompt: [(3, 4)] for group in groups for prompt in group.prompts}
    table = variance(groups, entries(groups, {}), samples, mode="greedy")
    assert table["n_levels"].tolist() == [2, 2, 1, 4, 4]
    assert all("prompts in several groups count in each: 1 more" in note for note in table["note"])


def test_more_templates_than_can_be_fitted_soon_are_left_out_by_name() -> None:
    layout = crossed(2, 2, MOST_BLOCKS + 1)
    rates = np.random.default_rng(1).normal(0.7, 0.1, len(layout))
    found = {one.name: one for one in variance_components(rates, np.arange(len(layout)), layout)}
    assert found["template"].variance is None
    assert "more than 300 templates" in found["template"].note
    assert found["term"].variance is not None
