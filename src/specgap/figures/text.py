"""Names as they may stand in a figure: any group or token, shown as it is with the glyphs the fonts have."""

from functools import cache
from pathlib import Path

import matplotlib
from matplotlib.ft2font import FT2Font

from specgap.figures.visible import has_codes, one_line

#: Longest name beside an axis, in characters.
NAME_LENGTH = 30
#: DejaVu has no pictures of control characters; these are the ones that names and tokens hold most often.
_STAND_INS = str.maketrans({"␊": "↵", "\t": "⇥", "␉": "⇥"})
_FONTS = {"sans": "DejaVuSans.ttf", "mono": "DejaVuSansMono.ttf"}


@cache
def _glyphs(font: str) -> frozenset[int]:
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / _FONTS[font]
    return frozenset(FT2Font(str(path)).get_charmap())


def shown(name: str, *, longest: int = NAME_LENGTH, font: str = "sans") -> str:
    r"""Return a name as one line: a newline as ↵, missing glyphs as codes, long ones elided.

    >>> shown("two\nlines")
    'two↵lines'
    >>> shown("a" * 40, longest=9)
    'aaaa…aaaa'
    """
    return elided(one_line(name.translate(_STAND_INS), _glyphs(font)), longest)


def has_missing_glyphs(name: str, *, font: str = "sans") -> bool:
    """Say whether `shown` writes any character of a name as its code."""
    return has_codes(name.translate(_STAND_INS), _glyphs(font))


def elided(text: str, longest: int) -> str:
    """Cut a text in its middle, where names of groups differ least.

    >>> elided("abcdefghij", 5)
    'ab…ij'
    """
    if len(text) <= longest:
        return text
    tail = (longest - 1) // 2
    return f"{text[: longest - 1 - tail]}…{text[len(text) - tail :]}"


def names_of(groups: list[str], *, longest: int = NAME_LENGTH) -> list[str]:
    """Return the groups' names as shown, kept apart by a number where eliding made two of them equal."""
    names = [shown(group, longest=longest) for group in groups]
    return [
        f"{name} ({names[: place + 1].count(name)})" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    ]


_LONGEST_WRITTEN_OUT = 3
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power_of_ten(exponent: int) -> str:
    """Return a power of ten in plain characters (mathematical markup is switched off).

    >>> power_of_ten(-3), power_of_ten(0)
    ('10⁻³', '1')
    """
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}" if exponent else "1"


def written_out(exponent: int) -> str:
    """Return a power of ten written out where that is short.

    >>> written_out(-2), written_out(3), written_out(5)
    ('0.01', '1,000', '10⁵')
    """
    if abs(exponent) > _LONGEST_WRITTEN_OUT:
        return power_of_ten(exponent)
    return f"{10**exponent:,}" if exponent >= 0 else f"{10.0**exponent:.{-exponent}f}"
