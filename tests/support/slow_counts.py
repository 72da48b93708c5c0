"""The counts behind the tables, one record at a time, for tests that need no aggregate."""

import math
from collections import defaultdict

from specgap.schema import Censored, Verdict
from specgap.tables.counts import Counts
from tests.support.records import Record, Trace


def slow_counts(whole: Trace, *, ratio: float = 2.0) -> dict[int, Counts]:
    """Return each prompt's counts."""
    counts: dict[int, Counts] = defaultdict(Counts)
    for record in whole.records:
        counts[record.prompt] += _token(record, ratio)
    for drawn in whole.rounds:
        cut = int(drawn.censored == Censored.MAX_LENGTH)
        counts[drawn.prompt] += Counts(rounds=1, cut=cut, emitted=drawn.emitted)
    return dict(counts)


def slow_positions(whole: Trace) -> dict[int, dict[int, tuple[int, int]]]:
    """Return what each prompt had (judged, accepted) at each draft position."""
    positions: dict[int, dict[int, tuple[int, int]]] = defaultdict(dict)
    for record in whole.records:
        if record.verdict != Verdict.DISCARDED:
            judged, accepted = positions[record.prompt].get(record.position, (0, 0))
            accepted += record.verdict == Verdict.ACCEPTED
            positions[record.prompt][record.position] = (judged + 1, accepted)
    return dict(positions)


def _token(record: Record, ratio: float) -> Counts:
    if record.verdict == Verdict.DISCARDED:
        return Counts(discarded=1)
    accepted = int(record.verdict == Verdict.ACCEPTED)
    surer = int(record.q > record.p)
    over = int(surer and record.q >= ratio * record.p)
    return Counts(
        accepted=accepted,
        rejected=1 - accepted,
        surer_accepted=surer * accepted,
        surer_rejected=surer * (1 - accepted),
        over_confident_accepted=over * accepted,
        over_confident_rejected=over * (1 - accepted),
        overlap_values=int(not math.isnan(record.overlap)),
        overlap_sum=0 if math.isnan(record.overlap) else _fixed(record.overlap),
        severity_sum=_fixed(max(0.0, 1 - record.p / record.q)) if record.q else 0,
        entropy_values=int(not math.isnan(record.entropy)),
        entropy_sum=0 if math.isnan(record.entropy) else _fixed(record.entropy),
    )


def _fixed(value: float) -> int:
    return round(value * 2**40)
