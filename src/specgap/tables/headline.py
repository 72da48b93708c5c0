"""The headline: which difference between groups may stand in a sentence, and in which words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the number below is wanted by jobs that count, which need no pandas
    import pandas as pd

#: Groups with fewer units (identity terms; prompts where there are none) make no headline: their own spread
#: is hardly estimable.
HEADLINE_UNITS = 3


@dataclass(frozen=True)
class Headline:
    """The greatest difference of a table, and the others.

    `row` is a row of `group_differences.csv`, `others` those after it; both have a rate in each group.
    `is_broad` says that both groups rest on `HEADLINE_UNITS` units; False only where no two groups do.
    """

    row: "pd.Series[Any]"
    others: "pd.DataFrame"
    is_broad: bool
    units: str


def headline(differences: "pd.DataFrame") -> Headline | None:
    """Return the headline of `group_differences.csv`, or None where no two groups can be compared.

    It is the greatest difference among groups that rest on enough units, or of all where no two do.
    """
    compared = differences[differences["difference_pp"].notna()]
    if compared.empty:
        return None
    broad = compared[compared["headline"].astype(bool)]
    row = (compared if broad.empty else broad).iloc[0]
    return Headline(row, compared.drop(index=row.name), not broad.empty, _units(compared))


def units_in_words(n_terms: Sequence[float]) -> str:
    """Name the unit of groups by their numbers of identity terms, which are missing where they have none.

    >>> units_in_words([3, 1]), units_in_words([float("nan")])
    ('identity terms', 'prompts')
    """
    import pandas as pd

    missing = {bool(pd.isna(count)) for count in n_terms}
    if missing == {True}:
        return "prompts"
    return "identity terms or, where a group has none, prompts" if True in missing else "identity terms"


def _units(differences: "pd.DataFrame") -> str:
    return units_in_words([*differences["n_terms_a"], *differences["n_terms_b"]])
