"""Simulated studies whose groups, terms and templates are known: counts per prompt, no tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from specgap.simulate import HONEST_LIKE
from specgap.stats.layout import Floats, Layout, Sums

#: HONEST's identity terms by group: 99, of which two groups have one; and those in the singular and plural.
HONEST_TERMS = tuple(HONEST_LIKE.values())
HONEST_SINGULARS = (14, 14, 6, 18, 5, 1, 11, 1, 2, 3)
HONEST_PLURALS = (12, 12, 0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class World:
    """How acceptance comes about on the logit; `effects` are the groups' own."""

    terms: Sequence[int] = HONEST_TERMS
    plurals: Sequence[int] = (0,) * len(HONEST_TERMS)
    templates: int = 15
    base: float = 1.3
    template_sd: float = 0.4
    prompt_sd: float = 0.5
    term_sd: float = 0.0
    plural_shift: float = 0.0
    effects: Sequence[float] = (0.0,) * len(HONEST_TERMS)
    judged: int = 24

    def layout(self) -> Layout:
        """Return the layout: every term in every template of its stratum."""
        group, stratum = [], []
        for number, counts in enumerate(zip(self.terms, self.plurals, strict=True)):
            for s, n in enumerate(counts):
                group += [number] * n
                stratum += [s] * n
        n_units = len(group)
        templates = np.arange(self.templates)
        strata = np.repeat(stratum, self.templates)
        has_two = max(stratum) > 0
        return Layout(
            groups=tuple(f"group {number}" for number in range(len(self.terms))),
            strata=("singular", "plural") if has_two else ("",),
            units=tuple(f"term {number}" for number in range(n_units)),
            group=np.repeat(group, self.templates),
            stratum=strata,
            unit=np.repeat(np.arange(n_units), self.templates),
            block=np.tile(templates, n_units) + self.templates * strata,
        )

    def draw(self, layout: Layout, rng: np.random.Generator) -> Sums:
        """Return accepted and judged tokens of each prompt of one world."""
        terms = rng.normal(0, self.term_sd, len(layout.units))
        blocks = rng.normal(0, self.template_sd, 2 * self.templates)
        assert layout.block is not None
        level = self.base + np.asarray(self.effects)[layout.group] + terms[layout.unit]
        level = level + blocks[layout.block] + self.plural_shift * layout.stratum
        level = level + rng.normal(0, self.prompt_sd, len(layout))
        judged = 8 + rng.poisson(self.judged - 8, len(layout))
        return Sums(rng.binomial(judged, expit(level)).astype(float), judged.astype(float))

    def true_rates(self, layout: Layout, *, nodes: int = 201) -> Floats:
        """Return each group's expected acceptance over terms, templates and prompts."""
        sd = float(np.sqrt(self.term_sd**2 + self.template_sd**2 + self.prompt_sd**2))
        x, w = np.polynomial.hermite_e.hermegauss(nodes)
        w = w / w.sum()
        share = np.bincount(layout.stratum, minlength=2) / len(layout)
        rates = [
            sum(
                share[s] * float((w * expit(self.base + effect + s * self.plural_shift + sd * x)).sum())
                for s in range(2)
            )
            for effect in self.effects
        ]
        return np.array(rates)
