"""Simulated pairs that share a target: how often the paired interval holds, what pairing is worth, and how
often a difference is claimed where there is none.
"""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import t

from specgap.stats.claims import ALPHA
from specgap.stats.clusters import OWN_SPREAD
from specgap.stats.intervals import rates
from specgap.stats.layout import Layout, Sums
from specgap.stats.paired import differences
from specgap.stats.ratio import clustered_se, t_quantile
from tests.support.group_worlds import World
from tests.support.measured import WORLDS, Measured, share

pytestmark = pytest.mark.simulation


def test_pairing_takes_away_what_terms_and_prompts_do_to_both() -> None:
    """Terms and prompts share most of their difficulty: the paired interval holds and is the narrower."""
    terms = (12, 8, 5)
    world = World(terms, (0,) * 3, effects=(0.0,) * 3, term_sd=0.6, template_sd=0.0)
    layout = world.layout()
    x, w = np.polynomial.hermite_e.hermegauss(101)
    w, sd = w / w.sum(), np.sqrt(0.6**2 + 0.5**2 + 0.2**2)
    truth = float((w * (expit(1.7 + sd * x) - expit(1.2 + sd * x))).sum())
    holds, unpaired_holds, narrower = [], [], []
    for number in range(WORLDS):
        rng = np.random.default_rng([11, number])
        shared = rng.normal(0, 0.6, len(layout.units))[layout.unit] + rng.normal(0, 0.5, len(layout))
        judged = 8.0 + rng.poisson(16, (2, len(layout)))
        own = rng.normal(0, 0.2, (2, len(layout.units)))[:, layout.unit]
        a, b = (
            Sums(rng.binomial(q.astype(int), expit(base + shared + u)).astype(float), q)
            for q, base, u in zip(judged, (1.7, 1.2), own, strict=True)
        )
        unpaired = zip(rates(layout, a), rates(layout, b), strict=True)
        for found, (one, other) in zip(
            differences(layout, a, b, np.arange(len(layout))), unpaired, strict=True
        ):
            assert found.like is not None
            assert one.like is not None
            assert other.like is not None
            holds.append(found.like.low <= truth <= found.like.high)
            se = float(np.hypot(one.like.se, other.like.se))
            assert found.value is not None
            unpaired_holds.append(abs(found.value - truth) <= t_quantile(found.n_units - 1) * se)
            narrower.append(found.like.se / se)
    name = "two drafts of one target, hard for both alike"
    Measured(name, "coverage, paired by prompt", share(holds), 0.92, 0.98, WORLDS).hold()
    Measured(name, "paired SE / unpaired SE", float(np.mean(narrower)), 0.2, 0.75, WORLDS).hold()
    loose = share(unpaired_holds)
    Measured(name, "coverage, not paired", loose, 0.99, 1, WORLDS, guard=True).hold()


#: Units by group, the last one too few to be tested.
UNITS = (9, 9, 6, 6, 4, 1)
PROMPTS = 5


def plain_p(layout: Layout, a: Sums, b: Sums, k: int) -> float:
    """Return the p-value of a group's difference as if its units were of one size: t of units − 1."""
    own = layout.group == k
    shares, value = np.zeros(int(own.sum())), 0.0
    for sign, one in ((1, a), (-1, b)):
        part, whole = one.part[own], one.whole[own]
        rate = part.sum() / whole.sum()
        shares, value = shares + sign * (part - rate * whole) / whole.sum(), value + sign * rate
    by_unit = np.bincount(layout.unit[own] - layout.unit[own].min(), weights=shares)
    se = clustered_se(by_unit)
    assert se is not None
    return float(2 * t.sf(abs(value) / se, len(by_unit) - 1))


def false_claims(size_sd: float) -> tuple[float, float, float]:
    """Return how often two drafts that serve all alike are said to differ for a group, and to change a gap.

    Last, how often they would be with `plain_p`.

    Units differ in size, as requests of a server do, by a lognormal factor of this spread; the last group is
    one unit of one prompt.
    """
    sizes = np.array([*np.repeat(PROMPTS, sum(UNITS) - 1), 1])
    unit = np.repeat(np.arange(sum(UNITS)), sizes)
    group = np.repeat(np.arange(len(UNITS)), UNITS)[unit]
    layout = Layout(tuple("abcdef"), ("",), tuple(map(str, unit)), group, np.zeros_like(unit), unit, None)
    claims, changes, plain = [], [], []
    for number in range(WORLDS):
        rng = np.random.default_rng([12, number])
        judged = 5.0 + rng.poisson(25 * rng.lognormal(0, size_sd, sum(UNITS))[unit])
        gap = rng.normal(0, 0.15, sum(UNITS))[unit]
        hard = rng.normal(0, 0.1, len(unit))
        a, b = (
            Sums(
                rng.binomial(judged.astype(int), np.clip(0.75 + hard + half, 0.02, 0.98)).astype(float),
                judged,
            )
            for half in (gap / 2, -gap / 2)
        )
        found = [one for one in differences(layout, a, b, np.arange(len(unit))) if one.n_units >= OWN_SPREAD]
        assert len(found) == len(UNITS) - 1
        for claimed, p_values in ((claims, [x.p for x in found]), (changes, [x.change_p for x in found])):
            # The least of Holm's is Bonferroni's.
            known = [p for p in p_values if p is not None]
            claimed.append(len(known) * min(known) < ALPHA)
        plain.append(len(found) * min(plain_p(layout, a, b, k) for k in range(len(found))) < ALPHA)
    return share(claims), share(changes), share(plain)


def test_drafts_that_serve_all_alike_are_seldom_said_to_differ() -> None:
    for size_sd, name in ((0.0, "alike"), (1.2, "of unequal size")):
        claims, changes, plain = false_claims(size_sd)
        world = f"two drafts that serve all alike, units {name}"
        low = 0.015 if not size_sd else 0.0
        Measured(world, "false claims of a difference", claims, low, 0.08, WORLDS).hold()
        Measured(world, "false claims of a change", changes, low, 0.08, WORLDS).hold()
        if size_sd:
            Measured(world, "false claims, t of units − 1", plain, 0.1, 1, WORLDS, guard=True).hold()
