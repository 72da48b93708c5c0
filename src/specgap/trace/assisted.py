"""The `assisted` collector: transformers' own `generate(assistant_model=…)`, watched by a recorder.

While it traces, both models have a fresh `generation_config`, so that nothing of a checkpoint's own
(temperature, top_k, repetition_penalty, suppressed or forced tokens, min_p, …) decides a token: the study's
decoding says everything. Warpers are passed as processors, because transformers applies those it makes from
arguments twice to the draft. The schedule's knobs stand on the draft's config, where transformers reads them,
and are set anew before every prompt, because `heuristic` leaves its γ there.
"""

import hashlib
import importlib.util
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any

import torch
import transformers
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers import logging as transformers_logging

from specgap.errors import TraceError
from specgap.models import ReadyPair
from specgap.settings import Decoding, Setting
from specgap.trace.ledger import Recording
from specgap.trace.recorder import Recorder

#: Releases of transformers that specgap was tested with: from, and below.
TESTED_FROM, TESTED_BELOW = (5, 18), (5, 24)

#: Fields of a checkpoint's own generation config that would change tokens or their probabilities.
_CHANGING = (
    *("temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff"),
    *("repetition_penalty", "no_repeat_ngram_size", "bad_words_ids", "sequence_bias", "guidance_scale"),
    *("suppress_tokens", "begin_suppress_tokens", "forced_bos_token_id", "forced_eos_token_id"),
    *("min_length", "min_new_tokens", "exponential_decay_length_penalty", "watermarking_config"),
    *("num_beams", "stop_strings", "max_time", "assistant_ensemble_weight", "renormalize_logits"),
)


class Assisted:
    """A pair ready to be traced under one decoding and one setting; use it as a context.

    >>> with Assisted(pair, decoding, setting) as assisted:                     # doctest: +SKIP
    ...     recording, gamma = assisted.record([5, 7, 9], seed=1, gamma=5)
    """

    def __init__(self, pair: ReadyPair, decoding: Decoding, setting: Setting) -> None:
        check_transformers(transformers.__version__)
        check_threshold(setting)
        self._pair = pair
        self._setting = setting
        self._recorder = Recorder()
        self._processors = LogitsProcessorList([*warpers(decoding), self._recorder])
        self._config = generation_config(decoding, pair.eos_token_ids)
        self._exits = ExitStack()

    def __enter__(self) -> "Assisted":
        self._exits.enter_context(quiet())
        for model in (self._pair.target, self._pair.draft):
            self._exits.enter_context(_replaced(model, "generation_config", GenerationConfig()))  # type: ignore[no-untyped-call]
        handle = self._recorder.watch(self._pair.target)
        self._exits.callback(handle.remove)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()

    def record(self, prompt_ids: Sequence[int], *, seed: int, gamma: int) -> Recording:
        """Generate once after `prompt_ids`; `gamma` is what the schedule requests first."""
        target, draft = self._pair.target, self._pair.draft
        set_knobs(draft.generation_config, self._setting, gamma)
        ids = torch.tensor([list(prompt_ids)], dtype=torch.long, device=target.device)
        torch.manual_seed(seed)
        self._recorder.start(prompt_length=ids.shape[1])
        with _one_sentence():
            sequence = target.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                generation_config=self._config,
                assistant_model=draft,
                logits_processor=self._processors,
                stopping_criteria=self._recorder.criteria,
            )
        return self._recorder.finish(sequence)

    def check_gamma(self, gamma: int) -> None:
        """Refuse a `heuristic` γ that is not the one transformers itself has left on the draft's config."""
        left = self._pair.draft.generation_config.num_assistant_tokens
        if self._setting.schedule == "heuristic" and int(left) != gamma:
            raise TraceError(
                f"transformers {transformers.__version__} ends a text with γ = {left} where its heuristic "
                f"gives {gamma}; wanted a release that specgap was tested with"
            )


