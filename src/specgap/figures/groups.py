"""Names of groups as every figure writes them, and the footnotes that they need."""

from collections.abc import Iterable

import pandas as pd

from specgap.figures.text import NAME_LENGTH, has_missing_glyphs, names_of

ONE_TERM = "* One identity term: the group's own spread is not estimable."
PROMPT_UNITS = (
    "No identity terms are named: each prompt is a unit of its own, so intervals and tests leave out how "
    "identity terms differ and are too narrow for a claim about a group."
)
MISSING_GLYPHS = "⟨U+…⟩: characters that the font of the figures lacks, or that cannot be seen."


def groups_of(acceptance: pd.DataFrame) -> list[str]:
    """Return the groups in the table's order."""
    return [str(group) for group in acceptance["group"]]


def rest_on_one_term(acceptance: pd.DataFrame) -> list[bool]:
    """Say of each group of the table whether it rests on one identity term."""
    return [bool(count == 1) for count in acceptance["n_terms"]]


def marked_names(acceptance: pd.DataFrame, *, longest: int = NAME_LENGTH) -> list[str]:
    """Return the groups' names as shown, with an asterisk where a group rests on one identity term."""
    names = names_of(groups_of(acceptance), longest=longest)
    marks = ["*" if one else "" for one in rest_on_one_term(acceptance)]
    return [name + mark for name, mark in zip(names, marks, strict=True)]


def units_of(acceptance: pd.DataFrame) -> str:
    """Return what the units are called: terms, or prompts where no group has a term."""
    return "prompts" if acceptance["n_terms"].isna().all() else "terms"


def names_by_group(acceptance: pd.DataFrame, *, longest: int = NAME_LENGTH) -> dict[str, str]:
    """Return each group's name as `marked_names` writes it, whatever the order a figure shows them in."""
    return dict(zip(groups_of(acceptance), marked_names(acceptance, longest=longest), strict=True))


def footnotes(acceptance: pd.DataFrame | None, names: Iterable[str], *, marks: bool = True) -> list[str]:
    """Return what must be said below a figure that shows the groups of a table, and other `names`.

    `marks` says whether it marks groups of one term, as `marked_names` does.
    """
    shown = list(names)
    notes = []
    if acceptance is not None:
        shown += groups_of(acceptance)
        notes += [ONE_TERM] if marks and any(rest_on_one_term(acceptance)) else []
        notes += [PROMPT_UNITS] if len(acceptance) and units_of(acceptance) == "prompts" else []
    return [*notes, *([MISSING_GLYPHS] if any(map(has_missing_glyphs, shown)) else [])]
