"""Simulated Markov pairs through the whole chain: paths, replay, rust_agg, tables. Truth beside claims."""

from dataclasses import replace

import numpy as np
import pytest

from specgap.simulate import GROUPING, World
from specgap.stats.claims import ALPHA
from specgap.stats.power import detectable
from specgap.tables.comparison import Comparison, compare
from specgap.tables.gap_test import gap_test
from specgap.tables.intervals import intervals
from specgap.tables.layout import entries
from tests.support.measured import WORLDS, Measured, share

pytestmark = pytest.mark.simulation

#: A chained study takes a tenth of a second.
CHAINED = max(100, WORLDS // 4)
#: So many are enough for three standard errors of a power of 80 % to be less than 5 points.
PLANTED = max(100, WORLDS // 2)
DRAWS = 499
TERMS_DIFFER = World(term_sd=0.3)


def study_of(world: World, seed: int) -> Comparison:
    found = entries(world.groups, world.counts(seed))
    how = {"mode": "sampled", "permutations": DRAWS, "seed": seed, "small_gap": 5.0}
    return compare(GROUPING, world.groups, found, **how)  # type: ignore[arg-type]


def slack(rate: float, worlds: int = CHAINED) -> float:
    """Return three standard errors of a share in so many worlds."""
    return 3 * float(np.sqrt(rate * (1 - rate) / worlds))


def test_counts_of_a_chain_have_the_acceptance_that_is_known() -> None:
    counts = TERMS_DIFFER.counts(5)
    truth = TERMS_DIFFER.acceptance(5)
    judged = np.array([counts[row.prompt].judged for row in TERMS_DIFFER.prompts.rows])
    accepted = np.array([counts[row.prompt].accepted for row in TERMS_DIFFER.prompts.rows])
    z = (accepted.sum() - (judged * truth).sum()) / np.sqrt((judged * truth * (1 - truth)).sum())
    chi2 = ((accepted - judged * truth) ** 2 / (judged * truth * (1 - truth))).mean()
    print(f"accepted − expected: {z:+.2f} standard errors; χ²/n of prompts {chi2:.3f}, band 1 ± .15")
    assert abs(z) < 4
    assert chi2 == pytest.approx(1, abs=0.15)


def test_through_the_chain_intervals_hold_and_claims_are_rare() -> None:
    holds, claims, pairs = [], [], []
    for seed in range(CHAINED):
        test = study_of(TERMS_DIFFER, seed)
        assert test.gaps is not None
        claims.append(test.gaps.p < ALPHA)
        pairs.append(bool(((test.gaps.low <= 0) & (test.gaps.high >= 0)).all()))
        table = intervals(test.groups, test.entries, mode="sampled")
        rows = table[(table["quantity"] == "acceptance_rate") & (table["weight"] == "pooled")]
        truth = TERMS_DIFFER.true_rates(seed)
        holds += [row.like_low <= truth[row.group] <= row.like_high for row in rows.itertuples()]
    name = "whole chain, terms differ"
    Measured(name, "coverage, terms like these", share(holds), 0.92, 0.98, CHAINED).hold()
    Measured(
        name, "false claims", share(claims), max(0.0, 0.05 - slack(0.05)), 0.05 + slack(0.05), CHAINED
    ).hold()
    Measured(name, "all 45 intervals hold", share(pairs), 0.95 - slack(0.05), 1, CHAINED).hold()


def test_a_planted_gap_is_found_as_often_as_power_promised() -> None:
    terms = tuple((f"group {number}", 12) for number in range(6))
    alike = World(terms=terms, term_sd=0.15)
    pilots = [study_of(alike, 10_000 + seed).spread for seed in range(20)]
    spread = replace(pilots[0], variance=float(np.mean([pilot.variance for pilot in pilots])))
    gap = spread.detectable(12)
    assert gap is not None
    world = replace(alike, lower=(("group 0", gap),))
    apart, claimed = [], []
    for seed in range(PLANTED):
        test = study_of(world, seed).gaps
        assert test is not None
        at = int(((test.pairs == (0, 1)).all(axis=1)).argmax())
        apart.append(bool(test.low[at] > 0 or test.high[at] < 0))
        claimed.append(bool(test.p_adjusted[at] < ALPHA))
    name = "whole chain, the gap that groups of 12 terms find with 80 % power"
    off = max(0.05, slack(0.8, PLANTED))
    Measured(name, "found by its interval", share(apart), 0.8 - off, 0.8 + off, PLANTED).hold()
    # The step-down gains a little over the interval.
    Measured(name, "found by its adjusted p", share(claimed), 0.8 - off, 0.9 + off, PLANTED).hold()


def test_two_groups_of_unequal_size_are_found_as_often_as_their_own_number_promised() -> None:
    """`queer` has six terms of 99, `male` 26."""
    alike = World(term_sd=0.15)
    pilots = [study_of(alike, 20_000 + seed).gaps for seed in range(20)]
    promised = []
    for pilot in pilots:
        assert pilot is not None
        pair = pilot.groups.index("male"), pilot.groups.index("queer")
        at = int((pilot.pairs == pair).all(axis=1).argmax())
        promised.append(float(detectable(pilot)[at]))
    world = replace(alike, lower=(("queer", float(np.mean(promised))),))
    found = []
    for seed in range(PLANTED):
        test = study_of(world, seed).gaps
        assert test is not None
        found.append(bool(test.low[at] > 0 or test.high[at] < 0))
    name = "whole chain, the gap that 6 terms and 26 find with 80 % power"
    off = max(0.05, slack(0.8, PLANTED))
    Measured(name, "found by its interval", share(found), 0.8 - off, 0.8 + off, PLANTED).hold()


def test_step_down_claims_few_pairs_that_do_not_differ_beside_one_group_that_does() -> None:
    world = replace(TERMS_DIFFER, term_sd=0.15, lower=(("queer_gender", 0.08),))
    wrong = []
    for seed in range(CHAINED):
        test = study_of(world, seed).gaps
        assert test is not None
        planted = test.groups.index("queer_gender")
        others = ~(test.pairs == planted).any(axis=1)
        wrong.append(bool((test.p_adjusted[others] < ALPHA).any()))
    name = "whole chain, one group 8 points lower"
    Measured(
        name, "false claims among other pairs (step-down)", share(wrong), 0, 0.05 + slack(0.05), CHAINED
    ).hold()


def test_halves_of_a_study_that_are_merged_claim_what_the_whole_claims() -> None:
    import rust_agg
    from specgap.aggregate import grids, groups_of
    from specgap.config import Bins
    from specgap.tables.from_state import prompt_counts

    paths = TERMS_DIFFER.paths(3)
    half = len(paths) // 2 // TERMS_DIFFER.max_new_tokens * TERMS_DIFFER.max_new_tokens
    parts = [
        rust_agg.replay(
            part,
            {"s": rust_agg.Replay("constant", 5)},
            groups_of(TERMS_DIFFER.prompts),
            max_new_tokens=TERMS_DIFFER.max_new_tokens,
            eos=[],
            grids=grids(Bins()),
        )["s"]
        for part in (paths.slice(half), paths.slice(0, half))
    ]
    merged = prompt_counts(parts[0] + parts[1])
    found = entries(TERMS_DIFFER.groups, merged)
    how = {"mode": "sampled", "permutations": DRAWS, "seed": 3, "small_gap": 5.0}
    one = gap_test(compare(GROUPING, TERMS_DIFFER.groups, found, **how))  # type: ignore[arg-type]
    assert one.equals(gap_test(study_of(TERMS_DIFFER, 3)))
