"""Inputs that once made a reader fail, and others from every target of `make fuzz`."""

import pytest

from specgap.config import parse
from specgap.errors import ConfigError
from tests.fuzz.seeds import kept_seeds
from tests.fuzz.targets import TARGETS, attempt


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_found_by_fuzzing_is_read_or_refused_with_a_sentence(target: str) -> None:
    seeds = [int(seed) for name, seed in kept_seeds() if name == target]
    assert seeds
    for seed in seeds:
        attempt(target, seed)


def test_an_unknown_key_with_a_bracket_is_named() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'se\[ed'"):
        parse({"se[ed": 1}, source="study.yaml")
