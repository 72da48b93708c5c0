"""What may be said of a test of all gaps, by rules; and the sentence that says it."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["significant", "not significant", "underpowered", "not estimable"]
Unit = Literal["term", "prompt"]
ALPHA = 0.05


@dataclass(frozen=True)
class Gap:
    """Two groups as the test compares them, in percentage points; a is the one above b."""

    group_a: str
    group_b: str
    points: float
    low: float
    high: float
    p_adjusted: float
    #: Smallest gap between these two found with 80 % power; None where unknown.
    detectable: float | None = None
    #: Those of the two that rest on one unit.
    one_unit: tuple[str, ...] = ()

    @property
    def is_apart(self) -> bool:
        """Whether the simultaneous interval leaves 0 out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Finding:
    """The numbers a sentence follows from."""

    grouping: str
    n_groups: int
    unit: Unit
    #: Why there is no test, or "".
    reason: str = ""
    #: The largest gap of all pairs, and the one that is named as more than chance; None where there is none.
    largest: Gap | None = None
    different: Gap | None = None
    #: The least p that data of this layout can have.
    least_p: float = 0.0
    n_pairs: int = 0
    #: Pairs with an adjusted p below `ALPHA`.
    n_different: int = 0
    #: Whether groups are compared within strata.
    within_strata: bool = False
    #: Groups that were compared with none.
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
    if finding.largest is None:
        return f"{asked} It cannot be told: {finding.reason}."
    if finding.different is not None:
        answer = f"No: {_different(finding, finding.different, finding.largest)}"
    else:
        found = "No difference was found" if said == "not significant" else "It is not known"
        answer = f"{found}: {_chance(finding, finding.largest)}"
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


def _different(finding: Finding, different: Gap, largest: Gap) -> str:
    """Name a gap that is more than chance, and the largest of all where that is another."""
    named = f"{_gap(different, finding)} ({_numbers(different)}), {_but(different)}"
    if finding.n_pairs == 1:
        return f"{named}more than chance"
    rank = "the only one" if finding.n_different == 1 else f"one of {finding.n_different}"
    if different == largest:
        return f"{named}the largest of {finding.n_pairs} gaps and {rank} more than chance"
    return (
        f"{named}of {finding.n_pairs} gaps {rank} more than chance; the largest of all, {_short(largest)}"
        f"{_rests(largest, finding)}, {_too(largest)} ({_numbers(largest)})"
    )


def _but(gap: Gap) -> str:
    """Say that the interval of a gap which is more than chance does not show it."""
    return "" if gap.is_apart else "though its interval holds 0, "


def _too(gap: Gap) -> str:
    if gap.p_adjusted >= ALPHA:
        return "is not distinguishable from chance"
    return "is another" if gap.is_apart else "is another, though its interval holds 0"


def _chance(finding: Finding, largest: Gap) -> str:
    """Say that the largest gap may be chance; its interval and its adjusted p need not agree."""
    which = "in the only gap" if finding.n_pairs == 1 else f"in the largest of {finding.n_pairs} gaps"
    said = f"{which} {_gap(largest, finding)}, not distinguishable from chance"
    said += " by the test, though its interval leaves 0 out" if largest.is_apart else ""
    return f"{said} ({_numbers(largest)})"


def _numbers(gap: Gap) -> str:
    return (
        f"simultaneous 95 % interval {_signed(gap.low)} to {_signed(gap.high)} points, "
        f"adjusted p = {p_words(gap.p_adjusted)}"
    )


def _gap(gap: Gap, finding: Finding) -> str:
    said = f"{gap.group_a} is {gap.points:.1f} points of acceptance rate above {gap.group_b}"
    said += " within strata" if finding.within_strata else ""
    return f"{said}{_rests(gap, finding)}"


def _short(gap: Gap) -> str:
    return f"{gap.group_a} {gap.points:.1f} points above {gap.group_b}"


def _rests(gap: Gap, finding: Finding) -> str:
    verb = "rests" if len(gap.one_unit) == 1 else "rest"
    return f", where {' and '.join(gap.one_unit)} {verb} on one {finding.unit}" if gap.one_unit else ""


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")


def _power(finding: Finding, said: Verdict) -> str:
    """Say what would have been found: between the two of a largest gap of chance, and at the median size."""
    units = f"{finding.unit}s"
    if finding.too_few:
        return f"; with so few {units} no p can be below {ALPHA:g}, so more are needed"
    size = f"groups of {finding.median_units:g} {units if finding.median_units != 1 else finding.unit}"
    if finding.detectable is None:
        return f"; what could have been found between {size}, the median, cannot be told"
    found = f"between {size}, the median, a gap of {finding.detectable:.1f} points"
    pair = None if finding.largest is None or finding.different is not None else finding.largest.detectable
    if pair is not None and f"{pair:.1f}" != f"{finding.detectable:.1f}":
        found += f", and between these two one of {pair:.1f},"
    found += " would have been found with 80 % power"
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
