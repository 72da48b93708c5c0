"""Tables over pairs as figures read them, counted from drawn prompts by the writer itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.special import expit

from specgap.prompts import PromptSet
from specgap.settings import Model, Pair
from specgap.tables.counts import Counts
from specgap.tables.pairs import Counted
from specgap.tables.write_pairs import write_pairs_tables
from tests.support.records import prompt_set, row

#: Pair to target and draft.
TWO_DRAFTS = {"small": ("org/big", "org/small"), "tiny": ("org/big", "org/tiny")}
THREE_PAIRS = {**TWO_DRAFTS, "other": ("else/large", "else/small")}
SIX_PAIRS = {f"draft-{n}": ("org/big", f"org/draft-{n}") for n in range(1, 7)}


def write_pairs(
    folder: Path,
    groups: Mapping[str, tuple[int, int]],
    pairs: Mapping[str, tuple[str, str]] = TWO_DRAFTS,
    *,
    mode: Literal["sampled", "greedy"] = "sampled",
    empty: Sequence[str] = (),
    unjudged: Sequence[str] = (),
    per_prompt: int = 24,
    has_terms: bool = True,
) -> None:
    """Write the tables; groups in `empty` and pairs in `unjudged` have nothing judged.

    What a term and a prompt do is shared by all pairs; pairs differ, and a little more in some groups.
    """
    rng = np.random.default_rng(5)
    prompts = _prompts(groups, has_terms=has_terms)
    hard = {name: rng.normal(0, 0.35, terms) for name, (terms, _) in groups.items()}
    counts: dict[str, dict[int, Counts]] = {name: {} for name in pairs}
    for one in prompts.rows:
        [group] = one.groups["category"]
        place = list(groups).index(group)
        shared = 0.9 - 0.08 * (place % 5) + hard[group][int(one.text.split("|")[1])] + rng.normal(0, 0.4)
        for at, pair in enumerate(pairs):
            judged = 0 if group in empty or pair in unjudged else per_prompt
            level = shared - 0.25 * at - 0.12 * at * (place % 3)
            accepted = int(rng.binomial(judged, expit(level)))
            rounds = -(-judged // 3)
            counts[pair][one.prompt] = Counts(
                rounds=rounds, emitted=accepted + rounds, accepted=accepted, rejected=judged - accepted
            )
    models = {
        name: Pair(target=Model(source=target), draft=Model(source=draft))
        for name, (target, draft) in pairs.items()
    }
    counted = [Counted(name, models[name], counts[name]) for name in pairs]
    write_pairs_tables(folder, pairs=counted, prompts=prompts, mode=mode)


def _prompts(groups: Mapping[str, tuple[int, int]], *, has_terms: bool) -> PromptSet:
    return prompt_set(
        *(
            row(
                f"{name}|{term}|{template}",
                name,
                term=f"{name} {term}" if has_terms else None,
                template=f"template {template}",
            )
            for name, (terms, templates) in groups.items()
            for term in range(terms)
            for template in range(templates)
        )
    )
