"""Simulated pairs that share a target: how often the paired interval holds, and what pairing is worth."""

import numpy as np
from scipy.special import expit

from specgap.stats.intervals import rates
from specgap.stats.layout import Sums
from specgap.stats.paired import differences
from specgap.stats.ratio import t_quantile
from tests.support.group_worlds import World
from tests.support.measured import WORLDS, Measured, share


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
