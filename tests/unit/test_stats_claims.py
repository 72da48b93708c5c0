"""The words that follow from the numbers of a test."""

from dataclasses import replace

import pytest

from specgap.stats.claims import Finding, Gap, sentence, verdict

GAP = Gap("male", "female", points=6.7, low=2.1, high=11.3, p_adjusted=0.0031, detectable=9.4)
ALONE = Gap("one", "other", 9.9, -3.1, 22.9, 0.41, detectable=24.2, one_unit=("one",))
FOUND = Finding(
    grouping="category",
    n_groups=10,
    unit="term",
    largest=GAP,
    different=GAP,
    n_pairs=45,
    n_different=3,
    detectable=4.2,
    median_units=8.0,
)
CHANCE = replace(FOUND, largest=replace(GAP, low=-1.2, p_adjusted=0.21), different=None, n_different=0)


def chance(finding: Finding = CHANCE, **gap: object) -> Finding:
    """Return a finding without a difference whose largest gap is changed."""
    assert finding.largest is not None
    return replace(finding, largest=replace(finding.largest, **gap))  # type: ignore[arg-type]


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
        "above female (simultaneous 95 % interval +2.1 to +11.3 points, adjusted p = 0.0031), the largest of "
        "45 gaps and one of 3 more than chance; between groups of 8 terms, the median, a gap of 4.2 points "
        "would have been found with 80 % power."
    )
    assert "the largest of 45 gaps and the only one more than chance" in sentence(
        replace(FOUND, n_different=1)
    )


def test_a_larger_gap_that_may_be_chance_is_named_beside_the_one_that_is_more() -> None:
    said = sentence(replace(FOUND, largest=ALONE))
    assert "No: male is 6.7 points of acceptance rate above female (" in said
    assert "of 45 gaps one of 3 more than chance; the largest of all, one 9.9 points above other, " in said
    assert (
        "where one rests on one term, is not distinguishable from chance (simultaneous 95 % interval −3.1 to "
        "+22.9 points, adjusted p = 0.41); between groups"
    ) in said
    alone = sentence(replace(FOUND, largest=ALONE, n_different=1))
    assert "of 45 gaps the only one more than chance; the largest of all, one 9.9" in alone


def test_a_larger_gap_that_is_more_than_chance_too_is_called_so() -> None:
    apart = sentence(replace(FOUND, largest=replace(ALONE, p_adjusted=0.03, low=0.2)))
    assert "on one term, is another (simultaneous" in apart
    held = sentence(replace(FOUND, largest=replace(ALONE, p_adjusted=0.03)))
    assert "is not distinguishable from chance by its interval, though its p is below 0.05 (simult" in held


def test_a_gap_of_chance_is_called_so_and_what_could_have_been_found_is_said() -> None:
    said = sentence(CHANCE)
    assert "No difference was found: in the largest of 45 gaps male is 6.7 points" in said
    assert "not distinguishable from chance (simultaneous 95 % interval −1.2 to +11.3 points" in said
    assert "adjusted p = 0.21" in said
    assert said.endswith(
        "between groups of 8 terms, the median, a gap of 4.2 points, and between these two one of 9.4, would "
        "have been found with 80 % power."
    )


@pytest.mark.parametrize("detectable", [None, 4.2])
def test_what_two_groups_could_have_shown_is_said_where_it_is_another_number(
    detectable: float | None,
) -> None:
    assert "between these two" not in sentence(chance(detectable=detectable))


def test_too_little_power_is_no_finding_of_equality() -> None:
    said = sentence(replace(CHANCE, detectable=12.0))
    assert "It is not known" in said
    assert "No difference" not in said
    assert "no smaller one, so more terms are needed" in said


def test_pairs_that_could_not_have_shown_a_gap_are_counted() -> None:
    said = sentence(replace(CHANCE, n_blind=9))
    assert "with 80 % power, but in 9 of the 45 gaps none of up to 5." in said
    assert "but in" not in sentence(CHANCE)
    assert "but in" not in sentence(replace(FOUND, n_blind=9))


def test_numbers_are_rounded_to_their_own_side_of_what_the_words_go_by() -> None:
    assert "interval +0.03 to +11.3" in sentence(replace(FOUND, largest=replace(GAP, low=0.03)))
    assert "interval −0.04 to +11.3" in sentence(chance(low=-0.04))
    assert "a gap of 5.04 points" in sentence(replace(CHANCE, detectable=5.04))
    assert "adjusted p = 0.00002" in sentence(replace(FOUND, different=replace(GAP, p_adjusted=0.00002)))


def test_one_group_is_in_the_singular() -> None:
    assert "the 1 group of category" in sentence(Finding("category", 1, "term", reason="one"))


def test_what_cannot_be_told_gives_its_reason_and_no_number() -> None:
    said = sentence(Finding("category", 1, "term", reason="fewer than two groups with judged tokens"))
    assert said.endswith("It cannot be told: fewer than two groups with judged tokens.")


def test_prompts_as_units_are_warned_of() -> None:
    said = sentence(replace(CHANCE, unit="prompt"))
    assert "groups of 8 prompts" in said
    assert "the prompts name no terms" in said


def test_where_no_p_can_be_small_nothing_is_called_equal() -> None:
    few = replace(chance(p_adjusted=0.1, low=18.9, high=20.6), least_p=0.1, detectable=1.2)
    assert verdict(few) == "underpowered"
    said = sentence(few)
    assert "with so few terms no p can be below 0.05, so more are needed" in said
    assert "1.2 points" not in said
    assert "by the test, though its interval leaves 0 out" in said


def test_an_interval_that_holds_0_beside_a_small_p_is_said() -> None:
    said = sentence(chance(low=-0.4, p_adjusted=0.03))
    assert "not distinguishable from chance by its interval, though its p is below 0.05 (" in said


def test_groups_that_were_not_compared_are_no_part_of_the_answer() -> None:
    said = sentence(replace(CHANCE, not_compared=("c", "d")))
    assert said.startswith("Does the draft serve 8 of the 10 groups of category equally?")
    assert said.endswith("; compared with none: c, d.")


def test_a_group_of_one_term_that_is_named_is_called_so() -> None:
    assert "above female, where female rests on one term, not" in sentence(chance(one_unit=("female",)))
    both = chance(one_unit=("male", "female"))
    assert "above female, where male and female rest on one term, not" in sentence(both)


def test_a_difference_within_strata_is_called_so() -> None:
    assert "above female within strata (" in sentence(replace(FOUND, within_strata=True))


def test_one_pair_alone_is_not_one_of_several() -> None:
    said = sentence(replace(FOUND, n_pairs=1, n_different=1))
    assert "adjusted p = 0.0031), more than chance;" in said
    assert "in the only gap male is 6.7 points" in sentence(replace(CHANCE, n_pairs=1))
