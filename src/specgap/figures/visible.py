"""Any name as one line in which nothing is invisible, for the figures and the report. No heavy import."""

import unicodedata
from collections.abc import Container

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
#: Between letters or pictures these are part of how a name is written.
_JOINERS = ("\u200c", "\u200d")


def one_line(text: str, glyphs: Container[int] | None = None) -> str:
    r"""Return a text with a newline as ↵ and other characters that would not be seen as codes.

    `glyphs` are the code points that a font has; None where the reader's machine finds a font for anything.

    >>> one_line("two\nlines"), one_line("a\x07b"), one_line("naïve", frozenset(b"nave"))
    ('two↵lines', 'a⟨U+0007⟩b', 'na⟨U+00EF⟩ve')
    """
    if glyphs is None:
        return "".join(
            character if _joins(text, place) else _visible(character, None)
            for place, character in enumerate(text)
        )
    return "".join(_visible(character, glyphs) for character in text)


def has_codes(text: str, glyphs: Container[int] | None = None) -> bool:
    """Say whether `one_line` writes any character of a text as its code."""
    return any(_is_coded(character, glyphs) for character in text)


def _visible(character: str, glyphs: Container[int] | None) -> str:
    if character == "\n":
        return "↵"
    return f"⟨U+{ord(character):04X}⟩" if _is_coded(character, glyphs) else character


def _is_coded(character: str, glyphs: Container[int] | None) -> bool:
    if character == "\n":
        return False
    return unicodedata.category(character) in _HIDDEN or (glyphs is not None and ord(character) not in glyphs)


def _joins(text: str, place: int) -> bool:
    if text[place] not in _JOINERS or not 0 < place < len(text) - 1:
        return False
    return not (text[place - 1].isascii() or text[place + 1].isascii())
