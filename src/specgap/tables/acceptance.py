"""`acceptance.csv`: one row per group with every rate, each from counts of its own prompts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from specgap.tables.counts import Counts, Discarded, Row, fixed_mean, frame_of, ratio, total
from specgap.tables.membership import Group

Mode = Literal["sampled", "greedy"]

NOT_COLLECTED = "discarded tokens not collected (tails: none)"
#: Of counts that a server kept.
NO_TOKENS = "p and q of tokens not known (collector: counts)"
NOT_COUNTED = "drafted tokens not counted"
NO_COST_RATIO = "no cost ratio given"

COLUMNS = (
    "group",
    "n_prompts",
    "n_prompts_unjudged",
    "n_terms",
    "n_templates",
    "n_rounds",
    "n_drafted",
    "n_judged",
    "n_accepted",
    "n_rejected",
    "n_discarded",
    "n_emitted",
    "acceptance_rate",
    "acceptance_rate_prompt_mean",
    "draft_acceptance_rate",
    "token_acceptance_ratio",
    "block_efficiency",
    "gamma_mean",
    "cost_ratio",
    "modelled_speed_up",
    "share_cut",
    "overlap",
    "n_surer_accepted",
    "n_surer_rejected",
    "surer_rate",
    "n_over_confident_accepted",
    "n_over_confident_rejected",
    "severity",
    "entropy",
    "mode",
    "pilot",
    "note",
)


def acceptance(
    counts: Mapping[int, Counts],
    groups: Sequence[Group],
    *,
    mode: Mode,
    discarded: Discarded = "full",
    cost_ratio: float | None = None,
    has_tokens: bool = True,
) -> pd.DataFrame:
    """Return the table for `groups`.

    `counts` holds what was counted for each prompt, its samples summed. A prompt without an entry was not
    traced, or nothing was drafted for it: it counts in `n_prompts` and `n_prompts_unjudged` only. Where
    discarded tokens are unknown, whatever needs the number of drafted tokens is empty. `cost_ratio` is the
    cost of a call of the draft / of a call of the target, None where it is not known. Without `has_tokens`
    (`counts.PromptCounts`) whatever needs p and q is empty.
    """
    about = _About(mode, discarded, cost_ratio, has_tokens)
    rows = [
        _row(group, [counts.get(prompt, Counts()) for prompt in group.prompts], about) for group in groups
    ]
    return frame_of(rows, COLUMNS)


def modelled_speed_up(n: Counts, cost_ratio: float) -> float | None:
    """Return block efficiency / (γ · c + 1) with γ the mean drafted per round and c the cost ratio.

    How many times faster than the target alone, if a draft call takes c of a target call and verifying a
    round takes one target call: Leviathan et al. (2023), theorem 3.8, with measured numbers for its
    expectations.

    >>> modelled_speed_up(Counts(rounds=10, emitted=30, accepted=20, discarded=30), 0.1)
    2.0
    """
    return n.emitted / (n.drafted * cost_ratio + n.rounds) if n.rounds else None


@dataclass(frozen=True)
class _About:
    """What the rows of a table share."""

    mode: Mode
    discarded: Discarded
    cost_ratio: float | None
    has_tokens: bool


def _row(group: Group, by_prompt: Sequence[Counts], about: _About) -> Row:
    n = total(by_prompt)
    return {
        "group": group.name,
        "n_prompts": group.n_prompts,
        "n_prompts_unjudged": sum(not prompt.judged for prompt in by_prompt),
        "n_terms": group.n_terms,
        "n_templates": group.n_templates,
        "n_rounds": n.rounds,
        "n_judged": n.judged,
        "n_accepted": n.accepted,
        "n_rejected": n.rejected,
        "n_emitted": n.emitted,
        "acceptance_rate": ratio(n.accepted, n.judged),
        "acceptance_rate_prompt_mean": prompt_mean(by_prompt),
        "token_acceptance_ratio": ratio(n.accepted, n.emitted),
        "block_efficiency": ratio(n.emitted, n.rounds),
        "cost_ratio": about.cost_ratio,
        **({} if about.discarded == "unknown" else _drafted(n, about.cost_ratio)),
        **(_of_tokens(n) if about.has_tokens else {}),
        "mode": about.mode,
        "pilot": group.pilot,
        "note": "; ".join([*group.notes, *_gaps(n, about)]),
    }


def _drafted(n: Counts, cost_ratio: float | None) -> Row:
    return {
        "n_drafted": n.drafted,
        "n_discarded": n.discarded,
        "draft_acceptance_rate": ratio(n.accepted, n.drafted),
        "gamma_mean": ratio(n.drafted, n.rounds),
        "modelled_speed_up": None if cost_ratio is None else modelled_speed_up(n, cost_ratio),
    }


def _of_tokens(n: Counts) -> Row:
    return {
        "share_cut": ratio(n.cut, n.rounds),
        "overlap": fixed_mean(n.overlap_sum, n.overlap_values),
        "n_surer_accepted": n.surer_accepted,
        "n_surer_rejected": n.surer_rejected,
        "surer_rate": ratio(n.surer_accepted + n.surer_rejected, n.judged),
        "n_over_confident_accepted": n.over_confident_accepted,
        "n_over_confident_rejected": n.over_confident_rejected,
        "severity": fixed_mean(n.severity_sum, n.judged),
        "entropy": fixed_mean(n.entropy_sum, n.entropy_values),
    }


def prompt_mean(by_prompt: Sequence[Counts]) -> float | None:
    """Return the mean over prompts of accepted / judged; prompts with nothing judged are left out."""
    rates = [prompt.accepted / prompt.judged for prompt in by_prompt if prompt.judged]
    # fsum rounds once, so the order of the prompts does not show.
    return math.fsum(rates) / len(rates) if rates else None


def _gaps(n: Counts, about: _About) -> list[str]:
    """Why cells are empty, or mean something else than they seem to."""
    notes = []
    if about.discarded == "unknown":
        notes.append(NOT_COLLECTED if about.has_tokens else NOT_COUNTED)
    elif about.cost_ratio is None:
        notes.append(NO_COST_RATIO)
    if not n.rounds:
        notes.append("no rounds")
    elif not n.drafted:
        notes.append("nothing drafted")
    if not n.judged:
        return [*notes, "nothing judged"]
    if not about.has_tokens:
        return [*notes, NO_TOKENS]
    for name, values in (("overlap", n.overlap_values), ("entropy", n.entropy_values)):
        if not values:
            notes.append(f"{name} not recorded")
        elif values < n.judged:
            notes.append(f"{name} of {values} of {n.judged} judged tokens")
    if about.mode == "greedy" and n.overlap_values:
        notes.append("overlap is not the acceptance probability under greedy decoding")
    return notes
