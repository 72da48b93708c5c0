"""A trace is what transformers' own assisted generation does, and its probabilities are the models' own."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import (
    GenerationConfig,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from specgap.models import ReadyPair
from specgap.settings import Decoding, Setting
from specgap.trace import rebuild
from tests.support.tiny_models import random_pair
from tests.support.tracing import Reference, load, record

pytestmark = pytest.mark.slow

PROMPTS = ([5, 6, 7], [8], [9, 1, 10, 11], [20, 21])
#: (schedule, num_assistant_tokens, threshold, mode, length, warpers, EOS)
CONFIGURATIONS = [
    ("constant", 1, 0.0, "sampled", 16, {}, "one"),
    ("constant", 1, 0.0, "greedy", 16, {}, "one"),
    ("constant", 4, 0.0, "sampled", 16, {}, "one"),
    ("constant", 4, 0.0, "greedy", 16, {}, "one"),
    ("constant", 20, 0.0, "sampled", 16, {}, "one"),
    ("heuristic", 1, 0.0, "sampled", 16, {}, "one"),
    ("heuristic", 5, 0.0, "sampled", 16, {}, "one"),
    ("heuristic", 5, 0.0, "greedy", 16, {}, "one"),
    ("heuristic_transient", 3, 0.0, "sampled", 16, {}, "one"),
    ("heuristic_transient", 3, 0.0, "greedy", 16, {}, "one"),
    ("constant", 6, 0.25, "sampled", 16, {}, "one"),
    ("constant", 6, 0.25, "greedy", 16, {}, "one"),
    ("heuristic", 5, 0.1, "sampled", 16, {}, "one"),
    ("heuristic", 5, 0.4, "greedy", 16, {}, "one"),
    ("heuristic_transient", 5, 0.4, "sampled", 16, {}, "one"),
    ("constant", 5, 0.0, "sampled", 20, {}, "several"),
    ("heuristic", 5, 0.0, "sampled", 20, {}, "several"),
    ("heuristic", 5, 0.2, "sampled", 20, {}, "several"),
    ("constant", 5, 0.0, "greedy", 20, {}, "several"),
    ("constant", 5, 0.0, "sampled", 20, {}, "none"),
    ("heuristic", 5, 0.0, "greedy", 40, {}, "none"),
    ("constant", 5, 0.0, "sampled", 1, {}, "one"),
    ("heuristic", 5, 0.0, "sampled", 2, {}, "one"),
    ("constant", 5, 0.0, "greedy", 3, {}, "one"),
    ("heuristic", 3, 0.0, "sampled", 7, {}, "one"),
    ("constant", 4, 0.0, "sampled", 16, {"temperature": 0.5}, "one"),
    ("heuristic", 4, 0.0, "sampled", 16, {"top_k": 8}, "one"),
    ("constant", 4, 0.3, "sampled", 16, {"top_p": 0.8}, "one"),
    ("heuristic", 4, 0.0, "sampled", 16, {"temperature": 1.5, "top_k": 20, "top_p": 0.9}, "several"),
]
EOS = {"one": (1,), "several": (1, 10, 22, 30, 45, 53), "none": ()}


Tables = tuple[pa.Table, pa.Table]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> ReadyPair:
    return load(random_pair(tmp_path_factory.mktemp("pair"), seed=1, draft_noise=0.2))


@pytest.fixture(scope="module")
def traced(loaded: ReadyPair, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], Tables]:
    """Return a function that traces a configuration of CONFIGURATIONS, each one once."""

    @functools.cache
    def tables(index: int) -> Tables:
        decoding, setting, eos = parsed(CONFIGURATIONS[index])
        folder = tmp_path_factory.mktemp("traces")
        return record(with_eos(loaded, eos), decoding, setting, PROMPTS, folder)

    return tables


def parsed(configuration: tuple[Any, ...]) -> tuple[Decoding, Setting, str]:
    schedule, number, threshold, mode, length, warped, eos = configuration
    setting = Setting(schedule=schedule, num_assistant_tokens=number, confidence_threshold=threshold)
    return Decoding(mode=mode, max_new_tokens=length, **warped), setting, eos


def with_eos(pair: ReadyPair, which: str) -> ReadyPair:
    return ReadyPair(**{**pair.__dict__, "eos_token_ids": EOS[which]})


def plain(pair: ReadyPair, ids: list[int], decoding: Decoding, setting: Setting, seed: int) -> list[int]:
    """Return what `generate(assistant_model=…)` emits when nothing watches."""
    processors: list[Any] = []
    if decoding.temperature != 1:
        processors.append(TemperatureLogitsWarper(decoding.temperature))
    if decoding.top_k:
        processors.append(TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1:
        processors.append(TopPLogitsWarper(decoding.top_p))
    pair.target.generation_config = GenerationConfig()
    pair.draft.generation_config = GenerationConfig(
        num_assistant_tokens=setting.num_assistant_tokens,
        num_assistant_tokens_schedule=setting.schedule,
        assistant_confidence_threshold=setting.confidence_threshold,
    )
    arguments: dict[str, Any] = {"do_sample": False}
    if decoding.mode == "sampled":
        arguments = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
    if pair.eos_token_ids:
        arguments |= {"eos_token_id": list(pair.eos_token_ids), "pad_token_id": pair.eos_token_ids[0]}
    torch.manual_seed(seed)
    inputs = torch.tensor([ids])
    sequence = pair.target.generate(
        inputs,
        attention_mask=torch.ones_like(inputs),
        max_new_tokens=decoding.max_new_tokens,
        assistant_model=pair.draft,
        logits_processor=processors,
        **arguments,
    )
    return sequence[0, len(ids) :].tolist()


@pytest.mark.parametrize(
    "index",
    [
        pytest.param(
            index,
            id="-".join(map(str, configuration)),
            marks=[] if index % 4 == 0 else pytest.mark.landing,
        )
        for index, configuration in enumerate(CONFIGURATIONS)
    ],
)
def test_a_trace_equals_plain_generation_and_the_models_own_probabilities(
    index: int, loaded: ReadyPair, traced: Callable[[int], Tables]
) -> None:
    decoding, setting, eos = parsed(CONFIGURATIONS[index])
    pair = with_eos(loaded, eos)
    traces, rounds = traced(index)
    texts = rebuild(traces, rounds)
    reference = Reference(pair, decoding)
    for seed, ids in enumerate(PROMPTS):
        assert texts[seed, 0] == plain(pair, ids, decoding, setting, seed)
        own = traces.filter(np.asarray(traces["prompt"]) == seed)
        for name, expected in reference.rows(ids, own, texts[seed, 0]).items():
            np.testing.assert_allclose(np.asarray(own[name]), expected, rtol=0, atol=1e-5, err_msg=name)
        for row in rounds.filter(np.asarray(rounds["prompt"]) == seed).to_pylist():
            check_next(row, rounds, reference, ids, texts[seed, 0])


def check_next(
    row: dict[str, Any], rounds: Any, reference: Reference, ids: list[int], text: list[int]
) -> None:
    before = rounds.filter(
        (np.asarray(rounds["prompt"]) == row["prompt"]) & (np.asarray(rounds["round"]) < row["round"])
    )
    end = int(np.asarray(before["emitted"]).sum()) + row["emitted"]
    if row["next_token"] is None:
        assert row["next_p"] is None
        assert end == len(text)
        return
    assert row["next_token"] == text[end - 1]
    expected = reference.probabilities("target", [*ids, *text[: end - 1]])[row["next_token"]]
    assert row["next_p"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.landing
def test_the_configurations_meet_every_kind_of_round(traced: Callable[[int], Tables]) -> None:
    seen: set[tuple[str, Any]] = set()
    for index in range(len(CONFIGURATIONS)):
        traces, rounds = traced(index)
        seen |= {("censored", value) for value in rounds["censored"].to_pylist()}
        seen |= {("verdict", value) for value in traces["verdict"].to_pylist()}
        seen |= {("accepted EOS", token is None) for token in rounds["next_token"].to_pylist()}
        seen |= {("nothing drafted", drafted == 0) for drafted in rounds["drafted"].to_pylist()}
    assert seen == {
        *(("censored", value) for value in range(4)),
        *(("verdict", value) for value in range(3)),
        *((kind, value) for kind in ("accepted EOS", "nothing drafted") for value in (True, False)),
    }
