"""Replayed counts, rates and acceptance along the draft against exact sums over Markov chains.

Paths and tails are the real collector's, counts are `rust_agg.replay`'s; theory and its standard errors are
`tests.support.markov_theory`'s, which takes nothing from the project. Everything is printed beside its band.
Guards: a theory that is wrong in one respect leaves the band.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from tests.support.bands import BAND, chi_square_p, distance
from tests.support.markov_distances import count_distances, position_distances, rate_distances
from tests.support.markov_replay import LAWS, LONGEST, SETTINGS, Collected
from tests.support.markov_theory import Theory

pytestmark = pytest.mark.slow

CollectedOf = Callable[[str], Collected]

every_law = pytest.mark.parametrize("law", LAWS)
every_setting = pytest.mark.parametrize("setting", SETTINGS)


@every_law
@every_setting
def test_counts_rates_and_acceptance_along_the_draft_agree_with_theory(
    collected: CollectedOf, law: str, setting: str
) -> None:
    print(f"{law}, {setting}")
    run = collected(law).counted(setting)
    distances = [compare(run, run.law) for compare in (count_distances, rate_distances, position_distances)]
    assert all(distances)
    assert max(z for found in distances for z in found.values()) <= BAND


@every_law
def test_tokens_have_the_law_of_the_model_that_draws_them(collected: CollectedOf, law: str) -> None:
    rows = _Rows.of(collected(law))
    drawn = {
        "emitted tokens follow p": (rows.before, rows.paths.token, rows.law.target),
        # Kept or not, and whatever is emitted: a proposal is the draft's.
        "proposals follow q": (rows.before, rows.paths.proposal, rows.law.draft),
        "tails follow q": (rows.behind, rows.tails.token, rows.law.draft),
    }
    for what, (context, token, matrix) in drawn.items():
        counts = np.zeros(matrix.shape, dtype=np.int64)
        np.add.at(counts, (context, token), 1)
        assert chi_square_p(f"{law}: {what}", counts, matrix) > 0.001


@every_law
def test_what_is_kept_is_overlap_in_the_mean(collected: CollectedOf, law: str) -> None:
    paths = collected(law).paths
    # Given the past, fate − overlap has mean 0 at every offset, judged by a schedule or not.
    gap = np.asarray(paths["fate"]).astype(float) - np.asarray(paths["overlap"])
    se = np.sqrt((gap**2).sum()) / len(gap)
    assert distance(f"{law}: fate − overlap, every offset", gap.mean(), 0.0, se) <= BAND


@every_law
def test_p_q_and_overlap_are_those_of_the_matrices(collected: CollectedOf, law: str) -> None:
    rows = _Rows.of(collected(law))
    paths, tails = rows.paths, rows.tails
    p, q = rows.law.target[rows.before], rows.law.draft[rows.before]
    number, known = np.arange(len(paths)), tails.p.notna().to_numpy()
    gaps = {
        "p": paths.p - p[number, paths.token],
        "q": paths.q - q[number, paths.token],
        "proposal_p": paths.proposal_p - p[number, paths.proposal],
        "proposal_q": paths.proposal_q - q[number, paths.proposal],
        "overlap": paths.overlap - np.minimum(p, q).sum(axis=1),
        "entropy": paths.entropy + (p * np.log(np.where(p > 0, p, 1))).sum(axis=1),
        "q of tails": tails.q - rows.law.draft[rows.behind, tails.token],
        "p of tails": (tails.p - rows.law.target[rows.behind, tails.token])[known],
    }
    largest = max(np.abs(gap).max() for gap in gaps.values())
    print(
        f"{law}: {len(paths)} offsets, {len(tails)} tokens of tails, {known.sum()} with p: "
        f"largest difference {largest:.1e}, band 1e-6"
    )
    assert known.any()
    assert largest < 1e-6


@every_law
def test_a_path_ends_with_the_text_or_at_its_length(collected: CollectedOf, law: str) -> None:
    paths = _Rows.of(collected(law)).paths
    runs = paths.groupby(["prompt", "sample"])
    ended, length = runs.token.last() == collected(law).law.eos, runs.size()
    print(f"{law}: {ended.sum()} of {len(ended)} paths end with an end of text")
    assert (ended | (length == LONGEST)).all()
    assert (paths.token == collected(law).law.eos).sum() == ended.sum()


@dataclass(frozen=True)
class _Rows:
    """Rows of paths and tails, with the state before each, (offsets,) and (tokens of tails,)."""

    law: Theory
    paths: pd.DataFrame
    tails: pd.DataFrame
    before: NDArray[np.int64]
    behind: NDArray[np.int64]

    @classmethod
    def of(cls, replayed: Collected) -> "_Rows":
        paths, tails = (table.to_pandas() for table in (replayed.paths, replayed.tails))
        previous = paths.token.shift(fill_value=0).to_numpy(np.int64)
        before = np.where(paths.offset == 0, paths["prompt"].map(replayed.starts), previous)
        proposals = paths.set_index(["prompt", "sample", "offset"]).proposal
        rejected = pd.MultiIndex.from_frame(tails[["prompt", "sample", "start"]])
        first = (tails.offset == tails.start + 1).to_numpy()
        previous = tails.token.shift(fill_value=0).to_numpy(np.int64)
        behind = np.where(first, proposals.reindex(rejected).to_numpy(), previous)
        theory = replayed.law.of(SETTINGS["constant-3"])
        return cls(theory, paths, tails, before.astype(np.int64), behind.astype(np.int64))


# A wrong theory leaves the band ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [
        ("constant-1", {"gamma": 2}),
        ("constant-3", {"gamma": 4}),
        ("constant-8", {"gamma": 7}),
        ("heuristic-5", {"heuristic": False}),
        ("heuristic-5", {"gamma": 6}),
        ("constant-8-t0.25", {"threshold": 0.0}),
        ("constant-3", {"max_new_tokens": LONGEST - 1}),
        ("constant-3", {"eos": None}),
    ],
)
def test_theory_with_another_rule_leaves_the_band(
    collected: CollectedOf, setting: str, wrong: dict[str, Any]
) -> None:
    run = collected("six states").counted(setting)
    law = replace(run.law, **wrong)
    assert max({**rate_distances(run, law), **count_distances(run, law)}.values()) > BAND


@every_law
def test_theory_of_another_draft_leaves_the_band(collected: CollectedOf, law: str) -> None:
    run = collected(law).counted("constant-3")
    other = replace(run.law, draft=(run.law.draft + 0.1 * run.law.target) / 1.1)
    assert rate_distances(run, other)["acceptance_rate"] > BAND
    assert position_distances(run, other)["conditional_acceptance at 1"] > BAND
