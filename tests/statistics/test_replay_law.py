"""Replay against real rounds, sampled: one law, whatever the schedule.

The real collector makes paths and tails of Markov pairs, and `rust_agg` replays every setting over them. Real
rounds come from `tests.support.markov_simulator`, which shares nothing with the project. χ² tests compare
rounds, accepted, rejected and discarded tokens of a sequence, and p and q of one token of each verdict drawn
from each sequence, so that all that is compared is independent; the p-values are adjusted for their number
(Holm). Means are compared with standard errors that are clustered by sequence. Guards: the same tests
refuse laws that are wrong in one respect.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from specgap.trace import paths as paths_module
from specgap.trace.choice import Distributions, draw
from specgap.trace.collect_tails import Wanted
from specgap.trace.drafting import Rejections
from specgap.trace.paths import Fates
from tests.support.bands import BAND, holm, ratio_distance, two_sample_p
from tests.support.markov_replay import LAWS, SETTINGS, Collected, Sequences, collect, real_rounds
from tests.support.replaying import NEAR
from tests.support.size import SIZE_NAME

pytestmark = pytest.mark.slow

COUNTS = ("rounds", "accepted", "rejected", "discarded")
VERDICTS = {"accepted": 1, "rejected": 0, "discarded": 2}
RATES = {
    "acceptance_rate": ("accepted", ("accepted", "rejected")),
    "draft_acceptance_rate": ("accepted", ("drafted",)),
    "block_efficiency": ("emitted", ("rounds",)),
    "gamma_mean": ("drafted", ("rounds",)),
    "overlap": ("overlap", ("accepted", "rejected")),
}
#: The smallest adjusted p-value that a right law may give, and the largest that a wrong one may.
LEAST, WRONG = 0.01, 1e-6
#: What only the texts of full size can refuse.
_SUBTLE = {
    *(("six states", "heuristic-5"), ("zeros", "heuristic-5")),
    ("early ends", "heuristic_transient-5-t0.33"),
}
#: Prompts of a guard.
FEW = 1500

CollectedOf = Callable[[str], Collected]
Fate = Callable[[Distributions, Distributions, torch.Tensor], Fates]
RIGHT = paths_module.sampled_fates
#: Laws and settings: all of them at full size, else every other one, with each law and each setting.
CELLS = [
    (law, setting)
    for (row, law), (column, setting) in product(enumerate(LAWS), enumerate(SETTINGS))
    if SIZE_NAME == "full" or (row + column) % 2 == 0
]


def p_values(name: str, replayed: Sequences, real: Sequences) -> dict[str, float]:
    """Return the p-value of each χ² test of one setting, by what is compared; print each."""
    found = {
        f"{name}: {counter} per sequence": (replayed.counts[counter], real.counts[counter])
        for counter in COUNTS
    }
    rng = np.random.default_rng(1)
    for verdict, number in VERDICTS.items():
        ours, theirs = (part.records.one_each(number, rng) for part in (replayed, real))
        for which, one, other in zip("pq", ours, theirs, strict=True):
            found[f"{name}: {which} of {verdict}"] = (_snapped(one, other), other)
    tested = {what: two_sample_p(what, *samples) for what, samples in found.items()}
    return {what: p for what, p in tested.items() if p is not None}


def _snapped(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return float32 probabilities as the float64 ones that they stand for, where there are any."""
    levels = np.unique(levels)
    if not len(levels):
        return values
    above = np.searchsorted(levels, values).clip(1, len(levels) - 1) if len(levels) > 1 else 0
    nearest = np.where(np.abs(levels[above - 1] - values) < np.abs(levels[above] - values), above - 1, above)
    return np.where(np.abs(levels[nearest] - values) < NEAR, levels[nearest], values)


def mean_distances(name: str, replayed: Sequences, real: Sequences) -> dict[str, float]:
    """Return how many standard errors means and rates are apart, by what is compared; print each."""
    both = (replayed, real)
    found = {
        f"{name}: mean {counter}": [(part.counts[counter], np.ones(part.records.n)) for part in both]
        for counter in (*COUNTS, "cut", "drafted", "emitted", "overlap")
    }
    for rate, (counter, whole) in RATES.items():
        found[f"{name}: {rate}"] = [
            (part.counts[counter], sum(part.counts[one] for one in whole)) for part in both
        ]
    for verdict, number in VERDICTS.items():
        for which in "pq":
            found[f"{name}: mean {which} of {verdict}"] = [part.records.sums(which, number) for part in both]
    return {what: ratio_distance(what, *samples) for what, samples in found.items()}


@dataclass(frozen=True)
class Compared:
    """What tests of one law and setting say: p-values, and distances in standard errors."""

    p: Mapping[str, float]
    z: Mapping[str, float]

    @classmethod
    def of(cls, replayed: Collected, law: str, setting: str) -> "Compared":
        """Compare a setting that is replayed with as many real sequences."""
        seed = 100 * list(LAWS).index(law) + list(SETTINGS).index(setting)
        real = real_rounds(LAWS[law].of(SETTINGS[setting]), replayed.sequence_starts, seed)
        ours, name = replayed.sequences(setting), f"{law}, {setting}"
        return cls(p_values(name, ours, real), mean_distances(name, ours, real))


@pytest.fixture(scope="module")
def compared(collected: CollectedOf) -> Callable[[str, str], Compared]:
    """Return the comparison of a law and setting."""
    return cache(lambda law, setting: Compared.of(collected(law), law, setting))


# Replay is right ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("law", "setting"), CELLS)
def test_means_are_those_of_real_rounds(
    compared: Callable[[str, str], Compared], law: str, setting: str
) -> None:
    z = compared(law, setting).z
    farthest = max(z, key=lambda what: z[what])
    print(f"{len(z)} means: largest |z| {z[farthest]:.2f} ({farthest}), band {BAND}")
    assert z[farthest] < BAND


