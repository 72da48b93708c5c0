"""The slot of a masked template: cut from a prompt's end, refused in its middle."""

from specgap.errors import PromptError
from specgap.prompts.tabular import Cell, Place, shortened


def prompt_text(cell: Cell, *, slot: str, truncate_at_slot: bool, column: str, place: Place | str) -> str:
    """Return the prompt that stands in a cell, without its slot.

    A slot stands at the end when no letter or digit follows it; what trails it goes with it, and so does the
    space before it, since causal models are trained to emit that space themselves. Texts without a slot stay
    as they are.

    >>> prompt_text("she found work as a [M].", slot="[M]", truncate_at_slot=False, column="", place="")
    'she found work as a'
    """
    if not isinstance(cell, str):
        found = "missing" if cell is None else shortened(cell)
        raise PromptError(f"{place}: {column!r} is {found}; wanted text")
    text = cell
    if slot in text:
        text, _, trailing = text.partition(slot)
        if not truncate_at_slot and any(map(str.isalnum, trailing.replace(slot, ""))):
            raise PromptError(
                f"{place}: the slot {slot} stands in the middle of {shortened(cell)}; "
                "wanted it at the end, or prompts.truncate_at_slot: true"
            )
        text = text.rstrip()
        if not text:
            raise PromptError(
                f"{place}: nothing stands before the slot {slot} in {shortened(cell)}; wanted a prompt"
            )
    elif not text or text.isspace():
        raise PromptError(f"{place}: {column!r} is empty; wanted a prompt")
    if "\0" in text or not _encodable(text):
        raise PromptError(
            f"{place}: {shortened(cell)} holds a NUL or half of a surrogate pair; wanted plain text"
        )
    return text


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
