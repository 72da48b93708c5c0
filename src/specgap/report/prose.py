"""Sentences of the methods that stay the same from study to study, with pandoc's `[@key]` citations."""

from specgap.tables.headline import HEADLINE_UNITS

SCHEDULES = {
    "constant": "γ stays at {n}",
    "heuristic": "γ starts at {n}, grows by 2 after a round in which every drafted token was accepted, and "
    "otherwise shrinks by 1, to no less than 1",
    "heuristic_transient": "γ starts at {n}, grows by 2 after a round in which every drafted token was "
    "accepted, and otherwise shrinks by 1, to no less than 1; it is forgotten after each prompt",
}

COLLECTORS = {
    "replay": "Replayed settings share one pass: the target wrote every continuation alone, both models were "
    "scored over these texts, and at each position the fate of the draft's proposal was drawn given the "
    "target's token y. When sampling it is accepted, and then is y, with probability min(1, q(y)/p(y)), and "
    "else rejected and drawn in proportion to max(0, q − p); under greedy decoding it is the draft's "
    "likeliest token, accepted where that is y. Since speculative decoding is lossless [@leviathan2023; "
    "@chen2023], these fates do not depend on the schedule, which only decides which positions are judged: "
    "accepted and rejected tokens of every setting are counted from them, exactly in law when sampling and "
    "verdict for verdict when greedy. {tails}",
    "assisted": "Assisted settings were traced in Hugging Face's own `generate(assistant_model=…)`, which "
    "implements speculative decoding [@leviathan2023; @chen2023], unmodified, with a recorder made of public "
    "hooks.",
    "batched": "Batched settings were run as real rounds of speculative decoding [@leviathan2023; @chen2023] "
    "for many prompts at once, each with its own accepted length and γ.",
}
TAILS = {
    "none": "Discarded tokens were not collected but for settings with figures of their own.",
    "counts": "Discarded tokens come from the draft's own continuation after each rejected proposal.",
    "full": "Discarded tokens, with p and q, come from the draft's own continuation after each rejected "
    "proposal.",
}

DEFINITIONS = (
    "A drafted token is *accepted* where verification kept it, *rejected* where it was the first failure of "
    "its round, and *discarded* where it was drafted after that failure; accepted and rejected tokens are "
    "*judged*, discarded ones never are. Below, A, R and D count accepted, rejected and all drafted tokens, "
    "B rounds and E emitted tokens.",
    "- `acceptance_rate` is A / (A + R), per judged token.",
    "- `acceptance_rate_prompt_mean` is the mean over prompts of A / (A + R), with the samples of a prompt "
    "summed first and prompts with nothing judged left out and counted; it is the rate by which schedules "
    "are compared.",
    "- `draft_acceptance_rate` is A / D, which servers report; it falls with γ by construction and is never "
    "compared across γ.",
    "- `token_acceptance_ratio` is A / E, and `block_efficiency` is E / B, emitted tokens per call of the "
    "target with the bonus or correction token counted [@leviathan2023].",
    "- `modelled_speed_up` is `block_efficiency` / (`gamma_mean` · c + 1) [@leviathan2023, thm 3.8], with "
    "c, the `cost_ratio`, the cost of a draft call in target calls: {cost}. It is modelled, not measured. "
    "The best setting of a group has the greatest modelled speed-up; `loss_percent` is what the group loses "
    "of it at the setting that is best for all prompts together.",
)

#: What needs p and q, draft positions or the length limit.
TOKEN_DEFINITIONS = (
    "- p and q are the probabilities of the drafted token under target and draft, in float32, after the "
    "processing of logits that verification used.",
    "- `block_efficiency_independent` is (1 − α^(γ+1)) / (1 − α) with α the group's acceptance rate at "
    "`constant-1`: the block efficiency of constant settings without threshold if acceptance were "
    "independent of the draft position [@leviathan2023, eq. 1].",
    "- `conditional_acceptance` at draft position j is accepted at j / judged at j; `survival` at j is the "
    "share of rounds with at least j accepted tokens.",
    "- `overlap` is Σ min(p(x), q(x)) over the vocabulary at a judged position, which under sampling is the "
    "probability of acceptance there [@leviathan2023; @chen2023]; under greedy decoding another quantity.",
    "- The *likelihood difference* is p − q. The draft is *surer* where q > p, *over-confident* where also "
    "q ≥ {ratio:g} p; `severity` is the mean of (1 − p/q)₊ over judged tokens.",
    "- `gamma_mean` is D / B, and `share_cut` is the share of rounds shortened by the length limit.",
)

INFERENCE = (
    "- *Intervals.* Of each rate R = ΣA / ΣQ two 95 % intervals are given, both from the residuals A − R·Q "
    "[@cochran1977] on the logit with t quantiles: over *these terms*, with prompts as clusters and "
    "residuals taken from their template's mean, and over *terms like these*, with terms as clusters. A "
    "group of one or two terms borrows the spread of the others.",
    "- *Which groups differ.* Terms' rates, linearised within each group and stratum, are fitted by groups "
    "and strata; contrasts are studentised, and terms are permuted over groups within strata "
    "{permutations:,} times. The p-value of all pairs at once is (1 + worlds as extreme) / (1 + worlds) "
    "[@phipson2010], those of single pairs are adjusted by step-down [@westfall1993; @romano2005], which "
    "is approximate here. "
    "Simultaneous intervals are those of Tukey and Kramer. Terms are taken to be exchangeable between groups "
    "where these do not differ.",
    "- *Power.* The detectable gap is found with 80 % probability by a simultaneous interval, at the spread "
    "of terms measured here.",
    "- *Where the variance sits* is estimated by restricted maximum likelihood on the rates of samples: "
    "groups fixed, terms, templates and prompts random.",
)

#: What needs more than counts of prompts.
TOKEN_INFERENCE = (
    "- *How hard the text is.* Adjusted differences are least squares of prompts' rates on group, template, "
    "length in tokens, mean log-probability under the target and target entropy, over the range of these "
    "that both groups have, with errors clustered on terms (CR2, Satterthwaite's degrees of freedom).",
    "- *Distances* between distributions count every term "
    "alike; their p-values permute terms of the two groups within strata. *Standardised* rates weigh draft "
    "positions by the pooled share of judged tokens there.",
    "- *Distinctive tokens* are ranked by weighted log-odds with an informative Dirichlet prior of "
    "{prior:g} tokens [@monroe2008], and are exploratory.",
)

PAIRED = (
    "- *Drafts of one target* are compared over the prompts judged under both. The residuals of a difference "
    "of two rates are those of the first less those of the second, each over its ΣQ, which pairs them by "
    "prompt; the two 95 % intervals are made of these as above. p-values of groups are those of the interval "
    "over terms, adjusted for all groups and comparisons of a target [@holm1979]. The difference of a group "
    "less that of all prompts outside of it is the change of its gap."
)

PROMPTS_AS_UNITS = (
    "They name no identity terms, so each prompt is a unit of its own: what is said of a group is about "
    "prompts like these."
)
UNITS = (
    "Prompts fall into identity terms × templates. The term, within its group, is the unit of any claim "
    "about a group, since other prompts about the same term are not new evidence about it [@clark1973]; "
    f"groups of fewer than {HEADLINE_UNITS} terms are named last. A prompt without a term is a unit of its "
    "own."
)
