"""acceptance.csv, acceptance_by_position.csv and group_differences.csv on traces one can count by eye."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from specgap.config import OVERALL
from specgap.stats.ratio import logit_interval, ratio_of
from specgap.tables.acceptance import Mode, acceptance
from specgap.tables.counts import Counts, total
from specgap.tables.differences import group_differences
from specgap.tables.membership import PROMPTS_AS_UNITS, groups_in
from specgap.tables.positions import acceptance_by_position
from specgap.tables.prompts import prompts_by_group
from tests.support.records import Trace, prompt_set, row, trace
from tests.support.slow_counts import slow_counts, slow_positions

ONE = prompt_set(row("she", "female"))


def rates(text: str, *, mode: Mode = "sampled") -> pd.Series:
    return acceptance(slow_counts(trace(text, prompt="she")), groups_in(ONE, "category"), mode=mode).iloc[0]


def test_discarded_tokens_leave_the_acceptance_rate_alone() -> None:
    assert rates("AAR")["acceptance_rate"] == rates("AARDDDD")["acceptance_rate"] == 2 / 3


def test_discarded_tokens_lower_the_draft_acceptance_rate() -> None:
    assert rates("AARDDD")["draft_acceptance_rate"] == 2 / 6


def test_block_efficiency_counts_the_token_of_the_target() -> None:
    assert rates("AAR AA")["block_efficiency"] == 6 / 2


def test_the_modelled_speed_up_weighs_drafts_by_their_cost() -> None:
    table = acceptance(
        slow_counts(trace("AAR AA", prompt="she")), groups_in(ONE, "category"), mode="sampled", cost_ratio=0.5
    )
    # 6 tokens in 2 rounds of 5 drafted: block efficiency 3, 2.5 drafted a round.
    assert table["modelled_speed_up"].tolist() == [pytest.approx(3 / (2.5 * 0.5 + 1))]
    assert table["cost_ratio"].tolist() == [0.5]


def test_without_a_cost_ratio_there_is_no_speed_up_and_a_note() -> None:
    result = rates("AAR")
    assert result["modelled_speed_up"] is None
    assert result["gamma_mean"] == 3
    assert "no cost ratio given" in result["note"]


def test_where_discarded_tokens_are_unknown_what_needs_them_is_empty_and_noted() -> None:
    counts = slow_counts(trace("AAR AA", prompt="she"))
    whole, unknown = (
        acceptance(
            counts, groups_in(ONE, "category"), mode="sampled", discarded=discarded, cost_ratio=0.5
        ).iloc[0]
        for discarded in ("counted", "unknown")
    )
    needing = ["n_drafted", "n_discarded", "draft_acceptance_rate", "gamma_mean", "modelled_speed_up"]
    assert unknown[needing].isna().all()
    assert unknown["note"] == f"{whole['note']}; discarded tokens not collected (tails: none)"
    others = [name for name in whole.index if name not in (*needing, "note")]
    assert unknown[others].equals(whole[others])


def test_a_round_without_a_draft_counts_as_a_round() -> None:
    row_ = rates("AA -!")
    assert (row_["n_rounds"], row_["gamma_mean"], row_["share_cut"]) == (2, 1.0, 0.5)


def test_samples_of_a_prompt_are_summed_before_the_mean_over_prompts() -> None:
    prompts = prompt_set(row("she", "female"), row("her", "female"))
    traces = trace("AAA", prompt="she") + trace("R", prompt="she", sample=1) + trace("R", prompt="her")
    [mean] = acceptance(slow_counts(traces), groups_in(prompts, "category"), mode="sampled")[
        "acceptance_rate_prompt_mean"
    ]
    assert mean == (3 / 4 + 0) / 2


def test_a_prompt_with_nothing_judged_is_counted_and_left_out_of_the_mean() -> None:
    prompts = prompt_set(row("she", "female"), row("her", "female"), row("hers", "female"))
    traces = trace("AR", prompt="she") + trace("- -!", prompt="her")
    result = acceptance(slow_counts(traces), groups_in(prompts, "category"), mode="sampled").iloc[0]
    assert (result["n_prompts"], result["n_prompts_unjudged"]) == (3, 2)
    assert result["acceptance_rate_prompt_mean"] == 0.5


def test_a_text_in_two_groups_is_counted_in_both_and_once_in_all() -> None:
    prompts = prompt_set(row("they", "female", "male"), row("he", "male"))
    counts = slow_counts(trace("AR", prompt="they") + trace("A", prompt="he"))
    by_group = acceptance(counts, groups_in(prompts, "category"), mode="sampled")
    assert by_group["n_judged"].tolist() == [2, 3]
    assert acceptance(counts, groups_in(prompts, OVERALL), mode="sampled")["n_judged"].tolist() == [3]


def test_a_text_twice_in_a_group_is_counted_once_and_its_first_row_wins() -> None:
    prompts = prompt_set(
        row("she", "female", term="a"), row("she", "female", term="b"), row("her", "female", term="b")
    )
    counts = slow_counts(trace("AR", prompt="she"))
    result = acceptance(counts, groups_in(prompts, "category"), mode="sampled").iloc[0]
    assert (result["n_prompts"], result["n_judged"]) == (2, 2)
    assert groups_in(prompts, "category")[0].rows[prompts.distinct[0]].term == "a"


def test_a_group_with_nothing_judged_has_empty_rates_and_a_note() -> None:
    result = rates("-")
    assert result["acceptance_rate"] is None
    assert result["acceptance_rate_prompt_mean"] is None
    assert result["surer_rate"] is None
    assert result["overlap"] is None
    assert "nothing drafted; nothing judged" in result["note"]


def test_a_group_that_was_not_traced_says_so() -> None:
    result = acceptance({}, groups_in(ONE, "category"), mode="sampled").iloc[0]
    assert result["block_efficiency"] is None
    assert "no rounds; nothing judged" in result["note"]


@pytest.mark.parametrize(("text", "rate"), [("AAA", 1.0), ("R R", 0.0)])
def test_all_or_nothing_accepted_is_an_answer(text: str, rate: float) -> None:
    assert rates(text)["acceptance_rate"] == rate


def test_overlap_under_greedy_decoding_has_a_note() -> None:
    assert "not the acceptance probability" in rates("AR", mode="greedy")["note"]
    assert "not the acceptance probability" not in rates("AR")["note"]


def test_overlap_that_was_not_recorded_is_empty_with_a_note() -> None:
    counts = slow_counts(trace("AR", prompt="she").with_values(overlap=math.nan))
    result = acceptance(counts, groups_in(ONE, "category"), mode="sampled").iloc[0]
    assert result["overlap"] is None
    assert "overlap not recorded" in result["note"]


def test_a_surer_draft_is_judged_tokens_with_q_above_p() -> None:
    # R has p = .125 and q = .5, A has p = .75 and q = .5, D is never judged.
    result = rates("AARD")
    assert (result["n_surer_accepted"], result["n_surer_rejected"], result["surer_rate"]) == (0, 1, 1 / 3)
    assert result["severity"] == (1 - 0.125 / 0.5) / 3


@pytest.mark.parametrize(
    ("terms", "note"),
    [
        (("a",), "one identity term"),
        (("a", "b"), "few terms"),
        (("a", "b", "c"), ""),
        ((None,), PROMPTS_AS_UNITS),
    ],
)
def test_the_note_says_how_few_terms_a_group_rests_on(terms: tuple[str | None, ...], note: str) -> None:
    prompts = prompt_set(*(row(f"prompt {n}", "g", term=term) for n, term in enumerate(terms)))
    traces = trace("AR", prompt="prompt 0")
    table = acceptance(slow_counts(traces), groups_in(prompts, "category"), mode="sampled", cost_ratio=0.1)
    assert table["note"].tolist() == [note]


def test_a_pilot_says_so_in_column_and_note() -> None:
    prompts = prompt_set(row("she", "female"), pilot=5)
    result = acceptance({}, groups_in(prompts, "category"), mode="sampled").iloc[0]
    assert result["pilot"] == 5
    assert "pilot of 5 prompts per group" in result["note"]


def test_conditional_acceptance_divides_by_judged_and_survival_by_rounds() -> None:
    whole = trace("AAR AR -", prompt="she")
    table = acceptance_by_position(
        slow_positions(whole), slow_counts(whole), groups_in(ONE, "category"), mode="sampled"
    )
    assert table["position"].tolist() == [1, 2, 3]
    assert table["conditional_acceptance"].tolist() == [2 / 2, 1 / 2, 0 / 1]
    assert table["survival"].tolist() == [2 / 3, 1 / 3, 0]


def test_survival_has_the_interval_of_a_ratio_over_terms() -> None:
    texts = {"a": "AAR AR -", "b": "AAA R", "c": "AR AR AAR", "d": "R"}
    whole = sum((trace(text, prompt=term) for term, text in texts.items()), Trace())
    prompts = prompt_set(*(row(term, "g", term=term) for term in texts))
    counts = slow_counts(whole)
    groups = groups_in(prompts, "category")
    table = acceptance_by_position(slow_positions(whole), counts, groups, mode="sampled")
    rounds = np.array([counts[prompt].rounds for prompt in prompts.distinct], dtype=float)
    # Rounds with two tokens accepted.
    second = ratio_of(np.array([1.0, 1.0, 1.0, 0.0]), rounds)
    found = table.set_index("position").loc[2]
    assert (found["survival"], found["n_rounds"]) == (3 / 9, 9)
    assert (found["survival_low"], found["survival_high"]) == pytest.approx(logit_interval(second))


def differences(by_group: Mapping[str, str], **terms: int) -> pd.DataFrame:
    rows = [
        row(f"{group} {n}", group, term=f"term {n}") for group in by_group for n in range(terms.get(group, 3))
    ]
    prompts = prompt_set(*rows)
    counts: dict[int, Counts] = {}
    for group, text in by_group.items():
        counts |= slow_counts(trace(text, prompt=f"{group} 0"))
    groups = groups_in(prompts, "category")
    totals = [total(counts[p] for p in group.prompts if p in counts) for group in groups]
    return group_differences(groups, totals, None, mode="sampled")


def test_pairs_are_sorted_by_difference_and_the_higher_rate_comes_first() -> None:
    table = differences({"low": "R", "high": "A", "middle": "AR"})
    assert table["group_a"].tolist() == ["high", "middle", "high"]
    assert table["group_b"].tolist() == ["low", "low", "middle"]
    assert table["difference"].tolist() == [1.0, 0.5, 0.5]


def test_odds_ratio_and_ratio_come_from_counts() -> None:
    [pair] = differences({"a": "AAAR", "b": "AR"}).to_dict("records")
    assert (pair["odds_ratio"], pair["ratio"], pair["difference_pp"]) == (3.0, 1.5, 25.0)


def test_degenerate_rates_leave_the_ratios_empty_with_a_note() -> None:
    [pair] = differences({"a": "AAA", "b": "R"}).to_dict("records")
    assert (pair["odds_ratio"], pair["ratio"], pair["difference"]) == (None, None, 1.0)
    assert "all accepted (a)" in pair["note"]
    assert "none accepted (b)" in pair["note"]


def test_a_pair_with_nothing_judged_comes_last_and_is_empty() -> None:
    table = differences({"a": "-", "b": "AR", "c": "AAR"})
    last = table.iloc[-1]
    assert table["difference"].tolist()[0] == pytest.approx(1 / 6)
    assert last["difference"] is None
    assert "nothing judged (a)" in last["note"]


def test_one_term_groups_are_marked_and_make_no_headline() -> None:
    [pair] = differences({"a": "AR", "b": "R"}, b=1).to_dict("records")
    assert pair["note"].startswith("one identity term (b)")
    assert not pair["headline"]
    assert differences({"a": "AR", "b": "R"})["headline"].tolist() == [True]


def test_without_a_test_no_pair_has_a_claim() -> None:
    assert set(differences({"a": "AR", "b": "R", "c": "A"})["claim"]) == {"not estimable"}


def test_one_group_alone_has_no_differences() -> None:
    assert differences({"a": "AR"}).empty


def test_prompts_are_counted_with_their_duplicates_and_shared_texts() -> None:
    prompts = prompt_set(row("they", "a", "b"), row("they", "a", term="other"), row("he", "b", template="t2"))
    table = prompts_by_group(prompts).set_index("group")
    assert table["n_prompts"].to_dict() == {"a": 1, "b": 2, "all prompts": 2}
    assert table["n_duplicates"].to_dict() == {"a": 1, "b": 0, "all prompts": 1}
    assert table["n_templates"].to_dict() == {"a": 1, "b": 2, "all prompts": 2}
    assert table.loc["a", "note"] == "one identity term; prompts in another group too: 1"
