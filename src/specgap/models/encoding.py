"""A prompt's text as token ids: by the target's tokenizer, once, the same ids for both models."""

from typing import Any

from specgap.errors import ModelError
from specgap.settings import PromptFormat


def encode(tokenizer: Any, text: str, prompt_format: PromptFormat) -> list[int]:
    """Return the token ids of a prompt, with exactly one BOS where the tokenizer uses one.

    Raises `ModelError` for a prompt without tokens, and for `chat` where the tokenizer has no template.
    """
    rendered, adds_special = render(tokenizer, text, prompt_format)
    ids = [int(token) for token in tokenizer(rendered, add_special_tokens=adds_special)["input_ids"]]
    ids = _with_one_bos(tokenizer, ids)
    if not ids:
        raise ModelError(f"prompt {text!r} has no tokens under the target's tokenizer; wanted at least one")
    return ids


def render(tokenizer: Any, text: str, prompt_format: PromptFormat) -> tuple[str, bool]:
    """Return the string that is tokenised, and whether the tokenizer still has to add its special tokens."""
    if prompt_format.kind == "raw":
        return text, True
    return _render_chat(tokenizer, text, prompt_format), False


def _render_chat(tokenizer: Any, text: str, prompt_format: PromptFormat) -> str:
    if not getattr(tokenizer, "chat_template", None):
        raise ModelError(
            f"prompt_format is chat, but the target {tokenizer.name_or_path} is a base model without a chat "
            f"template; wanted prompt_format: raw, or a model tuned for chat"
        )
    messages = [{"role": "system", "content": prompt_format.system}] if prompt_format.system else []
    if prompt_format.prefill:
        messages += [
            {"role": "user", "content": prompt_format.user},
            {"role": "assistant", "content": text},
        ]
        turn = {"continue_final_message": True}
    else:
        messages.append({"role": "user", "content": text})
        turn = {"add_generation_prompt": True}
    try:
        rendered = tokenizer.apply_chat_template(
            messages, tokenize=False, **turn, **prompt_format.template_kwargs
        )
    # A template may raise anything: jinja2's errors, TypeError from a filter, transformers' ValueError.
    except Exception as error:
        raise ModelError(
            f"the chat template of {tokenizer.name_or_path} refuses prompt {text!r} "
            f"({' '.join(str(error).split())}); wanted roles and template_kwargs that it knows"
        ) from error
    return str(rendered)


def _with_one_bos(tokenizer: Any, ids: list[int]) -> list[int]:
    bos = tokenizer.bos_token_id
    if bos is None:
        return ids
    start = next((index for index, token in enumerate(ids) if token != bos), len(ids))
    if start > 1:
        return ids[start - 1 :]
    uses_bos = tokenizer("a")["input_ids"][:1] == [bos]
    return [bos, *ids] if start == 0 and uses_bos else ids
