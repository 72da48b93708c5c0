"""A schedule replayed over paths and tails one token at a time: slow, plain, and the law to test others by.

What stands in a path does not depend on a schedule (design.md §2.3); a schedule only decides where rounds
begin and end. The law of a round is transformers', as `specgap.trace.ledger` records it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from specgap.schema import ROUNDS, TRACES, Censored, Verdict

Row = dict[str, Any]
#: (prompt, sample).
Key = tuple[int, int]
NAN = float("nan")

TAIL_LENGTHS = pa.schema(
    [
        pa.field("prompt", pa.uint64(), nullable=False),
        pa.field("sample", pa.uint16(), nullable=False),
        pa.field("start", pa.uint16(), nullable=False),
        pa.field("length", pa.uint16(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Replay:
    """One schedule setting; the fields of `rust_agg.Replay`."""

    schedule: str
    num_assistant_tokens: int
    confidence_threshold: float = 0.0
    max_new_tokens: int | None = None
    order: Sequence[int] | None = None


@dataclass
class Round:
    """One round: where it starts, what was asked for, its proposals, and what of them became text."""

    start: int
    requested: int
    may_draft: int
    proposals: list[Row] = field(default_factory=list)  # rows of the path, the judged ones in order
    next_row: Row | None = None  # the path's row of the bonus or correction token
    #: Most tokens that the draft can go on for after a rejection.
    room: int = 0
    rejected: bool = False

    @property
    def accepted(self) -> int:
        return len(self.proposals) - self.rejected

    @property
    def emitted(self) -> int:
        return self.accepted + (self.next_row is not None)


def replay_records(
    paths: pa.Table,
    setting: Replay,
    *,
    max_new_tokens: int,
    eos: Sequence[int],
    tails: pa.Table | None = None,
) -> tuple[pa.Table, pa.Table]:
    """Return the `traces` and `rounds` rows of a setting, prompt by prompt in the order of `paths`.

    A tail that is needed and not there, or has no p, is a `ValueError`.
    """
    limit = min(max_new_tokens, setting.max_new_tokens or max_new_tokens)
    tail_of = _tails(tails)
    walked = _walks(_paths(paths), setting, limit, eos, tail_of)
    traces: list[Row] = []
    rounds: list[Row] = []
    for (prompt, sample), walk in walked.items():
        for number, (one, discarded) in enumerate(walk):
            known = {"prompt": prompt, "sample": sample, "round": number}
            traces += [known | row for row in _trace_rows(one, discarded)]
            rounds.append(known | _round_row(one, discarded, eos))
    return pa.Table.from_pylist(traces, schema=TRACES), pa.Table.from_pylist(rounds, schema=ROUNDS)


def tail_lengths(
    paths: pa.Table, settings: Iterable[Replay], *, max_new_tokens: int, eos: Sequence[int]
) -> pa.Table:
    """Return, per rejected position after which some setting may discard, the most tokens any can discard.

    Rounds do not depend on what is discarded, so no tail is needed to know them.
    """
    most: dict[tuple[int, int, int], int] = {}
    for setting in settings:
        limit = min(max_new_tokens, setting.max_new_tokens or max_new_tokens)
        for (prompt, sample), walk in _walks(_paths(paths), setting, limit, eos, None).items():
            for one, _ in walk:
                if one.room:
                    key = (prompt, sample, one.proposals[-1]["offset"])
                    most[key] = max(most.get(key, 0), one.room)
    names = ("prompt", "sample", "start", "length")
    order = {key: place for place, key in enumerate(_paths(paths))}
    keys = sorted(most, key=lambda key: (order[key[:2]], key[2]))
    rows = [dict(zip(names, (*key, most[key]), strict=True)) for key in keys]
    return pa.Table.from_pylist(rows, schema=TAIL_LENGTHS)


def _walks(
    paths: Mapping[Key, list[Row]],
    setting: Replay,
    limit: int,
    eos: Sequence[int],
    tails: Mapping[tuple[int, int, int], list[Row]] | None,
) -> dict[Key, list[tuple[Round, list[Row]]]]:
    """Return each path's rounds with their discarded rows, in the order of the paths."""
    walked: dict[Key, list[tuple[Round, list[Row]]]] = {}
    gamma = setting.num_assistant_tokens
    keys = list(paths)
    if setting.order is not None:
        place = {prompt: number for number, prompt in enumerate(setting.order)}
        keys.sort(key=lambda key: (key[1], place[key[0]]))
    for key in keys:
        if setting.order is None:
            gamma = setting.num_assistant_tokens
        walked[key] = []
        start, path = 0, [row for row in paths[key] if row["offset"] < limit]
        while start < len(path):
            one = _round(path, start, gamma, setting, limit, eos)
            discarded = [] if tails is None else _discarded(key, one, setting, eos, tails)
            walked[key].append((one, discarded))
            drafted = len(one.proposals) + len(discarded) if tails is not None else None
            gamma = _next_gamma(setting, gamma, one, drafted)
            start += one.emitted
    return {key: walked[key] for key in paths}


