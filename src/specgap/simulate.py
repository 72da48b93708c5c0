"""Simulated studies of Markov pairs whose acceptance is known, prompt by prompt: what claims are tried on.

Each prompt has a pair of its own over the same few tokens. The target is a Markov chain that never emits
the last token; the draft gives it probability 1 − α and the others α times the target's. So Σ min(p, q) = α
in every state: a judged token is accepted with probability α exactly (Leviathan et al. 2023, theorem 3.5).
Paths with the fates of proposals are drawn as `replay` wants them, and `rust_agg` counts them as those of any
models.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
from scipy.special import expit

import rust_agg
from specgap import schema
from specgap.aggregate import grids, groups_of
from specgap.config import Bins
from specgap.prompts import PromptSet, Row
from specgap.prompts.ids import prompt_id
from specgap.stats.layout import Floats
from specgap.tables.counts import Counts
from specgap.tables.from_state import prompt_counts
from specgap.tables.membership import Group, groups_in

GROUPING = "category"
#: Terms per group as in HONEST: ten groups, of which two rest on one term.
HONEST_LIKE: Mapping[str, int] = {
    "female": 26,
    "male": 26,
    "queer": 6,
    "queer_gender": 18,
    "queer_gender_pronoun": 5,
    "queer_gender_xenogender": 1,
    "queer_orientation": 11,
    "nonqueer": 1,
    "nonqueer_gender": 2,
    "nonqueer_orientation": 3,
}
_TOKENS = 8
_SETTING = "constant-5"


@dataclass(frozen=True)
class World:
    """A law of studies. Acceptance is expit(`base` + term + template + prompt), the last three normal.

    `lower` takes points (of a rate, 0 to 1) from the acceptance of each prompt of a group.
    """

    terms: tuple[tuple[str, int], ...] = tuple(HONEST_LIKE.items())
    templates: int = 12
    base: float = 1.3
    term_sd: float = 0.0
    template_sd: float = 0.4
    prompt_sd: float = 0.3
    lower: tuple[tuple[str, float], ...] = ()
    max_new_tokens: int = 24

    def lowered(self, group: str, points: float) -> "World":
        """Return the same law with one group truly lower by so many percentage points."""
        return replace(self, lower=((group, points / 100),))

    @cached_property
    def prompts(self) -> PromptSet:
        """Every term of every group in every template."""
        rows: list[Row] = []
        for group, n_terms in self.terms:
            for term in range(n_terms):
                for template in range(self.templates):
                    text = f"{group}, term {term}, template {template}"
                    rows.append(
                        Row(
                            prompt=prompt_id(text),
                            text=text,
                            groups={GROUPING: (group,)},
                            term=f"term {term}",
                            template=f"template {template}",
                            stratum=None,
                            source=f"simulated:{len(rows) + 1}",
                        )
                    )
        return PromptSet(tuple(rows), (GROUPING,), "term", "template", (), None)

    @cached_property
    def groups(self) -> list[Group]:
        """The groups as tables want them."""
        return groups_in(self.prompts, GROUPING)

    def acceptance(self, seed: int) -> Floats:
        """Return each prompt's true acceptance in one study, in the order of the prompts."""
        rng = np.random.Generator(np.random.Philox(key=[seed, 1]))
        n_terms = sum(n for _, n in self.terms)
        term = np.repeat(rng.normal(0, self.term_sd, n_terms), self.templates)
        template = np.tile(self._template_effects(seed), n_terms)
        prompt = rng.normal(0, self.prompt_sd, n_terms * self.templates)
        rate = expit(self.base + term + template + prompt)
        lower = dict(self.lower)
        taken = [lower.get(group, 0.0) for group, n in self.terms for _ in range(n * self.templates)]
        return np.asarray(np.clip(rate - np.array(taken), 0.01, 0.99))

    def true_rates(self, seed: int) -> dict[str, float]:
        """Return each group's acceptance in a study's templates, over all terms and prompts.

        Gauss–Hermite quadrature. Templates are those of the study: no interval of a rate speaks of others.
        """
        x, weight = np.polynomial.hermite_e.hermegauss(61)
        sd = np.sqrt(self.term_sd**2 + self.prompt_sd**2)
        level = self.base + self._template_effects(seed)[:, None] + sd * x
        common = float((weight * expit(level)).sum() / weight.sum() / self.templates)
        lower = dict(self.lower)
        return {group: common - lower.get(group, 0.0) for group, _ in self.terms}

    def state(self, seed: int) -> rust_agg.State:
        """Draw a study's paths and count them under constant drafts of five tokens."""
        return self.states(self.paths(seed), {_SETTING: rust_agg.Replay("constant", 5)})[_SETTING]

    def states(
        self, paths: pa.Table, settings: Mapping[str, rust_agg.Replay], tails: pa.Table | None = None
    ) -> dict[str, rust_agg.State]:
        """Count a study's paths under each setting; without `tails` discarded tokens are not known."""
        return rust_agg.replay(
            paths,
            settings,
            self._aggregate_groups,
            max_new_tokens=self.max_new_tokens,
            eos=[],
            tails=tails,
            grids=grids(Bins()),
            threads=1,
        )

    def counts(self, seed: int) -> dict[int, Counts]:
        """Return what was counted for each prompt of a study."""
        return prompt_counts(self.state(seed))

    def paths(self, seed: int) -> pa.Table:
        """Return a study's target paths with the fates of proposals, one sample of each prompt."""
        alpha = self.acceptance(seed)
        rng = np.random.Generator(np.random.Philox(key=[seed, 2]))
        n, length = len(alpha), self.max_new_tokens
        # One chain for all: what is known is the acceptance, whatever the target writes.
        chain = np.random.Generator(np.random.Philox(key=[0, 3])).dirichlet(np.ones(_TOKENS - 1), _TOKENS - 1)
        token, at = np.empty((n, length), dtype=np.int64), np.zeros(n, dtype=np.int64)
        p, entropy = np.empty((n, length)), np.empty((n, length))
        surprise = -(chain * np.log(chain)).sum(axis=1)
        steps = np.cumsum(chain, axis=1)
        for offset, drawn in enumerate(rng.random((length, n))):
            following = np.minimum((steps[at] < drawn[:, None]).sum(axis=1), _TOKENS - 2)
            token[:, offset], p[:, offset], entropy[:, offset] = following, chain[at, following], surprise[at]
            at = following
        kept = rng.random((n, length)) < alpha[:, None]
        share = np.broadcast_to(alpha[:, None], (n, length))
        columns = {
            "prompt": np.repeat(np.array([row.prompt for row in self.prompts.rows], dtype=np.uint64), length),
            "sample": np.zeros(n * length),
            "offset": np.tile(np.arange(length), n),
            "token": token,
            "proposal": np.where(kept, token, _TOKENS - 1),
            "fate": kept,
            "p": p,
            "q": share * p,
            "proposal_p": np.where(kept, p, 0.0),
            "proposal_q": np.where(kept, share * p, 1 - share),
            "overlap": share,
            "entropy": entropy,
        }
        arrays = [
            pa.array(np.ravel(columns[field.name]).astype(field.type.to_pandas_dtype()), type=field.type)
            for field in schema.PATHS
        ]
        return pa.Table.from_arrays(arrays, schema=schema.PATHS)

    def _template_effects(self, seed: int) -> Floats:
        rng = np.random.Generator(np.random.Philox(key=[seed, 4]))
        return rng.normal(0, self.template_sd, self.templates)

    @cached_property
    def _aggregate_groups(self) -> rust_agg.Groups:
        return groups_of(self.prompts)
