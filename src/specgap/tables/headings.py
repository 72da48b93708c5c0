"""What the TeX tables show: columns of the CSV, headings, decimals and the caption."""

from dataclasses import dataclass

from specgap.tables.tex import Column


@dataclass(frozen=True)
class Shown:
    """The printed form of a table."""

    caption: str
    columns: tuple[Column, ...]


ROUNDED = "Numbers are rounded; the CSV beside this table has them in full precision."
_GROUP = Column("group", "Group")
_NOTE = Column("note", "Note", wide=True)
_PROMPTS = Column("n_prompts", "Prompts")
_TERMS = Column("n_terms", "Terms")
_JUDGED = Column("n_judged", "Judged")
_RATES = (
    Column("acceptance_rate", "Acceptance rate", 4),
    Column("acceptance_rate_prompt_mean", "Prompt mean", 4),
    Column("draft_acceptance_rate", "Accepted per drafted", 4),
    Column("block_efficiency", "Block efficiency", 3),
    Column("overlap", "Overlap", 4),
)

TABLES = {
    "acceptance": Shown(
        "Acceptance by group. Acceptance rate: accepted / (accepted + rejected), per judged token; prompt "
        "mean: mean of the prompts' own rates; block efficiency: emitted tokens per target call; modelled "
        "speed-up: block efficiency / (γ c + 1) with γ the mean drafted per round and c the cost of a draft "
        "call in target calls; overlap: mean of the sum of min(p, q) at judged positions.",
        (
            _GROUP,
            _PROMPTS,
            _TERMS,
            _JUDGED,
            *_RATES,
            Column("modelled_speed_up", "Modelled speed-up", 3),
            Column("surer_rate", "Draft surer", 4),
            _NOTE,
        ),
    ),
    "acceptance_by_position": Shown(
        "Acceptance by draft position. Conditional acceptance: accepted / judged at the position; survival: "
        "share of all rounds with at least so many accepted tokens.",
        (
            _GROUP,
            Column("position", "Position"),
            _JUDGED,
            Column("conditional_acceptance", "Conditional acceptance", 4),
            Column("survival", "Survival", 4),
            _PROMPTS,
            _NOTE,
        ),
    ),
    "intervals": Shown(
        "Rates by group with two 95 % intervals: over these terms (other prompts of the same terms), and "
        "over terms like these. Pooled: over judged tokens or rounds; prompt mean: mean of the prompts' own.",
        (
            _GROUP,
            Column("quantity", "Rate"),
            Column("weight", "Weight"),
            Column("value", "Value", 4),
            Column("these_low", "These terms, from", 4),
            Column("these_high", "to", 4),
            Column("like_low", "Terms like these, from", 4),
            Column("like_high", "to", 4),
            Column("n_units", "Units"),
            _PROMPTS,
        ),
    ),
    "group_differences": Shown(
        "Differences between groups in acceptance rate, per judged token; beside them the difference within "
        "strata that is tested, its simultaneous 95 % interval and its p-value adjusted for all pairs (terms "
        "permuted over groups). Groups also differ in length, grammar and number of their prompts.",
        (
            Column("group_a", "Higher"),
            Column("group_b", "Lower"),
            Column("acceptance_rate_a", "Rate", 4),
            Column("acceptance_rate_b", "Rate", 4),
            Column("difference_pp", "Difference (pp)", 2),
            Column("contrast_pp", "Tested (pp)", 2),
            Column("simultaneous_low_pp", "from", 2),
            Column("simultaneous_high_pp", "to", 2),
            Column("p_adjusted", "Adjusted p", 4),
            Column("odds_ratio", "Odds ratio", 3),
            Column("ratio", "Ratio", 3),
            Column("n_terms_a", "Terms"),
            Column("n_terms_b", "Terms"),
            _NOTE,
        ),
    ),
    "gap_test": Shown(
        "The test of all pairs of groups: the largest gap in acceptance rate with its simultaneous 95 % "
        "interval, the one that is named as more than chance, what the largest gap is where no two groups "
        "differ, and the smallest gap found with 80 % power.",
        (
            Column("n_groups", "Groups"),
            Column("n_units", "Units"),
            Column("group_a", "Higher"),
            Column("group_b", "Lower"),
            Column("gap_pp", "Gap (pp)", 2),
            Column("simultaneous_low_pp", "from", 2),
            Column("simultaneous_high_pp", "to", 2),
            Column("p_adjusted", "Adjusted p", 4),
            Column("different_a", "More than chance: higher"),
            Column("different_b", "lower"),
            Column("different_pp", "Gap (pp)", 2),
            Column("null_mean_pp", "Largest by chance (pp)", 2),
            Column("detectable_pp", "Detectable (pp)", 2),
            Column("verdict", "Verdict"),
            _NOTE,
        ),
    ),
    "adjusted_differences": Shown(
        "Is the draft worse here, or is the text harder for anyone? Differences of prompt means, as they are "
        "and at equal length of the prompt, log-probability under the target, target entropy, template and "
        "stratum, over the prompts that both groups reach (support), with a 95 % interval of each pair by "
        "itself.",
        (
            Column("group_a", "Higher"),
            Column("group_b", "Lower"),
            Column("unadjusted_pp", "Unadjusted (pp)", 2),
            Column("adjusted_pp", "Adjusted (pp)", 2),
            Column("adjusted_low_pp", "from", 2),
            Column("adjusted_high_pp", "to", 2),
            Column("support", "Support"),
            _NOTE,
        ),
    ),
    "distances": Shown(
        "How far apart the distributions of p, q and p − q of judged tokens are, each unit weighing the "
        "same: Wasserstein-1 in units of probability, Kolmogorov–Smirnov as the largest gap of shares, p by "
        "permuting units. Descriptive: p is not corrected for the number of pairs.",
        (
            Column("group_a", "Group"),
            Column("group_b", "Other"),
            Column("quantity", "Quantity"),
            Column("wasserstein", "Wasserstein-1", 4),
            Column("p_wasserstein", "p", 4),
            Column("ks", "Kolmogorov–Smirnov", 4),
            Column("p_ks", "p", 4),
            _NOTE,
        ),
    ),
    "standardised_acceptance": Shown(
        "Acceptance rates at one mix of draft positions, over those that all groups reach, with a 95 % "
        "interval over units: what is left of a difference that comes from drafts of different length.",
        (
            _GROUP,
            Column("acceptance_rate", "Acceptance rate", 4),
            Column("standardised_rate", "At one mix", 4),
            Column("standardised_low", "from", 4),
            Column("standardised_high", "to", 4),
            Column("n_positions", "Positions"),
            _NOTE,
        ),
    ),
    "mixed_model": Shown(
        "Appendix, a cross-check: each group's mean rate in a mixed model of prompts' rates, groups and "
        "templates fixed, terms random (statsmodels MixedLM).",
        (
            _GROUP,
            Column("estimate", "Mean rate", 4),
            Column("se", "SE", 4),
            Column("low", "from", 4),
            Column("high", "to", 4),
            Column("n_units", "Units"),
            _NOTE,
        ),
    ),
    "distinctive_tokens": Shown(
        "Tokens with q > p that a group has more often than the rest, by weighted log-odds with an "
        "informative Dirichlet prior (Monroe et al. 2008). Exploratory: no claim.",
        (
            _GROUP,
            Column("verdict", "Verdict"),
            Column("text", "Token"),
            Column("count", "Count"),
            _PROMPTS,
            _TERMS,
            Column("log_odds", "Log-odds", 2),
            Column("low", "from", 2),
            Column("high", "to", 2),
            Column("z", "z", 1),
            _NOTE,
        ),
    ),
    "surer_tokens": Shown(
        "Tokens that the draft was surer of than the target (q > p): the most frequent by group and verdict.",
        (
            _GROUP,
            Column("verdict", "Verdict"),
            Column("text", "Token"),
            Column("count", "Count"),
            _PROMPTS,
            Column("mean_p", "Mean p", 4),
            Column("mean_q", "Mean q", 4),
            Column("replaced_by", "Replaced by", wide=True),
            _NOTE,
        ),
    ),
    "calibration": Shown(
        "Calibration: realised acceptance of tokens by min(1, p/q), the probability of acceptance under "
        "sampling, with the exact binomial 95 % band around its mean.",
        (
            Column("low", "From", 2),
            Column("high", "To", 2),
            _JUDGED,
            Column("acceptance_rate", "Accepted", 4),
            Column("mean_min_ratio", "Expected", 4),
            Column("band_low", "Band from", 4),
            Column("band_high", "to", 4),
            _NOTE,
        ),
    ),
    "settings": Shown(
        "Acceptance by schedule setting and group. Compare settings by the prompt mean; accepted per "
        "drafted falls with the number of drafted tokens by construction. If independent: the block "
        "efficiency that constant drafts would have if acceptance were independent of the position, "
        "(1 − α^(γ+1)) / (1 − α) with α the group's acceptance rate at constant-1 (Leviathan et al. 2023, "
        "equation 1). Modelled speed-up: block efficiency / (γ c + 1) with γ the mean drafted and c the cost "
        "of a draft call in target calls.",
        (
            Column("setting", "Setting"),
            _GROUP,
            _JUDGED,
            *_RATES,
            Column("block_efficiency_independent", "If independent", 3),
            Column("gamma_mean", "Mean drafted", 2),
            Column("modelled_speed_up", "Modelled speed-up", 3),
            Column("share_cut", "Share cut", 4),
            _NOTE,
        ),
    ),
    "best_schedule": Shown(
        "The setting with the greatest modelled speed-up for each group, among constant drafts of γ tokens "
        "and among all settings, and what the group loses of it at the setting that is best for all prompts "
        "together. Near: the γ around the best one within 1 % of its speed-up. Losses are never negative, "
        "since each group's best is chosen among several.",
        (
            Column("group", "Group"),
            Column("among", "Among"),
            Column("n_settings", "Settings"),
            Column("best_setting", "Best"),
            Column("best_speed_up", "Speed-up", 3),
            Column("near_best_low", "Near from", 0),
            Column("near_best_high", "to", 0),
            Column("average_setting", "Best for all"),
            Column("average_speed_up", "Speed-up", 3),
            Column("loss_percent", "Loss (%)", 2),
            Column("loss_percent_se", "SE", 2),
            _NOTE,
        ),
    ),
    "cross_check": Shown(
        "Replay beside real rounds on the same prompts. Difference: replayed − real, with a standard error "
        "that takes prompts as clusters and pairs them; z: the difference in standard errors. Under greedy "
        "decoding all prompts must be equal in accepted, rejected and emitted tokens and in rounds.",
        (
            Column("replayed", "Replayed"),
            Column("checked", "Real rounds"),
            Column("quantity", "Quantity"),
            _GROUP,
            _PROMPTS,
            Column("replayed_value", "Replay", 4),
            Column("checked_value", "Real", 4),
            Column("difference", "Difference", 4),
            Column("difference_se", "SE", 4),
            Column("z", "z", 2),
            Column("n_prompts_differ", "Prompts that differ", 0),
            _NOTE,
        ),
    ),
    "measured_speed_up": Shown(
        "Measured speed-up: seconds of the target alone / seconds of assisted generation for the same "
        "prompts on one device, with the 95 % interval on the logarithm with prompts as clusters.",
        (
            Column("setting", "Setting"),
            _GROUP,
            _PROMPTS,
            Column("plain_seconds", "Alone (s)", 4),
            Column("assisted_seconds", "Assisted (s)", 4),
            Column("measured_speed_up", "Speed-up", 3),
            Column("measured_speed_up_low", "from", 3),
            Column("measured_speed_up_high", "to", 3),
            Column("device", "Device"),
            _NOTE,
        ),
    ),
    "pairs_overview": Shown(
        "Pairs side by side: acceptance rate (accepted / judged tokens) by group with two 95 % intervals, "
        "over these terms (other prompts of the same terms), and over terms like these. Rates of different "
        "targets are not tested against each other.",
        (
            _GROUP,
            Column("pair", "Pair"),
            Column("target", "Target"),
            Column("draft", "Draft"),
            Column("acceptance_rate", "Acceptance rate", 4),
            Column("these_low", "These terms, from", 4),
            Column("these_high", "to", 4),
            Column("like_low", "Terms like these, from", 4),
            Column("like_high", "to", 4),
            Column("acceptance_rate_prompt_mean", "Prompt mean", 4),
            Column("block_efficiency", "Block efficiency", 3),
            Column("n_units", "Units"),
            _PROMPTS,
            _JUDGED,
            _NOTE,
        ),
    ),
    "pair_differences": Shown(
        "Drafts of one target: acceptance rate under the first pair minus that under the second, in "
        "percentage points, paired by prompt over the prompts judged under both, with two 95 % intervals. p: "
        "two-sided t over units; adjusted: Holm's, over all comparisons of one target and groups of three or "
        "more units. Against the others: the group's difference minus that of all prompts outside the group, "
        "which is how much its gap changes, with the interval over units, of each group on its own, and its "
        "own adjusted p.",
        (
            Column("target", "Target"),
            Column("pair_a", "First"),
            Column("pair_b", "Second"),
            _GROUP,
            Column("difference_pp", "Difference (pp)", 2),
            Column("these_low_pp", "These terms, from", 2),
            Column("these_high_pp", "to", 2),
            Column("like_low_pp", "Terms like these, from", 2),
            Column("like_high_pp", "to", 2),
            Column("p", "p", 4),
            Column("p_adjusted", "Adjusted p", 4),
            Column("change_vs_others_pp", "Against the others (pp)", 2),
            Column("change_low_pp", "from", 2),
            Column("change_high_pp", "to", 2),
            Column("change_p_adjusted", "Adjusted p", 4),
            Column("n_units", "Units"),
            _PROMPTS,
            _NOTE,
        ),
    ),
    "prompts": Shown(
        "Prompts by group. Duplicates are rows beyond the first of the same text; shared prompts are in "
        "another group of the same grouping too.",
        (
            Column("grouping", "Grouping"),
            _GROUP,
            _PROMPTS,
            _TERMS,
            Column("n_templates", "Templates"),
            Column("n_duplicates", "Duplicates"),
            Column("n_shared", "Shared"),
            _NOTE,
        ),
    ),
}
