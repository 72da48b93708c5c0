"""Traces that several tests look at, each made once per session and only when asked for."""

import math
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.markov import MarkovPair, Matrix, markov_pair
from tests.support.markov_replay import LAWS, Collected, collect
from tests.support.markov_runs import DRAFT, EOS, IID_DRAFT, IID_TARGET, SURER, TARGET, Run, trace, warped
from tests.support.markov_theory import Theory
from tests.support.size import SIZE, SIZES

LENGTH = 24
TEMPERATURE, TOP_K = 0.7, 3
#: Every prompt of two states but the end of text: 25 of them.
PROMPTS = [(a, b) for a in range(EOS) for b in range(EOS)]

CONSTANT_1 = {"schedule": "constant", "num_assistant_tokens": 1}
CONSTANT_3 = {"schedule": "constant", "num_assistant_tokens": 3}
CONSTANT_8 = {"schedule": "constant", "num_assistant_tokens": 8}
HEURISTIC_5 = {"schedule": "heuristic", "num_assistant_tokens": 5}
HEURISTIC_20 = {"schedule": "heuristic", "num_assistant_tokens": 20}
THRESHOLD = {**CONSTANT_8, "confidence_threshold": 0.25}
CARRIED = {**HEURISTIC_20, "carry_state": True}

#: Name to (matrices, end of text, setting, decoding, samples of each prompt at full size).
Plan = tuple[tuple[Matrix, Matrix], int | None, dict[str, Any], dict[str, Any], int]
MARKOV, IID = (TARGET, DRAFT), (IID_TARGET, IID_DRAFT)
WARPERS = {"temperature": TEMPERATURE, "top_k": TOP_K}
PLANS: dict[str, Plan] = {
    "constant 1": (MARKOV, EOS, CONSTANT_1, {}, 8),
    "constant 3": (MARKOV, EOS, CONSTANT_3, {}, 8),
    "constant 8": (MARKOV, EOS, CONSTANT_8, {}, 8),
    "heuristic 5": (MARKOV, EOS, HEURISTIC_5, {}, 8),
    "threshold": (MARKOV, EOS, THRESHOLD, {}, 8),
    "warped": ((TARGET, SURER), EOS, CONSTANT_3, WARPERS, 8),
    "iid constant 1": (IID, None, CONSTANT_1, {}, 4),
    "iid constant 3": (IID, None, CONSTANT_3, {}, 4),
    "iid constant 8": (IID, None, CONSTANT_8, {}, 4),
    "iid heuristic 20": (IID, None, HEURISTIC_20, {}, 4),
    "iid heuristic 20, carried": (IID, None, CARRIED, {}, 4),
    "greedy constant 3": (MARKOV, EOS, CONSTANT_3, {"mode": "greedy"}, 1),
    "greedy heuristic 5": (MARKOV, EOS, HEURISTIC_5, {"mode": "greedy"}, 1),
    "greedy, ends in 2": (MARKOV, 2, CONSTANT_3, {"mode": "greedy"}, 1),
    "greedy, ends in 3": (MARKOV, 3, CONSTANT_3, {"mode": "greedy"}, 1),
    "equal models": ((TARGET, TARGET), EOS, HEURISTIC_5, {}, 1),
    "equal models, greedy": ((TARGET, TARGET), EOS, HEURISTIC_5, {"mode": "greedy"}, 1),
}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    # More threads than free cores make small models many times slower.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Return the run of a plan by its name."""

    @cache
    def make(name: str) -> Run:
        (target, draft), eos, setting, decoding, samples = PLANS[name]
        folder: Path = tmp_path_factory.mktemp("run")
        pair: MarkovPair = markov_pair(folder / "models", target, draft, eos)
        prompts = [states for states in PROMPTS if eos not in states]
        return trace(
            folder,
            pair,
            law(name),
            setting=setting,
            decoding=decoding,
            prompts=prompts,
            samples=math.ceil(samples * SIZE.texts / SIZES["full"].texts),
        )

    return make


#: Prompts behind which the paths of a pair are replayed, each sampled twice.
REPLAYED = SIZE.replayed


@pytest.fixture(scope="session")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Collected]:
    """Return the paths and tails of a law's pair by its name."""

    @cache
    def make(name: str) -> Collected:
        return collect(tmp_path_factory.mktemp("replayed"), LAWS[name], REPLAYED)

    return make


def law(name: str) -> Theory:
    """Return the law of a plan's sequences (sampled plans; carried state is not in it)."""
    matrices, eos, setting, decoding, _ = PLANS[name]
    if "temperature" in decoding:
        matrices = (warped(matrices[0], TEMPERATURE, TOP_K), warped(matrices[1], TEMPERATURE, TOP_K))
    return Theory(
        *matrices,
        gamma=setting["num_assistant_tokens"],
        max_new_tokens=LENGTH,
        heuristic=setting["schedule"] == "heuristic",
        threshold=setting.get("confidence_threshold", 0.0),
        eos=eos,
    )
