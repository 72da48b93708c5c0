"""Tables of what may be claimed, from counts that are hard to compare: an answer or a note."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from specgap.blocks import Statistics
from specgap.errors import TableError
from specgap.prompts import PromptSet
from specgap.simulate import GROUPING, World
from specgap.stats.power import noncentrality
from specgap.tables.acceptance import acceptance
from specgap.tables.comparison import Comparison, compare
from specgap.tables.counts import Counts
from specgap.tables.csv import read_table
from specgap.tables.differences import group_differences
from specgap.tables.from_state import cell_counts
from specgap.tables.gap_test import gap_null, gap_test, power_table
from specgap.tables.intervals import QUANTITIES, intervals
from specgap.tables.layout import SAME_AS_STRATA, entries
from specgap.tables.membership import groups_in
from specgap.tables.names import inference_table_names
from specgap.tables.power import power_report
from specgap.tables.terms import terms
from specgap.tables.write_inference import Compared, write_inference_tables
from tests.support.records import prompt_set, row

SMALL = World(terms=(("a", 4), ("b", 3), ("c", 1)), templates=3, term_sd=0.3)
STATISTICS = Statistics(permutations=199)


def counted(accepted: int, rejected: int) -> Counts:
    return Counts(rounds=3, emitted=accepted + 3, accepted=accepted, rejected=rejected)


def comparison(prompts: PromptSet, counts: Mapping[int, Counts], grouping: str = GROUPING) -> Comparison:
    groups = groups_in(prompts, grouping)
    found = entries(groups, counts)
    return compare(grouping, groups, found, mode="sampled", permutations=199, seed=1, small_gap=5.0)


def tables(test: Comparison) -> dict[str, pd.DataFrame]:
    groups = test.groups
    return {
        "gap_test": gap_test(test),
        "gap_null": gap_null(test),
        "power": power_table(test),
        "intervals": intervals(groups, test.entries, mode="sampled"),
        "terms": terms(groups, test.entries, mode="sampled"),
    }


def crossed(*, term: bool = True, template: bool = True) -> PromptSet:
    """Three groups of three terms in two templates."""
    rows = [
        row(
            f"{group} {t} {i}",
            group,
            term=f"{group}{t}" if term else None,
            template=f"template {i}" if template else None,
        )
        for group in "abc"
        for t in range(3)
        for i in range(2)
    ]
    return prompt_set(*rows)


def varied(prompts: PromptSet) -> dict[int, Counts]:
    return {prompt: counted(5 + at % 4, 1 + at % 3) for at, prompt in enumerate(prompts.distinct)}


def test_every_table_of_a_study_is_written_under_its_name(tmp_path: Path) -> None:
    shared = Compared(SMALL.prompts, STATISTICS, 1, {})
    written = write_inference_tables(
        tmp_path, counts=cell_counts(SMALL.state(1)), study=shared, mode="sampled"
    )
    assert [path.name for path in written] == inference_table_names([GROUPING])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in written)
    for path in written:
        if path.suffix == ".csv":
            read_table(path)


def test_the_same_study_gives_the_same_bytes(tmp_path: Path) -> None:
    shared = Compared(SMALL.prompts, STATISTICS, 1, {})
    for name in "ab":
        write_inference_tables(
            tmp_path / name, counts=cell_counts(SMALL.state(1)), study=shared, mode="sampled"
        )
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_a_planted_difference_is_claimed_with_its_interval_on_the_right_side() -> None:
    world = World(terms=(("a", 6), ("b", 6), ("c", 6))).lowered("b", 30.0)
    test = comparison(world.prompts, world.counts(2))
    [found] = gap_test(test).to_dict("records")
    assert (found["verdict"], found["group_b"]) == ("significant", "b")
    assert 0 < found["simultaneous_low_pp"] < found["gap_pp"] < found["simultaneous_high_pp"]
    assert found["claim"].startswith("Does the draft serve the 3 groups of category equally? No: ")
    pairs = group_differences(test.groups, [counted(1, 1)] * 3, test.gaps, mode="sampled")
    claims = {frozenset((p["group_a"], p["group_b"])): p["claim"] for p in pairs.to_dict("records")}
    assert claims[frozenset("ab")] == claims[frozenset("bc")] == "different"
    assert claims[frozenset("ac")] == "not distinguishable"


def test_contrasts_are_oriented_as_the_rates_of_their_row() -> None:
    world = World(terms=(("a", 6), ("b", 6), ("c", 6))).lowered("b", 30.0)
    counts = world.counts(2)
    test = comparison(world.prompts, counts)
    totals = [sum((counts[p] for p in group.prompts), Counts()) for group in test.groups]
    for pair in group_differences(test.groups, totals, test.gaps, mode="sampled").to_dict("records"):
        assert pair["contrast_pp"] == pytest.approx(pair["difference_pp"], abs=2)
        assert pair["simultaneous_low_pp"] < pair["contrast_pp"] < pair["simultaneous_high_pp"]


@pytest.mark.parametrize(
    ("prompts", "counts", "reason"),
    [
        (prompt_set(row("x", "a"), row("y", "a", term="other")), (3, 1), "fewer than two groups"),
        (prompt_set(row("x", "a"), row("y", "b")), (3, 1), "one unit per group"),
        (crossed(), (4, 0), "no spread between units"),
        (crossed(), (0, 4), "no spread between units"),
        (crossed(), (0, 0), "fewer than two groups with judged tokens"),
    ],
)
def test_what_cannot_be_compared_is_said_in_every_table(
    prompts: PromptSet, counts: tuple[int, int], reason: str
) -> None:
    made = tables(comparison(prompts, {prompt: counted(*counts) for prompt in prompts.distinct}))
    [found] = made["gap_test"].to_dict("records")
    assert found["verdict"] == "not estimable"
    assert reason in found["claim"]
    assert reason in found["note"]
    assert made["gap_null"].empty
    assert made["power"].empty
    assert len(made["intervals"]) == 2 * len(QUANTITIES) * len(groups_in(prompts, GROUPING))


def test_every_rate_of_acceptance_has_intervals_around_the_same_number() -> None:
    prompts = crossed()
    made = varied(prompts).items()
    counts = {prompt: replace(n, cut=at % 3, discarded=at % 5) for at, (prompt, n) in enumerate(made)}
    groups = groups_in(prompts, GROUPING)
    wide = acceptance(counts, groups, mode="sampled").set_index("group")
    table = intervals(groups, entries(groups, counts), mode="sampled")
    pooled = table[table["weight"] == "pooled"]
    assert {"gamma_mean", "share_cut"} < set(QUANTITIES) <= set(wide.columns)
    for row_ in pooled.to_dict("records"):
        assert row_["value"] == pytest.approx(wide.loc[row_["group"], row_["quantity"]], nan_ok=True)
        if row_["quantity"] in ("acceptance_rate", "gamma_mean", "share_cut"):
            assert row_["like_low"] < row_["value"] < row_["like_high"]
            assert row_["these_low"] < row_["value"] < row_["these_high"]


def test_a_group_without_any_judged_token_is_left_out_and_the_others_compared() -> None:
    prompts = crossed()
    counts = {p: c for p, c in varied(prompts).items() if not prompts.texts[p].startswith("c")}
    made = tables(comparison(prompts, counts))
    assert made["gap_test"]["n_pairs"].tolist() == [1]
    empty = made["intervals"][made["intervals"]["group"] == "c"]
    assert empty["value"].isna().all()
    assert empty["note"].str.contains("nothing to divide by").all()


def test_without_templates_there_is_no_block_and_an_answer() -> None:
    prompts = crossed(template=False)
    test = comparison(prompts, varied(prompts))
    assert test.entries.layout.block is None
    assert test.gaps is not None
    assert intervals(test.groups, test.entries, mode="sampled")["these_low"].notna().any()


def test_groups_that_are_strata_themselves_are_compared_without_strata() -> None:
    rows = [
        replace(row(f"{number} {t} {i}", number, term=f"{number}{t}", template=f"{i}"), stratum=number)
        for number in ("one", "many")
        for t in range(3)
        for i in range(2)
    ]
    prompts = prompt_set(*rows)
    test = comparison(prompts, varied(prompts))
    assert test.gaps is not None
    assert SAME_AS_STRATA in gap_test(test)["note"].iloc[0]


def test_the_null_is_all_permuted_worlds_and_power_marks_the_study(tmp_path: Path) -> None:
    test = comparison(SMALL.prompts, SMALL.counts(4))
    null = gap_null(test)
    assert null.groupby("scale")["count"].sum().to_dict() == {"points": 199, "standard_errors": 199}
    power = power_table(test)
    assert power.loc[power["now"].astype(bool), "n_terms"].tolist() == [3]
    assert power["power_80_pp"].dropna().is_monotonic_decreasing
    shared = Compared(SMALL.prompts, STATISTICS, 1, {})
    write_inference_tables(tmp_path, counts=cell_counts(SMALL.state(4)), study=shared, mode="sampled")
    said = list(power_report(tmp_path, [3.0]))
    assert "3 groups, 8 terms, median 3 per group" in said[0]
    assert said[-1].startswith("A gap of 3 points needs ")


def test_power_is_told_for_groups_of_unequal_sizes_and_for_the_pairs_as_they_are(tmp_path: Path) -> None:
    shared = Compared(SMALL.prompts, STATISTICS, 1, {})
    write_inference_tables(tmp_path, counts=cell_counts(SMALL.state(4)), study=shared, mode="sampled")
    [found] = read_table(tmp_path / "gap_test.csv").to_dict("records")
    pairs = read_table(tmp_path / "group_differences.csv").sort_values("detectable_pp")
    said = " ".join(power_report(tmp_path, [], sizes=(3, 1)))
    alone = 100 * noncentrality(3, found["df"]) * found["unit_sd_pp"] / 100 * math.sqrt(1 / 3 + 1)
    assert f"a group of 3 and one of 1, in a study of so many terms: {alone:.1f} points" in said
    least, most = pairs.iloc[0], pairs.iloc[-1]
    assert f"from {least['detectable_pp']:.1f} points ({least['group_a']}, {least['group_b']})" in said
    assert f"to {most['detectable_pp']:.1f} ({most['group_a']}, {most['group_b']})." in said
    assert alone == pytest.approx(pairs[pairs["n_terms_b"] + pairs["n_terms_a"] == 4]["detectable_pp"].item())
    with pytest.raises(TableError, match="--sizes 0 3: wanted two numbers of at least 1"):
        list(power_report(tmp_path, [], sizes=(0, 3)))


def test_the_largest_gap_is_named_though_another_one_is_more_than_chance() -> None:
    lower = (("b", 0.08), ("c", 0.14))
    lowered = World(terms=(("a", 12), ("b", 12), ("c", 1)), term_sd=0.2, lower=lower)
    for seed in range(20):
        test = comparison(lowered.prompts, lowered.counts(seed))
        found = gap_test(test).iloc[0]
        if found["different_pp"] is not None and found["different_pp"] != found["gap_pp"]:
            break
    assert test.gaps is not None
    assert {found["group_a"], found["group_b"]} == {"a", "c"}
    assert found["gap_pp"] == pytest.approx(100 * np.abs(test.gaps.contrast).max())
    assert found["p_adjusted"] >= 0.05
    assert (found["different_a"], found["different_b"]) == ("a", "b")
    assert found["different_p_adjusted"] < 0.05
    assert found["pair_detectable_pp"] > 2 * found["detectable_pp"]
    assert "a is" in found["claim"]
    assert f"the largest of all, a {found['gap_pp']:.1f} points above c, where c rests on" in found["claim"]
    null = gap_null(test).set_index("scale")
    for scale, other, observed in (("points", "c", found["gap_pp"]), ("standard_errors", "b", None)):
        pair = null.loc[scale].iloc[0]
        assert (pair["group_a"], pair["group_b"]) == ("a", other)
        assert pair["observed"] == pytest.approx(observed or test.gaps.statistic.max())


def test_every_pair_has_the_gap_that_it_could_have_shown() -> None:
    world = World(terms=(("a", 12), ("b", 12), ("c", 2)), term_sd=0.2)
    test = comparison(world.prompts, world.counts(1))
    pairs = group_differences(test.groups, [counted(1, 1)] * 3, test.gaps, mode="sampled")
    least = {frozenset((p.group_a, p.group_b)): p.detectable_pp for p in pairs.itertuples()}
    assert test.spread is not None
    assert test.gaps is not None
    scale = noncentrality(3, test.gaps.freedom) * math.sqrt(test.spread.variance)
    assert least[frozenset("ab")] == pytest.approx(100 * scale * math.sqrt(1 / 12 + 1 / 12))
    assert least[frozenset("ac")] == pytest.approx(100 * scale * math.sqrt(1 / 12 + 1 / 2))
    [found] = gap_test(test).to_dict("records")
    assert found["pair_detectable_pp"] == least[frozenset((found["group_a"], found["group_b"]))]


def test_few_units_can_have_no_small_p_and_it_is_said() -> None:
    world = World(terms=(("a", 3), ("b", 3)), prompt_sd=0.1, lower=(("b", 0.3),))
    [found] = gap_test(comparison(world.prompts, world.counts(1))).to_dict("records")
    assert found["least_p"] == pytest.approx(0.1)
    assert found["verdict"] == "underpowered"


def test_units_with_nothing_judged_lend_no_power() -> None:
    world = World(terms=(("a", 10), ("b", 10)), term_sd=0.2)
    kept = {row.prompt for row in world.prompts.rows if row.term in ("term 0", "term 1", "term 2")}
    counts = {prompt: n for prompt, n in world.counts(1).items() if prompt in kept}
    [found] = gap_test(comparison(world.prompts, counts)).to_dict("records")
    assert (found["median_units"], found["n_units"], found["df"]) == (3, 6, 4)


def test_groups_that_no_other_is_compared_with_are_named() -> None:
    prompts = crossed()
    counts = {p: n for p, n in varied(prompts).items() if not prompts.texts[p].startswith("c")}
    [found] = gap_test(comparison(prompts, counts)).to_dict("records")
    assert (found["n_groups"], found["n_groups_compared"]) == (3, 2)
    assert "compared with none: c" in found["note"]
    assert "2 of the 3 groups" in found["claim"]


def test_terms_of_several_groups_and_prompts_without_one_are_noted() -> None:
    rows = [row(f"{g} {t}", g, term=f"term {t}") for g in "ab" for t in range(3)]
    rows += [row(f"more {n}", "b", term=None) for n in range(2)]
    prompts = prompt_set(*rows)
    [found] = gap_test(comparison(prompts, varied(prompts))).to_dict("records")
    assert "terms in several groups are units in each: 3" in found["note"]
    assert "prompts without a term are units of their own: 2" in found["note"]


def test_a_contrast_of_the_other_sign_than_the_pooled_difference_is_noted() -> None:
    rows = [
        replace(row(f"{group} {number} {t}", group, term=f"{group}{number}{t}"), stratum=number)
        for group, sizes in (("a", {"one": 6, "many": 2}), ("b", {"one": 2, "many": 6}))
        for number, n in sizes.items()
        for t in range(n)
    ]
    prompts = prompt_set(*rows)
    # Singular prompts are easy; within either number group b is better.
    counts = {
        one.prompt: counted(
            (160 if one.stratum == "one" else 80) + 10 * ("b" in one.groups[GROUPING]) + at % 3, 40
        )
        for at, one in enumerate(prompts.rows)
    }
    test = comparison(prompts, counts)
    totals = [sum((counts[p] for p in group.prompts), Counts()) for group in test.groups]
    [pair] = group_differences(test.groups, totals, test.gaps, mode="sampled").to_dict("records")
    assert (pair["group_a"], pair["difference_pp"] > 0, pair["contrast_pp"] < 0) == ("a", True, True)
    assert "within strata the other way round" in pair["note"]
    assert "above a within strata" in gap_test(test)["claim"].iloc[0]
