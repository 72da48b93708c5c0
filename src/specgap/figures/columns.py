"""What a figure may rest on: the columns of each table, and the module of each kind. No heavy import."""

_RATES = (
    "acceptance_rate acceptance_rate_prompt_mean draft_acceptance_rate token_acceptance_ratio "
    "block_efficiency gamma_mean cost_ratio modelled_speed_up share_cut overlap"
)
_COUNTS = (
    "n_prompts n_prompts_unjudged n_terms n_templates n_rounds n_drafted n_judged n_accepted n_rejected "
    "n_discarded n_emitted"
)
_SURER = (
    "n_surer_accepted n_surer_rejected surer_rate n_over_confident_accepted n_over_confident_rejected "
    "severity entropy mode pilot note"
)

_ABOUT = "mode pilot note"

#: Table to its columns. A table of another grouping, `name--grouping`, has those of `name`.
COLUMNS: dict[str, frozenset[str]] = {
    name: frozenset(columns.split())
    for name, columns in {
        "acceptance": f"group {_COUNTS} {_RATES} {_SURER}",
        "acceptance_by_position": "group position n_judged n_accepted conditional_acceptance low high "
        "survival survival_low survival_high n_prompts n_units note",
        "intervals": "group quantity weight value these_low these_high these_se like_low like_high like_se "
        f"design_effect n_units n_templates n_prompts n_whole {_ABOUT}",
        "group_differences": "group_a group_b acceptance_rate_a acceptance_rate_b difference difference_pp "
        "odds_ratio ratio n_terms_a n_terms_b headline contrast_pp contrast_se_pp simultaneous_low_pp "
        "simultaneous_high_pp p_adjusted detectable_pp claim note",
        "gap_test": "n_groups n_units n_strata n_pairs permutations df p_omnibus group_a group_b gap_pp "
        "simultaneous_low_pp simultaneous_high_pp p_adjusted pair_detectable_pp different_a different_b "
        "different_pp different_low_pp different_high_pp different_p_adjusted share_as_large null_mean_pp "
        f"null_p95_pp detectable_pp small_gap_pp verdict unit claim {_ABOUT}",
        "gap_null": "scale low high count observed group_a group_b note",
        "terms": "group term stratum n_prompts n_judged n_accepted acceptance_rate pilot note",
        "variance": f"component variance sd_points share n_levels {_ABOUT}",
        "power": f"n_terms power_80_pp now {_ABOUT}",
        "distributions": f"group quantity low high share median p05 p25 p75 p95 n_units {_ABOUT}",
        "distinctive_tokens": "group verdict token text count n_prompts n_terms log_odds z low high "
        f"{_ABOUT}",
        "surer_tokens": "group verdict token text count n_prompts mean_p mean_q replaced_by example note",
        "histograms": "group verdict quantity bin low high count note",
        "joint_histogram": "group verdict p_low p_high q_low q_high count note",
        "calibration": "bin low high n_judged n_accepted acceptance_rate mean_min_ratio band_low band_high",
    }.items()
}

_SCHEDULE = (
    "setting schedule num_assistant_tokens confidence_threshold carry_state collector compared grouping group"
)

#: The same for the tables over all settings, which lie in the folder `all`.
SETTINGS_COLUMNS: dict[str, frozenset[str]] = {
    name: frozenset(columns.split())
    for name, columns in {
        "settings": f"{_SCHEDULE} {_COUNTS} {_RATES} block_efficiency_independent {_SURER}",
        "histograms": "setting verdict quantity bin low high count share note",
        "best_schedule": "grouping group among n_settings n_prompts n_terms cost_ratio best_setting "
        "best_num_assistant_tokens best_block_efficiency best_speed_up near_best_low near_best_high "
        "average_setting average_num_assistant_tokens average_block_efficiency average_speed_up loss_percent "
        "loss_percent_se mode pilot note",
        "schedule_state": "setting series prompt sample round n requested requested_mean requested_p05 "
        "requested_p25 requested_median requested_p75 requested_p95 mode pilot note",
        "order_effect": "setting series order group n_terms n_groups_before n_drafted n_judged n_accepted "
        "draft_acceptance_rate acceptance_rate gamma_mean block_efficiency mode pilot note",
        "cross_check": "replayed checked collector grouping group quantity n_prompts n_terms replayed_value "
        "replayed_low replayed_high checked_value checked_low checked_high difference difference_se z "
        "n_prompts_differ n_prompts_differ_drafted mode pilot note",
        "measured_speed_up": "setting grouping group n_prompts n_terms plain_seconds assisted_seconds "
        "measured_speed_up measured_speed_up_low measured_speed_up_high device mode pilot note",
    }.items()
}

#: The same for the tables over all pairs of a decoding, which lie in the folder `all` of pairs.
PAIRS_COLUMNS: dict[str, frozenset[str]] = {
    name: frozenset(columns.split())
    for name, columns in {
        "pairs_overview": "grouping group pair target draft acceptance_rate acceptance_rate_prompt_mean "
        "these_low these_high like_low like_high block_efficiency n_terms n_units n_prompts n_judged "
        f"{_ABOUT}",
        "pair_differences": "target pair_a pair_b grouping group difference_pp these_low_pp these_high_pp "
        "like_low_pp like_high_pp p p_adjusted change_vs_others_pp change_low_pp change_high_pp "
        f"change_p_adjusted n_terms n_units n_prompts n_prompts_left_out {_ABOUT}",
    }.items()
}

#: Kind to the module of `specgap.figures` that draws it.
KINDS: dict[str, str] = {
    "probabilities": "probabilities",
    "probabilities_by_group": "probabilities",
    "probabilities_by_setting": "settings",
    "likelihood_difference": "difference",
    "largest_difference": "largest",
    "forest": "forest",
    "group_differences": "group_differences",
    "largest_gap": "largest_gap",
    "term_dots": "term_dots",
    "variance": "variance",
    "power": "power",
    "surer_draft": "surer",
    "distinctive_tokens": "distinctive",
    "distributions": "ridges",
    "position": "position",
    "joint_probabilities": "joint",
    "calibration": "calibration",
    "schedule_sweep": "sweep",
    "best_schedule": "best",
    "schedule_state": "state",
    "order_effect": "orders",
    "cross_check": "cross",
    "measured_speed_up": "speed",
    "pairs_overview": "pairs",
}
