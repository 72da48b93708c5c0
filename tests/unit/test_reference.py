"""config/README.md and the JSON schema say what specgap.config says."""

import json
from pathlib import Path

import pytest
import yaml

from specgap.reference import json_schema, markdown

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("file", "made"), [("config/README.md", markdown), ("workflow/schemas/config.schema.json", json_schema)]
)
def test_the_committed_reference_is_the_one_that_make_schema_writes(file: str, made: object) -> None:
    assert (ROOT / file).read_text() == made()  # type: ignore[operator]


def keys_of(value: object) -> set[str]:
    if isinstance(value, dict):
        return {*value, *(key for item in value.values() for key in keys_of(item))}
    if isinstance(value, list):
        return {key for item in value for key in keys_of(item)}
    return set()


def test_every_key_of_the_embedded_config_has_a_row() -> None:
    rows = {
        line.split("`")[1].rsplit(".", 1)[-1] for line in markdown().splitlines() if line.startswith("| `")
    }
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    named_by_the_user = {"demo", "sampled", "greedy"}
    assert keys_of(config) - named_by_the_user <= {row.split("[]")[0] for row in rows}


def test_every_key_says_what_it_means() -> None:
    for line in markdown().splitlines():
        if line.startswith("| `"):
            assert line.rstrip("|").split(" | ")[-1].strip(), line
    assert json.loads(json_schema())["additionalProperties"] is False
