"""A pair must share one vocabulary: equal token → id maps; heads padded to different sizes are cut alike."""

from collections.abc import Mapping
from typing import Any

from specgap.errors import ModelError
from specgap.settings import Pair


def check_vocabularies(pair: Pair, target: Mapping[str, int], draft: Mapping[str, int]) -> None:
    """Refuse a pair whose token → id maps differ, naming the first token (by id) that does."""
    difference = first_difference(target, draft)
    if difference is None:
        return
    token, in_target, in_draft = difference
    raise ModelError(
        f"target {pair.target.source} and draft {pair.draft.source} have different vocabularies: "
        f"token {token!r} {_place(in_target)} in the target and {_place(in_draft)} in the draft; "
        f"wanted equal token → id maps"
    )


def first_difference(
    target: Mapping[str, int], draft: Mapping[str, int]
) -> tuple[str, int | None, int | None] | None:
    """Return the differing token of the lowest id with its ids in both maps, or None if the maps are equal.

    >>> first_difference({"a": 0, "b": 1}, {"a": 0, "c": 1})
    ('b', 1, None)
    """
    if target == draft:
        return None
    differing = [token for token in {**target, **draft} if target.get(token) != draft.get(token)]
    token = min(differing, key=lambda token: (_lowest(target, draft, token), token))
    return token, target.get(token), draft.get(token)


def shared_size(pair: Pair, *, n_tokens: int, target_head: int, draft_head: int) -> int:
    """Return the number of logits both models end with: the smaller head.

    `n_tokens` is the tokenizer's largest id + 1; heads (rows) may be larger by padding, never smaller.
    """
    for name, model, head in (("target", pair.target, target_head), ("draft", pair.draft, draft_head)):
        if head < n_tokens:
            raise ModelError(
                f"{name} {model.source} has a head of {head} rows for a tokenizer whose largest id is "
                f"{n_tokens - 1}; wanted a row for every token"
            )
    return min(target_head, draft_head)


def cut_head(model: Any, size: int) -> dict[str, int] | None:
    """Cut embedding and head of a loaded model to `size` rows, tied or not; return from and to, or None."""
    found = head_rows(model)
    if found == size:
        return None
    model.resize_token_embeddings(size, mean_resizing=False)
    return {"from": found, "to": size}


def head_rows(model: Any) -> int:
    """Return the number of logits a loaded model gives."""
    return int(model.get_output_embeddings().weight.shape[0])


def _lowest(target: Mapping[str, int], draft: Mapping[str, int], token: str) -> int:
    return min(ids[token] for ids in (target, draft) if token in ids)


def _place(token_id: int | None) -> str:
    return "is missing" if token_id is None else f"has id {token_id}"
