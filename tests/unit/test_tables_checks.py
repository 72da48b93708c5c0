"""Ratios with prompts as clusters, replay beside real rounds, and measured times."""

import numpy as np
import pandas as pd
import pytest

from specgap.config import OVERALL
from specgap.errors import TableError
from specgap.prompts import PromptSet
from specgap.schema import PLAIN_TIMINGS
from specgap.stats.ratio import clustered_se, design_effect, log_interval, logit_interval, ratio_of
from specgap.tables.counts import Counts
from specgap.tables.cross_check import cross_check
from specgap.tables.membership import groups_in
from specgap.tables.speed import measured_speed_up
from tests.support.records import prompt_set, row
from tests.support.synthetic_settings import Fates, prompts_of, setting_of

pytestmark = pytest.mark.slow


def both(prompts: PromptSet) -> dict:
    return {name: groups_in(prompts, name) for name in ("category", OVERALL)}


# Clusters --------------------------------------------------------------------------------------------


def test_a_clustered_error_is_the_spread_of_residuals() -> None:
    rate = ratio_of([3, 1, 4], [4, 4, 8])
    residuals = np.array([3 - 2, 1 - 2, 4 - 4.0])
    assert rate.value == 0.5
    assert rate.se == pytest.approx(np.sqrt(3 / 2 * (residuals**2).sum()) / 16)
    assert clustered_se(np.array([0.1])) is None
    assert ratio_of([], []).value is None


def test_intervals_keep_their_level_where_tokens_of_a_prompt_are_alike() -> None:
    """75 prompts with a standard deviation of 0.8 on the logit (statistics.md, test 1)."""
    rng = np.random.default_rng(1)
    runs, truth = 600, 0.0
    easy = 1 / (1 + np.exp(-rng.normal(0.8, 0.8, 400_000)))
    truth = float(easy.mean())
    inside = tokens = 0
    for _ in range(runs):
        judged = rng.integers(20, 40, 75)
        rate = ratio_of(rng.binomial(judged, rng.choice(easy, 75)), judged)
        low, high = logit_interval(rate) or (0, 0)
        inside += low <= truth <= high
        naive = 1.96 * np.sqrt((rate.value or 0) * (1 - (rate.value or 0)) / rate.whole)
        tokens += abs((rate.value or 0) - truth) <= naive
    print(
        f"coverage {inside / runs:.3f}, wanted .92 to .98; of tokens taken as independent {tokens / runs:.3f}"
    )
    assert 0.92 <= inside / runs <= 0.98
    assert tokens / runs < 0.75


def test_an_interval_without_spread_is_not_a_point() -> None:
    low, high = logit_interval(ratio_of([10, 10], [10, 10]), effect=2.0) or (0, 0)
    assert high == 1
    assert 0.5 < low < 0.75, "Clopper and Pearson's with 10 tokens"
    assert logit_interval(ratio_of([5], [10])) is None


def test_a_design_effect_is_one_at_least_and_that_of_whole_clusters_where_prompts_are_all_or_nothing() -> (
    None
):
    alike = ratio_of([5, 5, 5, 5], [10] * 4)
    apart = ratio_of([10, 0, 10, 0], [10] * 4)
    assert design_effect([alike]) == 1
    assert design_effect([apart]) == pytest.approx(10 * 4 / 3)
    assert design_effect([ratio_of([0], [0])]) == 1


def test_an_interval_on_the_logarithm_is_symmetric_in_factors() -> None:
    ratio = ratio_of([4.0, 5.0, 7.0], [2.0, 3.0, 3.0])
    low, high = log_interval(ratio) or (0, 0)
    assert low * high == pytest.approx((ratio.value or 0) ** 2)


# Replay beside real rounds ---------------------------------------------------------------------------

PROMPTS = prompts_of({"a": (3, 6), "b": (2, 6)})
HEURISTIC = setting_of("heuristic-5")


def checked(*, mode: str = "sampled", seed: int = 1, every: int = 2, discarded: str = "full") -> pd.DataFrame:
    replayed = Fates(PROMPTS).counts(HEURISTIC, PROMPTS.distinct)
    real = Fates(PROMPTS, seed=seed).counts(HEURISTIC, PROMPTS.distinct[::every])
    return cross_check(replayed, real, both(PROMPTS), mode=mode, discarded=discarded)  # type: ignore[arg-type]


def test_both_rates_are_of_the_prompts_that_real_rounds_traced() -> None:
    table = checked()
    rates = table[table["quantity"] == "acceptance_rate"].set_index("group")
    assert rates["n_prompts"].to_dict() == {"a": 9, "b": 6, "all prompts": 15}
    replayed = Fates(PROMPTS).counts(HEURISTIC, PROMPTS.distinct)
    n = sum((replayed[prompt] for prompt in PROMPTS.distinct[::2]), Counts())
    assert rates.loc["all prompts", "replayed_value"] == n.accepted / n.judged
    for row_ in rates.to_dict("records"):
        assert row_["difference"] == pytest.approx(row_["replayed_value"] - row_["checked_value"])
        assert row_["z"] == pytest.approx(row_["difference"] / row_["difference_se"])
        assert row_["replayed_low"] < row_["replayed_value"] < row_["replayed_high"]
    assert table["quantity"].unique().tolist() == [
        "acceptance_rate",
        "block_efficiency",
        "draft_acceptance_rate",
    ]


