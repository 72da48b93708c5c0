"""The Markov folders hold what they claim: their softmax is the matrix."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.support.markov import CONTEXT, markov_pair

TARGET = np.array([[0.5, 0.3, 0.2], [0.1, 0.9, 0.0], [1 / 3, 1 / 3, 1 / 3]])
DRAFT = np.array([[0.2, 0.3, 0.5], [0.0, 0.999, 0.001], [0.25, 0.25, 0.5]])


@pytest.mark.parametrize("eos", [None, 2])
def test_the_softmax_equals_the_matrix(tmp_path: Path, eos: int | None) -> None:
    pair = markov_pair(tmp_path, TARGET, DRAFT, eos)
    states = np.random.default_rng(1).integers(0, 3, CONTEXT)
    for folder, matrix in ((pair.target, TARGET), (pair.draft, DRAFT)):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        ids = tokenizer(pair.text(*states)).input_ids
        with torch.no_grad():
            logits = AutoModelForCausalLM.from_pretrained(folder)(torch.tensor([ids])).logits
        distance = np.abs(logits.softmax(-1)[0].numpy() - matrix[states]).max()
        print(f"{folder.name}: softmax and matrix differ by {distance:.1e}, band 1e-6")
        assert ids == states.tolist()
        assert tokenizer.eos_token_id == eos
        assert distance < 1e-6


def test_an_impossible_token_has_probability_zero(tmp_path: Path) -> None:
    pair = markov_pair(tmp_path, TARGET, DRAFT)
    with torch.no_grad():
        logits = AutoModelForCausalLM.from_pretrained(pair.target)(torch.tensor([[1]])).logits
    assert logits.softmax(-1)[0, 0, 2] == 0
