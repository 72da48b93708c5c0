"""What may be said of a test of all gaps, by rules; and the sentence that says it."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["significant", "not significant", "underpowered", "not estimable"]
Unit = Literal["term", "prompt"]
ALPHA = 0.05


@dataclass(frozen=True)
class Finding:
    """The numbers a sentence follows from. Gaps are in percentage points; a is the group above b."""

    grouping: str
    n_groups: int
    unit: Unit
    #: Why there is no test, or "".
    reason: str = ""
    group_a: str = ""
    group_b: str = ""
    gap: float = 0.0
    low: float = 0.0
    high: float = 0.0
    p_adjusted: float = 1.0
    #: Units that both named groups have at least, where others were passed over; 0 where none were.
    least_units: int = 0
    #: Of the hypothesis that no two groups differ.
    p: float = 1.0
    n_pairs: int = 0
    #: Pairs with an adjusted p below `ALPHA`.
    n_different: int = 0
    #: Smallest gap between groups of median size found with 80 % power, and that size; None where unknown.
    detectable: float | None = None
    median_units: float = 0.0
    #: Gaps up to this size are small: a test that misses larger ones has too little power.
    small_gap: float = 5.0


def verdict(finding: Finding) -> Verdict:
    """Return what the numbers allow to be said.

    >>> verdict(Finding("category", 10, "term", p=0.2, n_pairs=45, detectable=8.0))
    'underpowered'
    """
    if finding.reason:
        return "not estimable"
    if finding.n_different:
        return "significant"
    if finding.detectable is None or finding.detectable > finding.small_gap:
        return "underpowered"
    return "not significant"


def sentence(finding: Finding) -> str:
    """Return the question, the answer and the numbers that it follows from."""
    asked = f"Does the draft serve the {finding.n_groups} groups of {finding.grouping} equally?"
    said = verdict(finding)
    if said == "not estimable":
        return f"{asked} It cannot be told: {finding.reason}."
    numbers = (
        f"simultaneous 95 % interval {_signed(finding.low)} to {_signed(finding.high)} points, "
        f"adjusted p = {p_words(finding.p_adjusted)}"
    )
    gap = f"{finding.group_a} is {finding.gap:.1f} points of acceptance rate above {finding.group_b}"
    largest = "the largest gap"
    if finding.least_units:
        largest += f" between groups of {finding.least_units} or more {finding.unit}s,"
    if said == "significant":
        answer = f"No: {gap} ({numbers}), {_gaps(finding)}"
    elif said == "not significant":
        answer = f"No difference was found: in {largest} {gap}, not distinguishable from chance ({numbers})"
    else:
        answer = f"It is not known: in {largest} {gap}, not distinguishable from chance ({numbers})"
    return f"{asked} {answer}{_power(finding, said)}{_unit(finding)}."


def p_words(p: float) -> str:
    """Return a p-value with as many digits as it needs.

    >>> p_words(0.0001), p_words(0.0312), p_words(0.5)
    ('0.0001', '0.031', '0.50')
    """
    return f"{p:.4f}" if p < 0.01 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")


def _gaps(finding: Finding) -> str:
    if finding.n_different == 1:
        return f"of {finding.n_pairs} gaps the only one that is more than chance"
    return f"one of {finding.n_different} among {finding.n_pairs} gaps that are more than chance"


def _power(finding: Finding, said: Verdict) -> str:
    units = "terms" if finding.unit == "term" else "prompts"
    size = f"groups of {finding.median_units:g} {units}, the median"
    if finding.detectable is None:
        return f"; what could have been found between {size}, cannot be told"
    found = f"between {size}, a gap of {finding.detectable:.1f} points would have been found with 80 % power"
    if said == "underpowered":
        return f"; {found}, no smaller one, so more {units} are needed"
    return f"; {found}"


def _unit(finding: Finding) -> str:
    if finding.unit == "term":
        return ""
    return "; the prompts name no terms, so this is about prompts like these and not about groups of terms"
