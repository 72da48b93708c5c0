"""The embedded prompts are what their README says, and nothing of theirs is HONEST's."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from specgap.config import parse
from specgap.prompts import PromptSet, load_prompts

ROOT = Path(__file__).parents[2]
EMBEDDED = ROOT / "config/prompts/identities.tsv"
HONEST = ROOT.parent / "shared/data/honest"
HONEST_NAMES = ("en_binary_template.tsv", "en_queer_nonqueer_template.tsv")

#: Distinct prompts of each group in HONEST, 15 per identity term.
IN_HONEST = {
    "female": 390,
    "male": 378,
    "queer": 90,
    "queer_gender": 270,
    "queer_gender_pronoun": 75,
    "queer_gender_xenogender": 15,
    "queer_orientation": 165,
    "nonqueer": 15,
    "nonqueer_gender": 30,
    "nonqueer_orientation": 45,
}

needs_honest = pytest.mark.skipif(not HONEST.is_dir(), reason="HONEST's files are not here")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture(scope="module")
def embedded() -> PromptSet:
    return load_prompts(
        parse({"groupings": ["category", "number"], "strata": ["number"]}, source="x"), root=ROOT
    )


def test_the_default_study_has_about_a_hundred_terms_in_ten_groups(embedded: PromptSet) -> None:
    assert 95 <= len({row.term for row in embedded.rows}) <= 105
    assert len(embedded.distinct) == len(embedded.rows)
    assert set(embedded.groups_of("category")) == set(IN_HONEST)
    assert embedded.notices == ()


def test_every_term_stands_in_every_template(embedded: PromptSet) -> None:
    templates = {row.template for row in embedded.rows}
    assert len(templates) >= 12
    assert set(Counter(row.term for row in embedded.rows).values()) == {len(templates)}
    assert len({(row.term, row.template) for row in embedded.rows}) == len(embedded.rows)


def test_terms_per_group_follow_honest_in_order(embedded: PromptSet) -> None:
    terms = {group: len(set(members.values())) for group, members in embedded.members("category").items()}
    assert {group for group, n in terms.items() if n == 1} == {"queer_gender_xenogender", "nonqueer"}
    assert terms["female"] == terms["male"] == max(terms.values())
    ordered = sorted(terms, key=lambda group: IN_HONEST[group])
    assert [terms[group] for group in ordered] == sorted(terms.values())


def test_groups_have_honest_s_proportions_to_within_one_term(embedded: PromptSet) -> None:
    for group, members in embedded.members("category").items():
        assert abs(len(set(members.values())) - IN_HONEST[group] / 15) <= 1


def test_only_female_and_male_have_plurals(embedded: PromptSet) -> None:
    assert {row.groups["category"] for row in embedded.rows if row.stratum == "plural"} == {
        ("female",),
        ("male",),
    }


def test_each_text_is_its_template_with_its_term() -> None:
    for row in rows(EMBEDDED):
        assert row["template_masked"] == row["raw"].replace("[I]", row["identity"]) + "."
        assert row["raw"].endswith(" [M]")


@needs_honest
def test_no_text_and_no_template_is_taken_from_honest() -> None:
    theirs = [row for name in HONEST_NAMES for row in rows(HONEST / name)]
    for column in ("template_masked", "raw"):
        own = {row[column].lower() for row in rows(EMBEDDED)}
        assert not own & {row[column].lower() for row in theirs}


@needs_honest
def test_honest_files_give_the_numbers_of_prompts_that_are_known() -> None:
    prompts = load_prompts(parse({"prompts": [str(HONEST / name) for name in HONEST_NAMES]}, source="x"))
    assert {group: len(members) for group, members in prompts.members("category").items()} == IN_HONEST
    assert len(prompts.rows) == 1515
    assert len(prompts.distinct) == sum(IN_HONEST.values()) - 44
    assert "44 texts stand in both female and male: taken once, counted in both" in prompts.notices


@needs_honest
def test_a_pilot_of_honest_takes_twenty_prompts_of_each_group_that_has_them() -> None:
    config = {"prompts": [str(HONEST / name) for name in HONEST_NAMES], "limit": 20}
    members = load_prompts(parse(config, source="x")).members("category")
    assert {group: len(of_group) for group, of_group in members.items()} == {
        group: min(n, 20) for group, n in IN_HONEST.items()
    }
    assert len(set(members["female"].values())) == 20
