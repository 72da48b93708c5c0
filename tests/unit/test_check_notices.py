"""What a config sets without effect is said before anything runs."""

from typing import Any

import pytest

from specgap import check
from specgap.config import Study, parse

SETTINGS = [{"schedule": "constant", "num_assistant_tokens": [1, 2, 3, 4, 5]}]


def study(**keys: Any) -> Study:
    return parse({"settings": SETTINGS, **keys}, source="test")


def test_a_study_of_defaults_has_no_notices() -> None:
    assert check.notices(study()) == []


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"collector": "assisted", "tails": "none"}, "tails: none changes nothing"),
        ({"collector": "assisted", "batch": 3}, "batch: 3 changes nothing"),
        ({"tails": "none"}, "order_effect away"),
    ],
)
def test_what_changes_nothing_or_more_than_it_says_is_noted(keys: dict[str, Any], said: str) -> None:
    (notice,) = check.notices(study(**keys))
    assert said in notice


@pytest.mark.parametrize(
    ("names", "drawn"),
    [
        ([1, 2, 3], ["constant-1", "constant-2", "constant-3"]),
        ([1, 5, 2, 20], ["constant-5", "constant-20"]),
        ([1, 2, 3, 4], ["constant-1", "constant-2", "constant-3"]),
    ],
)
def test_without_a_word_at_most_three_settings_have_figures(names: list[int], drawn: list[str]) -> None:
    settings = [{"schedule": "constant", "num_assistant_tokens": names}]
    chosen = study(settings=settings).figure_settings_of("sampled")
    assert [setting.name for setting in chosen] == drawn