def test_what_befalls_a_sequence_has_the_law_of_real_rounds(
    compared: Callable[[str, str], Compared],
) -> None:
    found = {what: p for cell in CELLS for what, p in compared(*cell).p.items()}
    adjusted = holm(found)
    smallest = next(iter(adjusted))
    for what, p in found.items():
        print(f"{what:64} p {p:.5f}, adjusted {adjusted[what]:.3f}, band > {LEAST}")
    different = len(set(found.values()))
    print(
        f"{len(found)} χ² tests, {different} of them different: smallest p {found[smallest]:.5f} "
        f"({smallest}), adjusted {adjusted[smallest]:.3f}, band > {LEAST}"
    )
    assert different >= (72 if SIZE_NAME == "full" else 36)
    assert adjusted[smallest] > LEAST


def test_where_the_draft_cannot_end_no_tail_is_needed_to_count(collected: CollectedOf) -> None:
    # Warping leaves the end of text no probability.
    replayed = collected("warped")
    without = replayed.without_tails()
    for setting in ("constant-3", "constant-8", "heuristic-5"):
        ours, other = (part.sequences(setting).counts["discarded"] for part in (replayed, without))
        print(f"warped, {setting}: {ours.sum():.0f} discarded with tails, {other.sum():.0f} without")
        assert np.array_equal(ours, other)


# A wrong law is refused -----------------------------------------------------------------------------


def refused(name: str, wrong: Collected, law: str, setting: str, *figures: str) -> None:
    """Hold that the tests above refuse a law: those of these figures, each p adjusted as if it were real."""
    found = Compared.of(wrong, law, setting)
    adjusted = holm(found.p)
    for figure in figures:
        what = f"{law}, {setting}: {figure}"
        if what in found.z:
            print(f"{name}, {what}: |z| {found.z[what]:.1f}, band > {BAND:g}")
            assert found.z[what] > BAND
        else:
            print(f"{name}, {what}: adjusted p {adjusted[what]:.2g}, band < {WRONG:g}")
            assert adjusted[what] < WRONG


def kept_with_q(p: Distributions, q: Distributions, u: torch.Tensor) -> Fates:
    """Keep y with probability q(y), where min(1, q(y) / p(y)) is right."""
    token = draw(p.probabilities, u[0])
    accepted = u[1] < q.of(token).double()
    gain = (q.probabilities - p.probabilities).clamp(min=0) + 1e-30
    return Fates(token, torch.where(accepted, token, draw(_without(gain, token), u[2])), accepted)


def proposed_by_q(p: Distributions, q: Distributions, u: torch.Tensor) -> Fates:
    """Draw rejected proposals from q, where norm(max(0, q − p)) is right."""
    right = RIGHT(p, q, u)
    drawn = draw(_without(q.probabilities, right.token), u[2])
    return replace(right, proposal=torch.where(right.accepted, right.token, drawn))


def with_one_number_for_two(p: Distributions, q: Distributions, u: torch.Tensor) -> Fates:
    """Draw the verdict with the number that y was drawn with."""
    return RIGHT(p, q, torch.stack([u[0], u[0], u[2]]))


def _without(weights: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
    # A rejected proposal that is the emitted token is refused before anything is counted.
    return weights.scatter(1, token[:, None], 0.0)


@pytest.mark.parametrize(
    ("fates", "figures"),
    [
        (kept_with_q, ("rounds per sequence", "accepted per sequence", "mean rejected", "acceptance_rate")),
        (proposed_by_q, ("p of rejected", "q of rejected", "mean p of rejected")),
        (with_one_number_for_two, ("p of accepted", "p of rejected", "mean p of rejected")),
    ],
)
@pytest.mark.parametrize("setting", ["constant-3", "heuristic-5", "constant-8-t0.25"])
def test_wrong_fates_are_refused(
    wrong_fates: Callable[[Fate], Collected], fates: Fate, figures: Sequence[str], setting: str
) -> None:
    refused(fates.__name__, wrong_fates(fates), "six states", setting, *figures)


@pytest.fixture(scope="module")
def wrong_fates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Fate], Collected]:
    """Return paths and tails of six states as the collector makes them with wrong fates."""

    @cache
    def make(fates: Fate) -> Collected:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(paths_module, "sampled_fates", fates)
            return collect(tmp_path_factory.mktemp("wrong"), LAWS["six states"], FEW)

    return make


UNKNOWN_TAILS = [
    pytest.param(law, setting, marks=pytest.mark.full if (law, setting) in _SUBTLE else [])
    for law in ("six states", "early ends", "zeros")
    for setting in ("constant-8", "heuristic-5", "constant-8-t0.25", "heuristic_transient-5-t0.33")
]


@pytest.mark.parametrize(("law", "setting"), UNKNOWN_TAILS)
def test_discarded_tokens_counted_without_tails_are_refused(
    collected: CollectedOf, law: str, setting: str
) -> None:
    without = collected(law).without_tails()
    refused("no tails", without, law, setting, "discarded per sequence", "mean discarded", "gamma_mean")


def test_tails_of_the_emitted_token_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = Wanted.rejections

    def of_the_emitted(self: Wanted, paths: pa.Table, **known: Any) -> Rejections:
        found = find(self, paths, **known)
        rows = np.flatnonzero(np.asarray(paths["offset"]) == 0)[found.path] + found.start
        return replace(found, token=np.asarray(paths["token"])[rows].astype(np.int64))

    monkeypatch.setattr(Wanted, "rejections", of_the_emitted)
    wrong = collect(tmp_path, LAWS["six states"], FEW)
    refused("tails of y", wrong, "six states", "constant-3", "p of discarded", "q of discarded")
