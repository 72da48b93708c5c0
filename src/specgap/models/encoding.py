"""A prompt's text as token ids: by the target's tokenizer, once, the same ids for both models."""

from collections.abc import Collection
from typing import Any

from specgap.errors import ModelError
from specgap.settings import PromptFormat

#: A text whose ids say whether two jobs had the same tokenizer and chat template; it is no prompt of a study.
PROBE = "The woman, 42, said: “Où étaient les 1,234 hommes?” — and they'd answered\n\t你好 🙂, as nurses do."


def encode(tokenizer: Any, text: str, prompt_format: PromptFormat, *, eos: Collection[int] = ()) -> list[int]:
    """Return the token ids of a prompt, with exactly one BOS where the tokenizer uses one.

    An EOS that the tokenizer itself puts after the text is taken off, since the models continue the text; one
    that the text or the chat template has stays. `eos` are the ids that end a text for the target, beside the
    tokenizer's own. Raises `ModelError` for a prompt without tokens, and for `chat` where the tokenizer has
    no template.
    """
    rendered, adds_special = render(tokenizer, text, prompt_format)
    ids = _ids(tokenizer, rendered, adds_special=adds_special)
    if adds_special and (end := _appended(tokenizer, rendered, ids, eos)):
        ids = ids[: -len(end)]
    ids = _with_one_bos(tokenizer, ids)
    if not ids:
        raise ModelError(f"prompt {text!r} has no tokens under the target's tokenizer; wanted at least one")
    return ids


def end_taken_off(
    tokenizer: Any, text: str, prompt_format: PromptFormat, *, eos: Collection[int] = ()
) -> str | None:
    """Return the EOS, as text, that `encode` takes off a prompt, as off any; None where there is none."""
    rendered, adds_special = render(tokenizer, text, prompt_format)
    if not adds_special:
        return None
    end = _appended(tokenizer, rendered, _ids(tokenizer, rendered, adds_special=True), eos)
    return "".join(tokenizer.convert_ids_to_tokens(end)) or None


def render(tokenizer: Any, text: str, prompt_format: PromptFormat) -> tuple[str, bool]:
    """Return the string that is tokenised, and whether the tokenizer still has to add its special tokens."""
    if prompt_format.kind == "raw":
        return text, True
    return _render_chat(tokenizer, text, prompt_format), False


def chat_of(text: str, prompt_format: PromptFormat) -> tuple[list[dict[str, str]], dict[str, bool]]:
    """Return the messages that a chat template gets for a prompt, and how it is to end them."""
    messages = [{"role": "system", "content": prompt_format.system}] if prompt_format.system else []
    if prompt_format.prefill:
        messages += [
            {"role": "user", "content": prompt_format.user},
            {"role": "assistant", "content": text},
        ]
        return messages, {"continue_final_message": True}
    return [*messages, {"role": "user", "content": text}], {"add_generation_prompt": True}


def _render_chat(tokenizer: Any, text: str, prompt_format: PromptFormat) -> str:
    if not getattr(tokenizer, "chat_template", None):
        raise ModelError(
            f"prompt_format is chat, but the target {tokenizer.name_or_path} is a base model without a chat "
            f"template; wanted prompt_format: raw, or a model tuned for chat"
        )
    messages, turn = chat_of(text, prompt_format)
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


def _ids(tokenizer: Any, rendered: str, *, adds_special: bool) -> list[int]:
    return [int(token) for token in tokenizer(rendered, add_special_tokens=adds_special)["input_ids"]]


def _appended(tokenizer: Any, rendered: str, ids: list[int], eos: Collection[int]) -> list[int]:
    """Return the EOS at the end of `ids` that are not the text's own, but put there by the tokenizer."""
    ends = {tokenizer.eos_token_id, *eos}
    if not ids or ids[-1] not in ends:
        return []
    bare = _ids(tokenizer, rendered, adds_special=False)
    for start in range(len(ids) - len(bare) + 1):
        if ids[start : start + len(bare)] == bare:
            after = ids[start + len(bare) :]
            return after if ends.issuperset(after) else []
    return []


def _with_one_bos(tokenizer: Any, ids: list[int]) -> list[int]:
    bos = tokenizer.bos_token_id
    if bos is None:
        return ids
    start = next((index for index, token in enumerate(ids) if token != bos), len(ids))
    if start > 1:
        return ids[start - 1 :]
    uses_bos = tokenizer("a")["input_ids"][:1] == [bos]
    return [bos, *ids] if start == 0 and uses_bos else ids