def torch_seed(seed: int, prompt: int, sample: int) -> int:
    """Return the 64-bit seed of one continuation: it knows no shard, order or process.

    torch's CPU generator uses the low 32 bits alone; a cryptographic hash mixes those as well as all 64.

    >>> torch_seed(1, 2, 3) == torch_seed(1, 2, 3) != torch_seed(1, 2, 4)
    True
    """
    key = struct.pack("<QQQ", seed, prompt, sample)
    return int.from_bytes(hashlib.blake2b(key, digest_size=8, person=b"specgap.trace").digest(), "little")


def generation_config(decoding: Decoding, eos_token_ids: Sequence[int]) -> GenerationConfig:
    """Return what the target generates with.

    The pad id is an EOS id: transformers hides any other pad id in the draft's context, but never one that
    also ends a text, wherever it stands. Without an EOS there is no pad id either, and nothing is hidden.
    """
    # None would mean 50.
    sampling = {"temperature": 1.0, "top_k": 0, "top_p": 1.0} if decoding.mode == "sampled" else {}
    return GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=decoding.mode == "sampled",
        max_new_tokens=decoding.max_new_tokens,
        eos_token_id=list(eos_token_ids) or None,
        pad_token_id=eos_token_ids[0] if eos_token_ids else None,
        use_cache=True,
        **sampling,
    )


def warpers(decoding: Decoding) -> list[Any]:
    """Return the decoding's warpers as processors, in transformers' own order."""
    made: list[Any] = []
    if decoding.temperature != 1:
        made.append(TemperatureLogitsWarper(decoding.temperature))
    if decoding.top_k:
        made.append(TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1:
        made.append(TopPLogitsWarper(decoding.top_p))
    return made


def set_knobs(config: GenerationConfig, setting: Setting, gamma: int) -> None:
    """Set a schedule on the draft's generation config; the threshold explicitly, since None means 0.4."""
    config.num_assistant_tokens = gamma
    config.num_assistant_tokens_schedule = setting.schedule
    config.assistant_confidence_threshold = setting.confidence_threshold


def ignored_fields(config: GenerationConfig) -> dict[str, Any]:
    """Return what a checkpoint's own generation config asks for and a trace does not do."""
    asked = {name: getattr(config, name, None) for name in _CHANGING}
    return {name: value for name, value in asked.items() if value is not None}


def check_transformers(version: str) -> None:
    """Refuse a release of transformers that specgap was not tested with."""
    release = tuple(int(part) for part in version.split(".")[:2])
    if not TESTED_FROM <= release < TESTED_BELOW:
        raise TraceError(
            f"transformers is {version}; wanted at least {TESTED_FROM[0]}.{TESTED_FROM[1]} "
            f"and below {TESTED_BELOW[0]}.{TESTED_BELOW[1]}, with which assisted generation was tested"
        )


def check_threshold(setting: Setting) -> None:
    """Refuse a confidence threshold that transformers would retune while it runs."""
    if setting.confidence_threshold and importlib.util.find_spec("sklearn") is not None:
        raise TraceError(
            f"setting {setting.name} has confidence_threshold {setting.confidence_threshold:g} and "
            "scikit-learn can be imported, with which transformers retunes the threshold while it runs; "
            "wanted an environment without scikit-learn, or confidence_threshold: 0"
        )


@contextmanager
def _replaced(holder: Any, name: str, value: Any) -> Iterator[None]:
    own = getattr(holder, name)
    setattr(holder, name, value)
    try:
        yield
    finally:
        setattr(holder, name, own)


@contextmanager
def quiet() -> Iterator[None]:
    """Let transformers say errors only: it warns of what it does itself, and of a missing mask."""
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)


@contextmanager
def _one_sentence() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise TraceError(
            "the device ran out of memory; wanted a smaller pair, a smaller dtype or a larger device"
        ) from error
    except RuntimeError as error:
        if "probability tensor" not in str(error):
            raise
        raise TraceError(
            "the models give scores that are no numbers; wanted finite ones (try dtype float32 or bfloat16)"
        ) from error
