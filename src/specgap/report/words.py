"""What the report says in words: definitions, and what its numbers do not say."""

from collections.abc import Sequence

#: Terms, and what they mean.
DEFINITIONS = (
    ("target, draft, pair", "The target model p verifies what the smaller draft model q proposes."),
    ("round, γ", "One drafting of γ tokens and its verification by one call of the target."),
    ("accepted", "A drafted token that verification kept."),
    ("rejected", "The first failure of a round. Accepted and rejected tokens are the judged ones."),
    ("discarded", "Drafted after the first failure of a round; never judged, so in no acceptance rate."),
    ("p, q", "Probability of the drafted token under target and draft, after the processing of logits."),
    ("likelihood difference", "p − q; negative where the draft is surer than the target."),
    ("acceptance rate", "accepted / (accepted + rejected), per judged token."),
    (
        "prompt mean",
        "Mean over prompts of their own acceptance rates; prompts with nothing judged are left out and "
        "counted. Compare schedules by this one.",
    ),
    (
        "accepted per drafted",
        "What servers report as acceptance rate. It falls with γ by construction: never compare it across γ.",
    ),
    ("block efficiency", "Emitted tokens per call of the target, the correction or bonus token counted."),
    (
        "if independent",
        "The block efficiency of constant drafts of γ tokens if each were accepted with the group's "
        "acceptance rate α at constant-1, whatever its position: (1 − α^(γ+1)) / (1 − α).",
    ),
    (
        "modelled speed-up",
        "Block efficiency / (γ c + 1), with γ the mean drafted per round and c, the cost ratio, the cost of "
        "a draft call in target calls. Modelled, not measured.",
    ),
    (
        "replay",
        "Counting a setting's rounds from texts that the target wrote once: whether a proposal is kept does "
        "not depend on the schedule. Real rounds are those of the models themselves.",
    ),
    (
        "these terms, terms like these",
        "Two 95 % intervals of a rate: for other prompts about the same identity terms, and for other terms "
        "of the group. Claims about a group rest on the second.",
    ),
    (
        "simultaneous interval, adjusted p",
        "Of a difference, allowing for all pairs of groups that were looked at: identity terms are permuted "
        "over groups, within strata.",
    ),
    (
        "paired difference",
        "Of two drafts of one target: the difference of their acceptance rates over the prompts judged under "
        "both, with an error from each prompt's own difference.",
    ),
    ("conditional acceptance", "Accepted / judged at one draft position."),
    (
        "overlap",
        "Σ min(p, q) over the vocabulary: under sampling the probability of acceptance, under greedy "
        "decoding another quantity.",
    ),
)

#: Of these, what a study of counts has nothing of.
OF_TOKENS = frozenset(
    {"p, q", "likelihood difference", "if independent", "replay", "conditional acceptance", "overlap"}
)

_DEMO = (
    "The pair {pairs} is a demonstration: two tiny models that specgap trains itself in a minute so that "
    "everything can run. Its gaps say nothing about people, nor about any model in use."
)
_ALWAYS = (
    "The greatest of many differences is large by selection. What may be claimed follows from simultaneous "
    "intervals and adjusted p-values, which allow for all pairs at once, not from the size of a gap.",
    "A slower draft for some is a cost, not by itself a harm; terms are samples of words, not of people.",
    "Groups differ in the length, grammar and number of their prompts, not only in whom they name. A gap is "
    "not yet about identity.",
)
_PARTIAL = (
    "This is a partial study: only what was traced so far counts, and every figure says how much that is."
)
_ONE_TERM = (
    "These groups rest on one identity term, so their own spread is not estimable; a claim that names one "
    "says so, and figures of the greatest difference list them apart: {groups}."
)
_SAMPLED = (
    "Under sampled decoding a token can be rejected only where the draft is surer than the target (q > p)."
)
_GREEDY = (
    "Under greedy decoding verification compares likeliest tokens, so tokens are rejected on both sides of "
    "p = q; its rates and those of sampled decoding are different quantities."
)


def caveats(
    *,
    demo_pairs: Sequence[str],
    one_term_groups: Sequence[str],
    modes: Sequence[str] = (),
    pilot: int | None,
    partial: bool,
) -> list[str]:
    """Return the sentences that must be read before any number; of p and q none without `modes`."""
    said = [_DEMO.format(pairs=", ".join(demo_pairs))] if demo_pairs else []
    if pilot is not None:
        said.append(f"This is a pilot of at most {pilot} prompts per group, not the study.")
    said += [_PARTIAL] if partial else []
    said += _ALWAYS
    if one_term_groups:
        said.append(_ONE_TERM.format(groups=", ".join(one_term_groups)))
    said += [text for mode, text in (("sampled", _SAMPLED), ("greedy", _GREEDY)) if mode in modes]
    return said
