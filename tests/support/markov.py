"""Exactly Markov language models as ordinary Llama folders: ground truth for the whole chain.

One layer whose weights are zero, so that the residual stream is the one-hot embedding of the last token; the
final norm scales it to √hidden, and the untied head, log P(next | state) / √hidden, turns it into the row of
the transition matrix. To transformers it is a causal language model like any other, with no class of its own.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

Matrix = NDArray[np.float64]

#: Stands for log 0: far enough down that its float32 softmax is exactly 0.
_LOG_OF_ZERO = -1e4
#: Longest prompt and continuation together, in tokens.
CONTEXT = 256


@dataclass(frozen=True)
class MarkovPair:
    """Folders of a target and a draft that share a tokenizer; state i is `words[i]`, with token id i."""

    target: Path
    draft: Path
    words: tuple[str, ...]

    def text(self, *states: int) -> str:
        """Return the prompt that consists of these states."""
        return " ".join(self.words[state] for state in states)


def markov_pair(
    folder: Path, target_matrix: Matrix, draft_matrix: Matrix, eos: int | None = None
) -> MarkovPair:
    """Write a pair whose next-token distributions are the rows of two (states, states) matrices.

    `eos`: the state that ends a text; without it a text goes on to the length limit.
    """
    words = tuple(f"s{state}" for state in range(len(target_matrix)))
    for name, matrix in (("target", target_matrix), ("draft", draft_matrix)):
        _write_model(folder / name, matrix, eos)
        _write_tokenizer(folder / name, words, eos)
    return MarkovPair(folder / "target", folder / "draft", words)


def _write_model(folder: Path, matrix: Matrix, eos: int | None) -> None:
    states = len(matrix)
    assert matrix.shape == (states, states), f"shape {matrix.shape}; wanted a square matrix"
    assert np.allclose(matrix.sum(axis=1), 1, atol=1e-12), "a row does not sum to 1"
    config = LlamaConfig(
        vocab_size=states,
        hidden_size=4 * states,  # two heads of an even size, as the rotary embedding needs
        num_attention_heads=2,
        num_key_value_heads=2,
        num_hidden_layers=1,
        intermediate_size=8,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=1e-12,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=eos,
        pad_token_id=eos,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(1.0 if "norm" in name else 0.0)
        model.model.embed_tokens.weight[:, :states] = torch.eye(states)
        logs = np.full_like(matrix, _LOG_OF_ZERO)
        np.log(matrix, out=logs, where=matrix > 0)
        # Row x of the matrix is column x of the head.
        model.lm_head.weight[:, :states] = torch.from_numpy(logs.T / np.sqrt(config.hidden_size))
    model.save_pretrained(folder)


def _write_tokenizer(folder: Path, words: tuple[str, ...], eos: int | None) -> None:
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    end = None if eos is None else words[eos]
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end, pad_token=end).save_pretrained(folder)
