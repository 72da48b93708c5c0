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
    #: The least p that data of this layout can have.
    least_p: float = 0.0
    n_pairs: int = 0
    #: Pairs with an adjusted p below `ALPHA`.
    n_different: int = 0
    #: Whether groups are compared within strata.
    within_strata: bool = False
    #: Those of the two groups that rest on one unit, and groups that were compared with none.
    one_unit: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
    #: Smallest gap between groups of median size found with 80 % power, and that size; None where unknown.
    detectable: float | None = None
    median_units: float = 0.0
    #: Gaps up to this size are small: a test that misses larger ones has too little power.
    small_gap: float = 5.0

    @property
    def too_few(self) -> bool:
        """Whether no data of this layout could have been significant."""
        return self.least_p >= ALPHA


def verdict(finding: Finding) -> Verdict:
    """Return what the numbers allow to be said.

    >>> verdict(Finding("category", 10, "term", n_pairs=45, detectable=8.0))
    'underpowered'
    """
    if finding.reason:
        return "not estimable"
    if finding.n_different:
        return "significant"
    if finding.too_few or finding.detectable is None or finding.detectable > finding.small_gap:
        return "underpowered"
    return "not significant"


def sentence(finding: Finding) -> str:
    """Return the question, the answer and the numbers that it follows from."""
    n_compared = finding.n_groups - len(finding.not_compared)
    which = f"{n_compared} of the {finding.n_groups}" if finding.not_compared else f"the {finding.n_groups}"
    asked = f"Does the draft serve {which} groups of {finding.grouping} equally?"
    said = verdict(finding)
    if said == "not estimable":
        return f"{asked} It cannot be told: {finding.reason}."
    if said == "significant":
        answer = f"No: {_gap(finding)} ({_numbers(finding)}), {_gaps(finding)}"
    else:
        found = "No difference was found" if said == "not significant" else "It is not known"
        answer = f"{found}: in {_largest(finding)} {_gap(finding)}, {_chance(finding)} ({_numbers(finding)})"
    return f"{asked} {answer}{_power(finding, said)}{_rest(finding)}."


def p_words(p: float) -> str:
    """Return a p-value with as many digits as it needs, on the side of `ALPHA` that it is on.

    >>> p_words(0.0001), p_words(0.0312), p_words(0.0496), p_words(0.5)
    ('0.0001', '0.031', '0.0496', '0.50')
    """
    digits = 2 if p >= 0.1 else 3 if p >= 0.01 else 4
    while (float(f"{p:.{digits}f}") < ALPHA) != (p < ALPHA):
        digits += 1
    return f"{p:.{digits}f}"


def _numbers(finding: Finding) -> str:
    return (
        f"simultaneous 95 % interval {_signed(finding.low)} to {_signed(finding.high)} points, "
        f"adjusted p = {p_words(finding.p_adjusted)}"
    )


def _gap(finding: Finding) -> str:
    gap = f"{finding.group_a} is {finding.gap:.1f} points of acceptance rate above {finding.group_b}"
    gap += " within strata" if finding.within_strata else ""
    alone = " and ".join(finding.one_unit)
    verb = "rests" if len(finding.one_unit) == 1 else "rest"
    return f"{gap}, where {alone} {verb} on one {finding.unit}" if alone else gap


def _largest(finding: Finding) -> str:
    if not finding.least_units:
        return "the largest gap"
    return f"the largest gap between groups of {finding.least_units} or more {finding.unit}s,"


def _chance(finding: Finding) -> str:
    """Say that a gap may be chance; its interval and its adjusted p need not agree."""
    if finding.low > 0 or finding.high < 0:
        return "not distinguishable from chance by the test, though its interval leaves 0 out"
    return "not distinguishable from chance"


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")


def _gaps(finding: Finding) -> str:
    holds = "" if finding.low > 0 or finding.high < 0 else "though its interval holds 0, "
    if finding.n_pairs == 1:
        return f"{holds}more than chance"
    if finding.n_different == 1:
        return f"{holds}of {finding.n_pairs} gaps the only one that is more than chance"
    return f"{holds}one of {finding.n_different} among {finding.n_pairs} gaps that are more than chance"


def _power(finding: Finding, said: Verdict) -> str:
    units = f"{finding.unit}s"
    if finding.too_few:
        return f"; with so few {units} no p can be below {ALPHA:g}, so more are needed"
    size = f"groups of {finding.median_units:g} {units if finding.median_units != 1 else finding.unit}"
    if finding.detectable is None:
        return f"; what could have been found between {size}, the median, cannot be told"
    found = (
        f"between {size}, the median, a gap of {finding.detectable:.1f} points would have been found with "
        "80 % power"
    )
    if said == "underpowered":
        return f"; {found}, no smaller one, so more {units} are needed"
    return f"; {found}"


def _rest(finding: Finding) -> str:
    """Say what the answer is not about."""
    said = ""
    if finding.unit == "prompt":
        said = (
            "; the prompts name no terms, so this is about prompts like these and not about groups of terms"
        )
    if finding.not_compared:
        said += f"; compared with none: {', '.join(finding.not_compared)}"
    return said
