"""`acceptance.csv`: one row per group with every rate, each from counts of its own prompts."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd

from specgap.tables.counts import Counts, Row, fixed_mean, frame_of, ratio, total
from specgap.tables.membership import Group

Mode = Literal["sampled", "greedy"]

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


def acceptance(counts: Mapping[int, Counts], groups: Sequence[Group], *, mode: Mode) -> pd.DataFrame:
    """Return the table for `groups`.

    `counts` holds what was counted for each prompt, its samples summed. A prompt without an entry was not
    traced, or nothing was drafted for it: it counts in `n_prompts` and `n_prompts_unjudged` only.
    """
    rows = [_row(group, [counts.get(prompt, Counts()) for prompt in group.prompts], mode) for group in groups]
    return frame_of(rows, COLUMNS)


def _row(group: Group, by_prompt: Sequence[Counts], mode: Mode) -> Row:
    n = total(by_prompt)
    return {
        "group": group.name,
        "n_prompts": group.n_prompts,
        "n_prompts_unjudged": sum(not prompt.judged for prompt in by_prompt),
        "n_terms": group.n_terms,
        "n_templates": group.n_templates,
        "n_rounds": n.rounds,
        "n_drafted": n.drafted,
        "n_judged": n.judged,
        "n_accepted": n.accepted,
        "n_rejected": n.rejected,
        "n_discarded": n.discarded,
        "n_emitted": n.emitted,
        "acceptance_rate": ratio(n.accepted, n.judged),
        "acceptance_rate_prompt_mean": prompt_mean(by_prompt),
        "draft_acceptance_rate": ratio(n.accepted, n.drafted),
        "token_acceptance_ratio": ratio(n.accepted, n.emitted),
        "block_efficiency": ratio(n.emitted, n.rounds),
        "gamma_mean": ratio(n.drafted, n.rounds),
        "share_cut": ratio(n.cut, n.rounds),
        **_judged_means(n),
        "mode": mode,
        "pilot": group.pilot,
        "note": "; ".join([*group.notes, *_gaps(n, mode)]),
    }


def _judged_means(n: Counts) -> Row:
    return {
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


def _gaps(n: Counts, mode: Mode) -> list[str]:
    """Why cells are empty, or mean something else than they seem to."""
    notes = []
    if not n.rounds:
        notes.append("no rounds")
    elif not n.drafted:
        notes.append("nothing drafted")
    if not n.judged:
        return [*notes, "nothing judged"]
    for name, values in (("overlap", n.overlap_values), ("entropy", n.entropy_values)):
        if not values:
            notes.append(f"{name} not recorded")
        elif values < n.judged:
            notes.append(f"{name} of {values} of {n.judged} judged tokens")
    if mode == "greedy" and n.overlap_values:
        notes.append("overlap is not the acceptance probability under greedy decoding")
    return notes
