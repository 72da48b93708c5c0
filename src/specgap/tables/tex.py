r"""Booktabs tables for a paper, beside the CSV: rounded, with names escaped.

A table stands alone after `\input`, in a document with `\usepackage{booktabs,longtable}`. Characters that
LaTeX gives a meaning are escaped, control characters are written out; everything else stays as it is, so a
name outside Latin needs XeLaTeX or LuaLaTeX and a font that has it.
"""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from specgap.files import write_text

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "[": r"{[}",
    "]": r"{]}",
    "*": r"{*}",
    "␣": r"\textvisiblespace{}",
    "␊": r"\textbackslash{}n",
    "␉": r"\textbackslash{}t",
    "⟨": r"\ensuremath{\langle}",
    "⟩": r"\ensuremath{\rangle}",
    "−": r"\ensuremath{-}",
    "×": r"\ensuremath{\times}",
    "≥": r"\ensuremath{\geq}",
    "α": r"\ensuremath{\alpha}",
    "γ": r"\ensuremath{\gamma}",
    "\u00a0": "~",
}
_MISSING = r"\textendash{}"


@dataclass(frozen=True)
class Column:
    """A column of a TeX table: name in the data, heading, decimals (None: as it is); `wide` wraps text."""

    name: str
    heading: str
    decimals: int | None = None
    wide: bool = False


def escape(text: str) -> str:
    r"""Return `text` such that LaTeX prints it as it is.

    >>> escape("50 % of a_b")
    '50 \\% of a\\_b'
    """
    escaped = "".join(_SPECIAL.get(character) or _visible(character) for character in text)
    # Two hyphens would be printed as a dash.
    return escaped.replace("--", "-{}-") if "--" in text else escaped


def write_tex(
    path: Path, frame: pd.DataFrame, columns: Sequence[Column], *, caption: str, notes: Sequence[str] = ()
) -> None:
    """Write the chosen columns of `frame` to `path`; `caption` and `notes` are plain text."""
    alignment = "".join(_alignment(frame, column) for column in columns)
    head = " & ".join(escape(column.heading) for column in columns) + r" \\"
    lines = [
        r"% \usepackage{booktabs,longtable,textcomp}; names outside Latin need XeLaTeX or LuaLaTeX",
        r"\begingroup\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\begin{{longtable}}{{{alignment}}}",
        rf"\caption{{{escape(' '.join([caption, *notes]))}}}\\",
        r"\toprule",
        head,
        r"\midrule",
        r"\endfirsthead",
        r"\toprule",
        head,
        r"\midrule",
        r"\endhead",
        r"\bottomrule",
        r"\endfoot",
        *_body(frame, columns),
        r"\end{longtable}",
        r"\endgroup",
    ]
    write_text(path, "\n".join(lines) + "\n")


def _body(frame: pd.DataFrame, columns: Sequence[Column]) -> list[str]:
    cells = [[_cell(value, column) for value in frame[column.name].tolist()] for column in columns]
    # A row that begins with [ would be read as an argument of the \\ before it; escape() hides brackets.
    return [" & ".join(row) + r" \\" for row in zip(*cells, strict=True)]


def _cell(value: object, column: Column) -> str:
    if isinstance(value, str):
        return escape(value) if value else ""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return _MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column.decimals is not None and isinstance(value, int | float):
        return _number(float(value), column.decimals)
    return escape(str(value))


def _number(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    # A small number that is not 0 must not be printed as 0.
    if value and not float(text):
        text = f"{value:.1e}"
    return text.replace("-", r"\ensuremath{-}")


def _alignment(frame: pd.DataFrame, column: Column) -> str:
    if column.wide:
        return r"p{0.22\textwidth}"
    return "l" if column.decimals is None and _is_text(frame[column.name]) else "r"


def _is_text(column: "pd.Series[Any]") -> bool:
    return any(isinstance(value, str) for value in column.tolist())


def _visible(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Zl", "Zp"):
        return escape(character.encode("unicode_escape").decode())
    return character
