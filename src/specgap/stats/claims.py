"""What may be said of a test of all gaps, by rules; and the sentence that says it."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["significant", "not significant", "underpowered", "not estimable"]
Unit = Literal["term", "prompt"]
#: From which on an adjusted p claims nothing.
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

    @property
    def is_different(self) -> bool:
        """Whether it is more than chance, as `stats.gaps.Gaps.different` has it."""
        return self.is_apart and self.p_adjusted < ALPHA


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
    #: Pairs that are more than chance (`Gaps.different`).
    n_different: int = 0
    #: Pairs of which even a gap above `small_gap` would not have been found with 80 % power.
    n_blind: int = 0
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


#: Of a number of points in a sentence.
_MOST_DIGITS = 6


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
    noun = "group" if which == "the 1" else "groups"
    asked = f"Does the draft serve {which} {noun} of {finding.grouping} equally?"
    said = verdict(finding)
    if finding.largest is None:
        return f"{asked} It cannot be told: {finding.reason}."
    if finding.different is not None:
        answer = f"No: {_different(finding, finding.different, finding.largest)}"
    else:
        found = "No difference was found" if said == "not significant" else "It is not known"
        answer = f"{found}: {_chance(finding, finding.largest)}"
    return f"{asked} {answer}{_power(finding, said)}{_rest(finding)}."


def signed(points: float) -> str:
    """Return points with their sign, and with as many digits as put them on their side of 0.

    >>> signed(-1.25), signed(0.03), signed(0.0)
    ('−1.2', '+0.03', '+0.0')
    """
    digits = 1
    while points and digits < _MOST_DIGITS and not float(f"{points:.{digits}f}"):
        digits += 1
    return f"{points:+.{digits}f}".replace("-", "−")


def p_words(p: float) -> str:
    """Return a p-value with as many digits as it needs, on the side of `ALPHA` that it is on.

    >>> p_words(0.00001), p_words(0.0001), p_words(0.0312), p_words(0.0496), p_words(0.5)
    ('0.00001', '0.0001', '0.031', '0.0496', '0.50')
    """
    digits = 2 if p >= 0.1 else 3 if p >= 0.01 else 4
    while (float(f"{p:.{digits}f}") < ALPHA) != (p < ALPHA) or not float(f"{p:.{digits}f}"):
        digits += 1
    return f"{p:.{digits}f}"


def _different(finding: Finding, different: Gap, largest: Gap) -> str:
    """Name a gap that is more than chance, and the largest of all where that is another."""
    named = f"{_gap(different, finding)} ({_numbers(different)}), "
    if finding.n_pairs == 1:
        return f"{named}more than chance"
    rank = "the only one" if finding.n_different == 1 else f"one of {finding.n_different}"
    if different == largest:
        return f"{named}the largest of {finding.n_pairs} gaps and {rank} more than chance"
    is_too = "another" if largest.is_different else _doubt(largest)
    return (
        f"{named}of {finding.n_pairs} gaps {rank} more than chance; the largest of all, {_short(largest)}"
        f"{_rests(largest, finding)}, is {is_too} ({_numbers(largest)})"
    )


def _chance(finding: Finding, largest: Gap) -> str:
    which = "in the only gap" if finding.n_pairs == 1 else f"in the largest of {finding.n_pairs} gaps"
    return f"{which} {_gap(largest, finding)}, {_doubt(largest)} ({_numbers(largest)})"


def _doubt(gap: Gap) -> str:
    """Say that a gap may be chance; its interval and its adjusted p need not agree."""
    said = "not distinguishable from chance"
    if gap.is_apart:
        return f"{said} by the test, though its interval leaves 0 out"
    return f"{said} by its interval, though its p is below {ALPHA:g}" if gap.p_adjusted < ALPHA else said


def _numbers(gap: Gap) -> str:
    return (
        f"simultaneous 95 % interval {signed(gap.low)} to {signed(gap.high)} points, "
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


def _points(points: float, limit: float) -> str:
    """Return points with as many digits as put them on their side of a limit."""
    digits = 1
    while digits < _MOST_DIGITS and (float(f"{points:.{digits}f}") > limit) != (points > limit):
        digits += 1
    return f"{points:.{digits}f}"


def _power(finding: Finding, said: Verdict) -> str:
    """Say what would have been found: between the two of a largest gap of chance, and at the median size."""
    units = f"{finding.unit}s"
    if finding.too_few:
        return f"; with so few {units} no p can be below {ALPHA:g}, so more are needed"
    size = f"groups of {finding.median_units:g} {units if finding.median_units != 1 else finding.unit}"
    if finding.detectable is None:
        return f"; what could have been found between {size}, the median, cannot be told"
    least = _points(finding.detectable, finding.small_gap)
    found = f"between {size}, the median, a gap of {least} points"
    pair = None if finding.largest is None or finding.different is not None else finding.largest.detectable
    if pair is not None and _points(pair, finding.small_gap) != least:
        found += f", and between these two one of {_points(pair, finding.small_gap)},"
    found += " would have been found with 80 % power"
    if said == "underpowered":
        return f"; {found}, no smaller one, so more {units} are needed"
    if said == "not significant" and finding.n_blind:
        of = f"{finding.n_blind} of the {finding.n_pairs} gaps"
        found += f", but in {of} none of up to {finding.small_gap:g}"
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
