"""Names in paths: plain ones stay, hostile ones are made safe and kept apart."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specgap.errors import ConfigError, PromptError
from specgap.names import check_name, file_name, file_names

HOSTILE = [
    "a b",
    "a/b",
    "../../etc",
    "it's",
    'say "x"',
    "🏳️‍🌈",
    "two\nlines",
    "..",
    "",
    "x" * 300,
    "; rm -rf /",
    "$(id)",
]


@pytest.mark.parametrize("name", ["female", "queer_gender_pronoun", "Group.1", "a-b"])
def test_a_plain_name_stays(name: str) -> None:
    assert file_name(name) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_becomes_a_safe_one(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_]+-[0-9a-f]{8}", file_name(name))
    assert len(file_name(name)) <= 80


def test_hostile_names_are_kept_apart() -> None:
    assert len(set(file_names(HOSTILE).values())) == len(HOSTILE)


def test_names_that_differ_in_case_alone_are_refused() -> None:
    with pytest.raises(PromptError, match="'Queer' and 'queer' would share the file name"):
        file_names(["Queer", "queer"])


@given(st.lists(st.text(max_size=12), unique_by=str.casefold))
def test_different_groups_have_different_files(groups: list[str]) -> None:
    names = file_names(groups)
    assert len({name.casefold() for name in names.values()}) == len(groups)


@pytest.mark.parametrize("name", [*HOSTILE, "all", "study", "-x", "a--b"])
def test_a_name_from_the_config_must_be_plain(name: str) -> None:
    with pytest.raises(ConfigError, match="a pair is named"):
        check_name(name, what="a pair")