def _round(
    path: Sequence[Row], start: int, gamma: int, setting: Replay, limit: int, eos: Sequence[int]
) -> Round:
    """Walk one round: until a rejection, or until the draft stops."""
    k = min(gamma, limit - start - 1)
    one = Round(start, gamma, k)
    at = start
    while True:
        if len(one.proposals) == k:
            one.next_row = path[at]  # a bonus token, or the last one, which is never drafted
            return one
        row = path[at]
        one.proposals.append(row)
        stops = row["proposal"] in eos or row["proposal_q"] < setting.confidence_threshold
        if not row["fate"]:
            one.rejected = True
            one.next_row = row
            one.room = 0 if stops else k - len(one.proposals)
            return one
        if row["proposal"] in eos:
            return one
        at += 1
        if stops:
            one.next_row = path[at]
            return one


def _discarded(
    key: Key,
    one: Round,
    setting: Replay,
    eos: Sequence[int],
    tails: Mapping[tuple[int, int, int], list[Row]],
) -> list[Row]:
    """Return the rows of what the draft went on with after a rejection."""
    if not one.room:
        return []
    start = one.proposals[-1]["offset"]
    tail = tails.get((*key, start), [])
    for number in range(1, one.room + 1):
        if number > len(tail):
            raise ValueError(f"prompt {key[0]} sample {key[1]}: the tail from {start} ends before {number}")
        row = tail[number - 1]
        if row["p"] != row["p"]:
            raise ValueError(f"prompt {key[0]} sample {key[1]}: the tail from {start} has no p at {number}")
        if row["token"] in eos or row["q"] < setting.confidence_threshold:
            return tail[:number]
    return tail[: one.room]


def _next_gamma(setting: Replay, gamma: int, one: Round, drafted: int | None) -> int:
    if setting.schedule == "constant":
        return gamma
    success = not one.rejected and one.next_row is not None
    # The same, as transformers counts it.
    assert drafted is None or success == (one.emitted == drafted + 1)
    return gamma + 2 if success else max(1, gamma - 1)


def _trace_rows(one: Round, discarded: Sequence[Row]) -> list[Row]:
    rows = [
        {
            "offset": row["offset"],
            "token": row["proposal"],
            "p": row["proposal_p"],
            "q": row["proposal_q"],
            "overlap": row["overlap"],
            "entropy": row["entropy"],
            "verdict": Verdict.ACCEPTED if row["fate"] else Verdict.REJECTED,
        }
        for row in one.proposals
    ]
    rows += [
        {name: row[name] for name in ("offset", "token", "p", "q")}
        | {"overlap": NAN, "entropy": NAN, "verdict": Verdict.DISCARDED}
        for row in discarded
    ]
    return [row | {"position": number} for number, row in enumerate(rows, start=1)]


def _round_row(one: Round, discarded: Sequence[Row], eos: Sequence[int]) -> Row:
    drafted = [row["proposal"] for row in one.proposals] + [row["token"] for row in discarded]
    if one.requested > one.may_draft:
        censored = Censored.MAX_LENGTH
    elif len(drafted) == one.requested:
        censored = Censored.NONE
    else:
        censored = Censored.EOS if drafted[-1] in eos else Censored.THRESHOLD
    return {
        "requested": one.requested,
        "drafted": len(drafted),
        "accepted": one.accepted,
        "emitted": one.emitted,
        "next_token": None if one.next_row is None else one.next_row["token"],
        "next_p": None if one.next_row is None else one.next_row["p"],
        "censored": censored,
    }


def _paths(paths: pa.Table) -> dict[Key, list[Row]]:
    """Return each path's rows by offset."""
    found: dict[Key, list[Row]] = {}
    for row in paths.to_pylist():
        found.setdefault((row["prompt"], row["sample"]), []).append(row)
    for key, rows in found.items():
        assert [row["offset"] for row in rows] == list(range(len(rows))), f"gaps in the path of {key}"
    return found


def _tails(tails: pa.Table | None) -> dict[tuple[int, int, int], list[Row]]:
    """Return each tail's rows by offset."""
    found: dict[tuple[int, int, int], list[Row]] = {}
    for row in [] if tails is None else tails.to_pylist():
        found.setdefault((row["prompt"], row["sample"], row["start"]), []).append(row)
    for key, rows in found.items():
        wanted = list(range(key[2] + 1, key[2] + 1 + len(rows)))
        assert [row["offset"] for row in rows] == wanted, f"gaps in the tail of {key}"
    return found
