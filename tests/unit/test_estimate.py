"""What a study will cost: measured on a pilot, scaled to all of it, and told line by line."""

from pathlib import Path

import pytest

from specgap.costs import Estimate, Part, as_lines
from specgap.estimate import measure
from specgap.layout import Cell
from specgap.prompts import PromptSet, Row, prompt_id
from tests.support.tiny_models import random_pair
from tests.support.tracing import tiny_study

pytestmark = pytest.mark.slow

ONE = Estimate(
    pair="a",
    decoding="sampled",
    device="cpu (x)",
    start_up=36.0,
    model_parts=(Part("paths", 3, 3600.0, 2e6), Part("tails", 3, 1800.0, 4e6)),
    counting_parts=(Part("heuristic-5", 3, 10.0, 1e6),),
    memory=3e9,
)


def test_hours_are_those_of_work_and_of_loading_the_models_for_each_job() -> None:
    assert ONE.model_jobs == 6
    assert ONE.device_hours == pytest.approx(1.5 + 6 * 0.01)
    assert ONE.disk == 7e6


def test_lines_add_up_what_pairs_and_decodings_take() -> None:
    lines = list(as_lines([ONE, ONE]))
    total = next(line.split() for line in lines if line.startswith("all"))
    assert total == ["all", "12", "3.12", "14", "MB"]
    assert lines[-1].startswith("measured on cpu (x); ")


def prompts(n: int) -> PromptSet:
    texts = [f"w{number} w{number + 1}" for number in range(5, 5 + n)]
    rows = [
        Row(prompt_id(text), text, {"group": ("ab"[number % 2],)}, None, None, None, "p.csv:2")
        for number, text in enumerate(texts)
    ]
    return PromptSet(tuple(rows), ("group",), None, None, (), None)


@pytest.mark.slow
def test_a_pilot_is_measured_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    settings = [
        {"schedule": "constant", "num_assistant_tokens": [2, 3]},
        {"schedule": "heuristic", "num_assistant_tokens": 2, "carry_state": True},
        {"schedule": "constant", "num_assistant_tokens": 2, "collector": "assisted", "limit": 3},
    ]
    study = tiny_study(
        random_pair(tmp_path / "pair", seed=3),
        *settings,
        collector="replay",
        samples=2,
        figures={"settings": ["constant-2", "heuristic-2-carried"]},
    )
    one = measure(study, prompts(20), Cell("tiny", "sampled"), began=0.0)
    parts = {part.name: part for part in (*one.model_parts, *one.counting_parts)}
    # Three shards, two to a job, two samples.
    assert {name: part.jobs for name, part in parts.items()} == {
        "paths": 4,
        "tails": 4,
        "constant-2-assisted": 4,
        "constant-2": 4,
        "heuristic-2-carried": 1,
        "replay": 1,
    }
    assert all(part.bytes > 0 for name, part in parts.items() if name != "replay")
    assert parts["paths"].seconds > 0
    assert one.memory > 1e7
    assert not list((tmp_path / "tmp").iterdir())
