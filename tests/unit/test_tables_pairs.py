"""Tables over pairs, from counts that can be added up by hand."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from specgap.prompts import PromptSet
from specgap.settings import Model, Pair
from specgap.stats.paired import NO_SPREAD_OUTER, NOT_BOTH
from specgap.tables.counts import Counts
from specgap.tables.csv import read_table
from specgap.tables.intervals import intervals
from specgap.tables.layout import entries
from specgap.tables.membership import groups_in
from specgap.tables.names import pairs_table_names
from specgap.tables.pairs import FEW_UNITS, NO_OTHER_PROMPTS, NOTHING_JUDGED, Counted, by_target
from specgap.tables.write_pairs import write_pairs_tables
from tests.support.records import prompt_set, row

pytestmark = pytest.mark.slow

#: Two groups, of three terms and of two, with a prompt each.
PROMPTS = prompt_set(
    *(row(f"f{number}", "f", term=f"f{number}", template=None) for number in range(3)),
    *(row(f"m{number}", "m", term=f"m{number}", template=None) for number in range(2)),
)
#: Accepted of ten judged tokens, prompt by prompt.
SMALL, LARGE, OTHER = (6, 5, 7, 4, 5), (8, 8, 8, 5, 5), (9, 9, 9, 9, 9)


def models(target: str, draft: str) -> Pair:
    return Pair(target=Model(source=target), draft=Model(source=draft))


def counted(name: str, accepted: tuple[int, ...], target: str = "big", of: int = 10) -> Counted:
    counts = {
        prompt: Counts(rounds=2, emitted=a + 2, accepted=a, rejected=of - a)
        for prompt, a in zip(PROMPTS.distinct, accepted, strict=True)
        if a >= 0
    }
    return Counted(name, models(target, name), counts)


PAIRS = (counted("small", SMALL), counted("other", OTHER, "huge"), counted("large", LARGE))


def written(
    folder: Path, *pairs: Counted, prompts: PromptSet = PROMPTS
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    paths = write_pairs_tables(folder, pairs=pairs, prompts=prompts, mode="sampled")
    assert [path.name for path in paths] == pairs_table_names()
    tables = [read_table(folder / f"{name}.csv") for name in ("pairs_overview", "pair_differences")]
    return tables[0], tables[1].to_dict("records")


def test_every_pair_stands_in_every_group_with_what_it_accepted(tmp_path: Path) -> None:
    overview, _ = written(tmp_path, *PAIRS)
    assert list(overview["group"]) == ["f"] * 3 + ["m"] * 3 + ["all prompts"] * 3
    assert list(overview["pair"]) == ["small", "other", "large"] * 3
    assert list(overview["target"][:3]) == ["big", "huge", "big"]
    assert list(overview["acceptance_rate"]) == [18 / 30, 0.9, 0.8, 9 / 20, 0.9, 0.5, 27 / 50, 0.9, 34 / 50]
    assert list(overview["block_efficiency"][:3]) == [24 / 6, 33 / 6, 30 / 6]
    assert set(overview["n_judged"]) == {30, 20, 50}
    assert list(overview["grouping"]) == ["category"] * 6 + ["overall"] * 3


def test_the_rates_and_intervals_are_those_of_each_pairs_own_table(tmp_path: Path) -> None:
    overview, _ = written(tmp_path, *PAIRS)
    groups = groups_in(PROMPTS, "category")
    for pair in PAIRS:
        own = intervals(groups, entries(groups, pair.counts), mode="sampled")
        own = own[own["quantity"] == "acceptance_rate"]
        pooled, means = (own[own["weight"] == weight] for weight in ("pooled", "prompt_mean"))
        rows = overview[(overview["pair"] == pair.name) & (overview["grouping"] == "category")]
        assert list(rows["acceptance_rate"]) == list(pooled["value"])
        assert list(rows["acceptance_rate_prompt_mean"]) == list(means["value"])
        for end in ("these_low", "these_high", "like_low", "like_high"):
            assert list(rows[end]) == list(pooled[end])


def test_drafts_of_one_target_are_compared_prompt_by_prompt(tmp_path: Path) -> None:
    _, rows = written(tmp_path, *PAIRS)
    assert [(row["pair_a"], row["pair_b"], row["group"]) for row in rows] == [
        ("small", "large", group) for group in ("f", "m", "all prompts")
    ]
    of_f, of_m, everyone = rows
    # By prompt −2, −3, −1 of 10: residuals of the sums are 0, −1, 1 of 30, so SE² = 3/2 · 2/30².
    assert of_f["difference_pp"] == pytest.approx(-20)
    half = 4.302652729911275 * 100 * (3 / 2 * 2 / 900) ** 0.5
    assert (of_f["like_low_pp"], of_f["like_high_pp"]) == pytest.approx((-20 - half, -20 + half))
    assert of_m["difference_pp"] == pytest.approx(-5)
    assert everyone["difference_pp"] == pytest.approx(-14)
    assert of_f["change_vs_others_pp"] == pytest.approx(-15)
    assert of_m["change_vs_others_pp"] == pytest.approx(15)
    # Two terms have no spread of their own, so that the group of three is all of the family.
    assert of_f["p_adjusted"] == pytest.approx(of_f["p"])
    assert pd.isna(of_m["p_adjusted"])
    assert FEW_UNITS in of_m["note"]
    assert pd.isna(everyone["p_adjusted"])
    assert FEW_UNITS not in everyone["note"]
    assert pd.isna(everyone["change_vs_others_pp"])


def test_pairs_in_another_order_have_the_same_differences_with_other_signs(tmp_path: Path) -> None:
    _, one = written(tmp_path / "a", *PAIRS)
    _, other = written(tmp_path / "b", *reversed(PAIRS))
    for found, turned in zip(one, other, strict=True):
        assert turned["difference_pp"] == pytest.approx(-found["difference_pp"])
        assert turned["like_low_pp"] == pytest.approx(-found["like_high_pp"])
        assert turned["p"] == pytest.approx(found["p"])


def test_holm_adjusts_over_all_comparisons_of_one_target(tmp_path: Path) -> None:
    three = (*PAIRS, counted("third", (1, 3, 2, 9, 8)))
    rows = [row for row in written(tmp_path, *three)[1] if row["grouping"] == "category"]
    assert len(rows) == 6
    least = min((row for row in rows if row["group"] == "f"), key=lambda row: row["p"])
    assert least["p_adjusted"] == pytest.approx(min(1, 3 * least["p"]))


def test_a_prompt_judged_under_one_pair_only_is_left_out_and_counted(tmp_path: Path) -> None:
    fewer = counted("fewer", (-1, 8, 8, 5, 5))
    _, (of_f, *_) = written(tmp_path, PAIRS[0], fewer)
    assert of_f["difference_pp"] == pytest.approx(100 * (12 / 20 - 16 / 20))
    assert (of_f["n_prompts"], of_f["n_prompts_left_out"]) == (2, 1)
    assert "prompts judged under one pair only, left out: 1" in of_f["note"]


def test_a_pair_with_nothing_judged_has_a_note_in_place_of_every_number(tmp_path: Path) -> None:
    overview, rows = written(tmp_path, PAIRS[0], Counted("none", models("big", "none"), {}))
    empty = overview[overview["pair"] == "none"]
    assert empty["acceptance_rate"].isna().all()
    assert empty["note"].str.contains(NOTHING_JUDGED).all()
    for found in rows:
        assert pd.isna(found["difference_pp"])
        assert NOT_BOTH in found["note"]


def test_equal_drafts_differ_by_nothing_and_have_no_interval(tmp_path: Path) -> None:
    _, rows = written(tmp_path, PAIRS[0], counted("twin", SMALL))
    for found in rows:
        assert found["difference_pp"] == 0
        assert pd.isna(found["p"])
        assert NO_SPREAD_OUTER in found["note"]


def test_a_study_of_one_group_has_no_others_and_says_so(tmp_path: Path) -> None:
    alone = prompt_set(*PROMPTS.rows[:3])
    _, (of_f, everyone) = written(tmp_path, PAIRS[0], PAIRS[2], prompts=alone)
    assert NO_OTHER_PROMPTS in of_f["note"]
    assert NO_OTHER_PROMPTS not in everyone["note"]


def test_targets_are_one_where_all_their_settings_are_and_keep_apart_otherwise() -> None:
    revised = Pair(target=Model(source="big", revision="v2"), draft=Model(source="x"))
    pairs = {pair.name: pair.models for pair in PAIRS} | {"revised": revised}
    assert by_target(pairs) == {"big (1)": ["small", "large"], "huge": ["other"], "big (2)": ["revised"]}


def test_without_a_shared_target_there_is_a_table_of_no_rows(tmp_path: Path) -> None:
    assert written(tmp_path, PAIRS[0], PAIRS[1])[1] == []
