"""What jobs ask a cluster for follows from how much work they are, and docs say the same."""

from pathlib import Path

import pytest

from specgap import resources
from specgap.config import Study, parse
from specgap.resources import Needs, measure_needs, step_needs, trace_needs, weights_mb
from tests.support.sandbox import ROOT


@pytest.fixture
def folders(tmp_path: Path) -> str:
    """A folder that holds a model of 500 MB, by its length."""
    (tmp_path / "config.json").write_text("{}")
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(500_000_000)
    return str(tmp_path)


def study(source: str, **keys: object) -> Study:
    pair = {"target": source, "draft": source}
    settings = [{"schedule": "constant", "num_assistant_tokens": 5}]
    return parse({"pairs": {"pair": pair}, "settings": settings, **keys}, source="a test")


def traced(source: str, n_prompts: int = 1000, setting: str = "", **keys: object) -> Needs:
    return trace_needs(study(source, **keys), "pair", "sampled", n_prompts=n_prompts, setting=setting)


def test_more_prompts_take_longer_and_larger_models_more_memory(folders: str) -> None:
    assert traced(folders, 100_000).minutes > traced(folders, 1000).minutes
    assert traced("a/hub-model").mem_mb - traced(folders).mem_mb == 2 * 2 * (16_000 - 500)


def test_one_prompt_at_a_time_takes_longer_than_a_batch(folders: str) -> None:
    one, many = (traced(folders, setting="constant-5", collector=name) for name in ("assisted", "batched"))
    assert one.minutes > many.minutes
    assert one.mem_mb < many.mem_mb


def test_a_job_that_died_asks_for_more() -> None:
    assert Needs(mem_mb=1000, minutes=10).at(3) == Needs(mem_mb=3000, minutes=30)


def test_the_config_overrides_the_estimate_of_jobs_that_run_models_alone(folders: str) -> None:
    given = {"resources": {"mem_mb": 123, "minutes": 7}}
    assert traced(folders, **given) == Needs(123, 7)
    assert measure_needs(study(folders, **given), "pair", n_prompts=9) == Needs(123, 7)
    assert step_needs("draw").mem_mb != 123


def test_a_folder_that_a_rule_has_yet_to_make_weighs_nothing(tmp_path: Path) -> None:
    assert weights_mb(str(tmp_path / "not yet")) == 0


def test_a_hub_model_weighs_what_the_cache_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = tmp_path / "models--some--model/snapshots/abc"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(b"0" * 3_000_000)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert weights_mb("some/model") == 3
    assert weights_mb("another/model") == resources.UNKNOWN_WEIGHTS_MB


def test_the_table_of_docs_is_what_the_code_says(folders: str) -> None:
    gpu = {"resources": {"gpu": 1}}
    expected = [
        traced(folders, **gpu),
        traced(folders),
        traced(folders, setting="constant-5", collector="assisted", **gpu),
        step_needs("count", tokens=24_000_000),
        step_needs("tabulate"),
        step_needs("draw"),
        step_needs("report"),
    ]
    table = (ROOT / "docs/cluster.md").read_text().split("<!-- needs:")[1].split("\n\n")[0].splitlines()[3:]
    found = [Needs(*(int(cell) for cell in row.split("|")[2:4])) for row in table]
    assert found == expected
