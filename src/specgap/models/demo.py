"""The demonstration pair: two small Llama-like models, trained on the CPU in about a minute.

It shows the whole chain on real models that were really trained; its gaps say nothing about people.
"""

import platform
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from specgap.files import write_text
from specgap.models import corpus
from specgap.models.source import without_progress_bars

END = "<|endoftext|>"
#: Seed of the pair that the workflow trains; not the study's, since studies share the pair.
SEED = 1
_ROUNDS = 12
_SHARE_OF_SENTENCES = 0.7


@dataclass(frozen=True)
class Shape:
    """Size of a model and length of its training."""

    hidden: int
    layers: int
    steps: int


@dataclass(frozen=True)
class Training:
    """How the demonstration pair is trained: both models see the same corpus."""

    target: Shape = Shape(hidden=64, layers=2, steps=900)
    draft: Shape = Shape(hidden=48, layers=1, steps=260)
    vocabulary: int = 512
    batch: int = 16
    window: int = 96  # tokens; a prompt and 48 new tokens fit
    learning_rate: float = 4e-3
    context: int = 512  # tokens


def train_demo_pair(
    texts: Iterable[str],
    target_folder: Path,
    draft_folder: Path,
    *,
    seed: int,
    training: Training | None = None,
    log: Callable[[str], None] = print,
) -> None:
    """Train tokenizer, target and draft on prompts `texts` and standard-library prose; save two folders.

    On one machine the same seed and texts give the same bytes. A folder appears whole or not at all.
    """
    training = training or Training()
    rng = np.random.default_rng(seed)
    documents = corpus.sentences(texts, rounds=_ROUNDS, rng=rng)
    prose = corpus.standard_prose()
    card = _card(seed, training, corpus.digest([*documents, *prose]))
    tokenizer = train_tokenizer([*documents, *prose], training.vocabulary)
    streams = [_Stream.of(tokenizer, part) for part in (documents, prose)]
    log(f"corpus: {len(documents)} sentences, {len(prose)} prose documents, {sum(map(len, streams))} tokens")
    for role, folder, shape in (
        ("target", target_folder, training.target),
        ("draft", draft_folder, training.draft),
    ):
        with _deterministic(seed):
            model = _train(role, shape, training, tokenizer, streams, seed=seed, log=log)
        _save(model, tokenizer, folder, card)


def train_tokenizer(documents: Sequence[str], size: int) -> Any:
    """Return a byte-level BPE tokenizer of `size` tokens, id 0 ending a document."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(documents, trainer)
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=backend, eos_token=END, pad_token=END, clean_up_tokenization_spaces=False)


@dataclass(frozen=True)
class _Stream:
    """Documents as one run of tokens, each ended by EOS, and where each starts."""

    tokens: np.ndarray[Any, np.dtype[np.int64]]
    starts: np.ndarray[Any, np.dtype[np.int64]]

    @classmethod
    def of(cls, tokenizer: Any, documents: Sequence[str]) -> "_Stream":
        runs = [[*ids, tokenizer.eos_token_id] for ids in tokenizer(list(documents))["input_ids"]]
        lengths = np.array([len(run) for run in runs], dtype=np.int64)
        return cls(
            np.concatenate([np.array(run, dtype=np.int64) for run in runs]), np.cumsum(lengths) - lengths
        )

    def __len__(self) -> int:
        return len(self.tokens)

    def window(self, length: int, rng: np.random.Generator) -> "np.ndarray[Any, np.dtype[np.int64]]":
        """Return `length` tokens from a document's start, going on into the next ones."""
        start = int(self.starts[rng.integers(len(self.starts))])
        return np.take(self.tokens, np.arange(start, start + length), mode="wrap")


def _train(
    role: str,
    shape: Shape,
    training: Training,
    tokenizer: Any,
    streams: Sequence[_Stream],
    *,
    seed: int,
    log: Callable[[str], None],
) -> Any:
    import torch

    model = _new_model(shape, training, tokenizer)
    optimiser = torch.optim.AdamW(model.parameters(), lr=training.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=training.learning_rate, total_steps=shape.steps, pct_start=0.1
    )
    rng = np.random.default_rng(seed)
    started = time.process_time()
    for step in range(shape.steps):
        batch = torch.from_numpy(_batch(streams, training, rng))
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        if (step + 1) % 100 == 0 or step + 1 == shape.steps:
            spent = time.process_time() - started
            log(f"{role}: step {step + 1} of {shape.steps}, loss {loss.item():.3f}, {spent:.0f} CPU-seconds")
    return model


def _batch(
    streams: Sequence[_Stream], training: Training, rng: np.random.Generator
) -> "np.ndarray[Any, np.dtype[np.int64]]":
    chosen = (streams[0 if rng.random() < _SHARE_OF_SENTENCES else 1] for _ in range(training.batch))
    return np.stack([stream.window(training.window, rng) for stream in chosen])


def _new_model(shape: Shape, training: Training, tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=training.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=3 * shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=training.context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def _save(model: Any, tokenizer: Any, folder: Path, card: str) -> None:
    beside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.parent.mkdir(parents=True, exist_ok=True)
    with without_progress_bars():
        model.eval().save_pretrained(beside)
    tokenizer.save_pretrained(beside)
    write_text(beside / "README.md", card)
    shutil.rmtree(folder, ignore_errors=True)
    beside.replace(folder)


def _card(seed: int, training: Training, digest: str) -> str:
    return (
        "# Demonstration model of specgap\n\n"
        "Trained on the prose of Python's standard library and on sentences made from the study's prompts, "
        "all prompts treated alike. It demonstrates the workflow; its gaps say nothing about people.\n\n"
        f"- seed {seed}\n- {training}\n- corpus {digest}\n- Python {platform.python_version()}\n"
    )


@contextmanager
def _deterministic(seed: int) -> Iterator[None]:
    """One thread, deterministic algorithms and a seeded generator; all put back afterwards."""
    import torch

    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(threads)