def test_differences_in_standard_errors_are_what_chance_makes_them_and_bite_where_laws_differ() -> None:
    prompts = prompts_of({"a": (10, 6)})
    replayed = Fates(prompts, seed=1)
    one = replayed.counts(HEURISTIC, prompts.distinct)
    groups = {OVERALL: groups_in(prompts, OVERALL)}
    rng = np.random.default_rng(9)
    z, wrong = [], []
    for _ in range(200):
        # Fates of the same prompts drawn again, by the same law and by one that keeps less.
        again = {prompt: _redrawn(rng, n) for prompt, n in one.items()}
        less = {prompt: _redrawn(rng, n, kept=0.9) for prompt, n in one.items()}
        first = {prompt: _redrawn(rng, n) for prompt, n in one.items()}
        for found, other in ((z, again), (wrong, less)):
            table = cross_check(first, other, groups, mode="sampled", discarded="full")
            found.append(float(table["z"].iloc[0]))
    print(f"mean {np.mean(z):+.2f}, sd {np.std(z):.2f} of z; with a wrong law {np.mean(wrong):+.1f}")
    assert abs(np.mean(z)) < 0.25
    assert 0.85 < np.std(z) < 1.15
    assert np.mean(wrong) > 3


def _redrawn(rng: np.random.Generator, n: Counts, *, kept: float = 1.0) -> Counts:
    accepted = int(rng.binomial(n.judged, kept * n.accepted / n.judged)) if n.judged else 0
    return Counts(rounds=n.rounds, emitted=n.emitted, accepted=accepted, rejected=n.judged - accepted)


def test_under_greedy_decoding_equal_prompts_are_counted_equal_and_others_not() -> None:
    same = checked(mode="greedy", seed=0)
    assert same["n_prompts_differ"].tolist() == same["n_prompts_differ_drafted"].tolist() == [0] * 9
    assert same["z"].isna().all()
    assert (same["difference"] == 0).all()
    other = checked(mode="greedy", seed=1)
    assert (other["n_prompts_differ"] > 0).all()
    assert checked()["n_prompts_differ"].isna().all(), "sampled runs differ by chance"


def test_where_discarded_tokens_are_unknown_drafts_are_not_compared() -> None:
    table = checked(discarded="unknown", mode="greedy", seed=0)
    assert "draft_acceptance_rate" not in set(table["quantity"])
    assert table["n_prompts_differ_drafted"].isna().all()


def test_a_group_that_no_real_round_reached_has_an_empty_row_and_a_note() -> None:
    prompts = prompt_set(row("she", "female"), row("he", "male"))
    she, he = prompts.distinct
    n = Counts(rounds=4, emitted=8, accepted=4, rejected=2)
    table = cross_check({she: n, he: n}, {she: n}, both(prompts), mode="sampled", discarded="full")
    male = table[table["group"] == "male"]
    assert male["n_prompts"].tolist() == [0] * 3
    assert male["difference"].isna().all()
    assert male["note"].str.contains("no prompt traced both ways").all()
    assert table[table["group"] == "female"]["difference_se"].isna().all(), "one prompt has no spread"


# Measured times --------------------------------------------------------------------------------------

TWO = prompt_set(row("she", "female"), row("her", "female"), row("he", "male"))
SHE, HER, HE = TWO.distinct


def timed(*rows: tuple[int, int, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=PLAIN_TIMINGS.names)
    return frame.astype({"prompt": "uint64", "sample": "uint16"})


def rounds(*rows: tuple[int, int, int, float, float]) -> pd.DataFrame:
    names = ["prompt", "sample", "round", "draft_seconds", "verify_seconds"]
    return pd.DataFrame(rows, columns=names).astype({"prompt": "uint64", "sample": "uint16"})


PLAIN = timed((SHE, 0, 4.0), (SHE, 1, 2.0), (HER, 0, 3.0), (HE, 0, 5.0))
ASSISTED = rounds((SHE, 0, 0, 0.5, 1.0), (SHE, 0, 1, 0.5, 0.0), (SHE, 1, 0, 0.0, 1.0), (HER, 0, 0, 1.0, 1.0))


def speed(plain: pd.DataFrame = PLAIN, devices: tuple[str, str] = ("cpu", "cpu")) -> pd.DataFrame:
    table = measured_speed_up(
        plain, ASSISTED, both(TWO), setting="heuristic-5-assisted", devices=devices, mode="sampled"
    )
    return table.set_index("group")


def test_seconds_are_summed_over_rounds_and_samples_and_meet_by_prompt() -> None:
    female = speed().loc["female"]
    assert (female["n_prompts"], female["plain_seconds"], female["assisted_seconds"]) == (2, 4.5, 2.5)
    assert female["measured_speed_up"] == pytest.approx(9 / 5)
    assert female["measured_speed_up_low"] < 9 / 5 < female["measured_speed_up_high"]


def test_a_group_without_times_has_an_empty_row_and_one_prompt_no_interval() -> None:
    table = speed()
    assert table.loc["male", "n_prompts"] == 0
    assert "no prompt timed both ways" in table.loc["male", "note"]
    alone = speed(timed((HER, 0, 3.0))).loc["female"]
    assert alone["measured_speed_up"] == 1.5
    assert alone["measured_speed_up_low"] is None
    assert "no interval: one prompt" in alone["note"]


def test_seconds_of_two_devices_are_refused_in_a_sentence() -> None:
    with pytest.raises(TableError, match=r"timed on cuda:0 \(A\) and heuristic-5-assisted on cpu \(B\)"):
        speed(devices=("cuda:0 (A)", "cpu (B)"))


def test_times_of_other_prompts_are_refused() -> None:
    with pytest.raises(TableError, match="none of the 1 continuations of the target alone"):
        speed(timed((7, 0, 1.0)))
