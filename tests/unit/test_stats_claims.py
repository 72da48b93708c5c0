"""The words that follow from the numbers of a test."""

from dataclasses import replace

import pytest

from specgap.stats.claims import Finding, sentence, verdict

FOUND = Finding(
    grouping="category",
    n_groups=10,
    unit="term",
    group_a="male",
    group_b="female",
    gap=6.7,
    low=2.1,
    high=11.3,
    p_adjusted=0.0031,
    p=0.0031,
    n_pairs=45,
    n_different=3,
    detectable=4.2,
    median_units=8.0,
)
CHANCE = replace(FOUND, low=-1.2, p_adjusted=0.21, p=0.19, n_different=0)


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        (FOUND, "significant"),
        (replace(FOUND, detectable=9.0), "significant"),
        (CHANCE, "not significant"),
        (replace(CHANCE, detectable=5.0), "not significant"),
        (replace(CHANCE, detectable=5.1), "underpowered"),
        (replace(CHANCE, detectable=5.1, small_gap=6.0), "not significant"),
        (replace(CHANCE, detectable=None), "underpowered"),
        (replace(CHANCE, reason="fewer than two groups"), "not estimable"),
    ],
)
def test_the_verdict_follows_from_the_numbers(finding: Finding, said: str) -> None:
    assert verdict(finding) == said


def test_a_difference_is_named_with_its_interval_p_and_power() -> None:
    assert sentence(FOUND) == (
        "Does the draft serve the 10 groups of category equally? No: male is 6.7 points of acceptance rate "
        "above female (simultaneous 95 % interval +2.1 to +11.3 points, adjusted p = 0.0031), one of 3 among "
        "45 gaps that are more than chance; between groups of 8 terms, the median, a gap of 4.2 points would "
        "have been found with 80 % power."
    )
    assert "of 45 gaps the only one that is more than chance" in sentence(replace(FOUND, n_different=1))


def test_a_gap_of_chance_is_called_so_and_what_could_have_been_found_is_said() -> None:
    said = sentence(CHANCE)
    assert "No difference was found: in the largest gap male is 6.7 points" in said
    assert "not distinguishable from chance (simultaneous 95 % interval −1.2 to +11.3 points" in said
    assert "adjusted p = 0.21" in said
    assert said.endswith("a gap of 4.2 points would have been found with 80 % power.")


def test_too_little_power_is_no_finding_of_equality() -> None:
    said = sentence(replace(CHANCE, detectable=12.0))
    assert "It is not known" in said
    assert "No difference" not in said
    assert "no smaller one, so more terms are needed" in said


def test_what_cannot_be_told_gives_its_reason_and_no_number() -> None:
    said = sentence(Finding("category", 1, "term", reason="fewer than two groups with judged tokens"))
    assert said.endswith("It cannot be told: fewer than two groups with judged tokens.")


def test_prompts_as_units_are_warned_of() -> None:
    said = sentence(replace(CHANCE, unit="prompt"))
    assert "groups of 8 prompts" in said
    assert "the prompts name no terms" in said
