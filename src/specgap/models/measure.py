"""What a pair makes of the prompts themselves: their length, and how likely each model finds them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from specgap import schema
from specgap.config import Study
from specgap.files import written_whole
from specgap.models.encoding import encode, render
from specgap.models.hub import pinned
from specgap.models.load import ReadyPair, check_prompts, ready_pair
from specgap.models.readable import token_texts
from specgap.prompts import PromptSet
from specgap.settings import PromptFormat


def measure_prompts(
    pair: ReadyPair, texts: Mapping[int, str], terms: Mapping[int, str | None], prompt_format: PromptFormat
) -> pa.Table:
    """Return one row per prompt id of `texts`, in their order, with the columns of `schema.PROMPT_MEASURES`.

    The log-probabilities are means over the prompt's tokens after its first, in nats, without warpers; a
    prompt of one token has none. Prompts run one by one, so no number depends on the others.
    """
    rows = []
    for prompt, text in texts.items():
        ids = encode(pair.tokenizer, text, prompt_format, eos=pair.eos_of_prompts)
        rows.append(
            {
                "prompt": prompt,
                "n_tokens": len(ids),
                "term_tokens": n_term_tokens(pair.tokenizer, text, terms.get(prompt), prompt_format),
                "mean_log_p": mean_log_probability(pair.target, ids),
                "mean_log_q": mean_log_probability(pair.draft, ids),
            }
        )
    return pa.Table.from_pylist(rows, schema=schema.PROMPT_MEASURES)


def vocabulary_table(pair: ReadyPair) -> pa.Table:
    """Return the readable text of every token id (`schema.VOCABULARY`)."""
    texts = token_texts(pair.tokenizer, pair.vocabulary_size)
    return pa.table({"token": range(len(texts)), "text": texts}, schema=schema.VOCABULARY)


def write_measures(study: Study, pair: str, prompts: PromptSet, *, measures: Path, vocabulary: Path) -> None:
    """Load a study's pair and write both tables as Parquet, whole or not at all.

    Raises `ModelError` before any weights are loaded for a prompt that leaves the longest decoding no room.
    """
    longest = max(decoding.max_new_tokens for decoding in study.decodings.values())
    asked = pinned(study, pair)
    check_prompts(asked, prompts.texts.values(), study.prompt_format, max_new_tokens=longest)
    ready = ready_pair(asked, device=study.device, gpu_given=study.resources.gpu > 0)
    terms = {row.prompt: row.term for row in reversed(prompts.rows)}  # a prompt's first row wins
    tables = {
        measures: measure_prompts(ready, prompts.texts, terms, study.prompt_format),
        vocabulary: vocabulary_table(ready),
    }
    for path, table in tables.items():
        with written_whole(path) as beside:
            pq.write_table(table, beside, write_page_checksum=True)


def mean_log_probability(model: Any, ids: list[int]) -> float | None:
    """Return the mean of log P(token | those before it) over `ids[1:]` in float64; None for one token."""
    import torch

    if len(ids) < 2:
        return None
    row = torch.tensor([ids], device=model.device)
    with torch.no_grad():
        logits = model(input_ids=row, use_cache=False).logits[0, :-1]
    # On the CPU, since MPS has no float64.
    logs = logits.to("cpu", torch.float64).log_softmax(-1)
    following = torch.tensor(ids[1:])
    return float(logs[torch.arange(len(following)), following].sum()) / len(following)


def n_term_tokens(tokenizer: Any, text: str, term: str | None, prompt_format: PromptFormat) -> int | None:
    """Return how many tokens of the prompt touch the term's first occurrence, or None if it is not there."""
    span = _find(term, text) if term else None
    if span is None or not tokenizer.is_fast:
        return None
    rendered, adds_special = render(tokenizer, text, prompt_format)
    # The prompt stands last in a chat, and a template may trim it.
    shift = rendered.rfind(text.strip()) - (len(text) - len(text.lstrip()))
    if rendered.rfind(text.strip()) < 0:
        return None
    low, high = span[0] + shift, span[1] + shift
    offsets = tokenizer(rendered, add_special_tokens=adds_special, return_offsets_mapping=True)[
        "offset_mapping"
    ]
    return sum(1 for start, end in offsets if start < high and end > low and end > start)


def _find(term: str, text: str) -> tuple[int, int] | None:
    """Return the span of a term in a text: as a whole word, else as the start of one (a plural)."""
    for pattern in (rf"(?<!\w){re.escape(term)}(?!\w)", rf"(?<!\w){re.escape(term)}"):
        found = re.search(pattern, text, re.IGNORECASE)
        if found:
            return found.span()
    return None
