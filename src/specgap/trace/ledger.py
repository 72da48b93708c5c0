"""From what was recorded of one prompt to rows of `traces`, `rounds` and `timings`; imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from specgap.errors import TraceError
from specgap.schema import SHARD_KINDS, Censored, Verdict
from specgap.settings import Setting

Array = np.ndarray[Any, Any]
#: Columns of one table, by name.
Columns = dict[str, Array]

_U16 = 2**16 - 1


@dataclass(frozen=True)
class Recording:
    """One prompt's generation; B rounds, D drafted tokens in order, J of them judged, E emitted tokens.

    `ids` (E); `offset` (index in the continuation at which a round began), `drafted`, `emitted`, `next_p`,
    `draft_seconds`, `verify_seconds` (B); `token`, `p`, `q` (D); `overlap`, `entropy` (J, round by round).
    `next_p` is the target's probability of a round's last emitted token. Rounds of many prompts at once have
    no seconds of their own (0).
    """

    ids: Array
    offset: Array
    drafted: Array
    emitted: Array
    token: Array
    p: Array
    q: Array
    overlap: Array
    entropy: Array
    next_p: Array
    draft_seconds: Array = field(default_factory=lambda: np.empty(0))
    verify_seconds: Array = field(default_factory=lambda: np.empty(0))


def tabulate(
    recording: Recording,
    *,
    prompt: int,
    sample: int,
    setting: Setting,
    gamma: int,
    max_new_tokens: int,
    eos_token_ids: tuple[int, ...],
) -> tuple[Mapping[str, Columns], int]:
    """Return the rows of `traces`, `rounds` and, where there are any, `timings`, and γ after the last round.

    `gamma` is what the schedule asked for in the first round.
    """
    _check_probabilities(recording, prompt)
    n_rounds = len(recording.drafted)
    round_of = np.repeat(np.arange(n_rounds), recording.drafted)
    first_row = np.cumsum(recording.drafted) - recording.drafted
    position = np.arange(len(recording.token)) - first_row[round_of] + 1
    offset = recording.offset[round_of] + position - 1
    verdict, accepted = judge(recording, round_of, position, offset)
    _check_emitted(recording, accepted, eos_token_ids)
    requested, gamma = gammas(recording, setting, gamma)
    censored = censoring(recording, requested, max_new_tokens, eos_token_ids)
    _check_drafted(recording, requested, censored, setting, max_new_tokens)
    has_next = recording.emitted > accepted
    last = recording.ids[recording.offset + recording.emitted - 1]
    traces = {
        "round": round_of,
        "position": position,
        "offset": offset,
        "token": recording.token,
        "p": recording.p,
        "q": recording.q,
        "overlap": _at_judged(recording.overlap, verdict),
        "entropy": _at_judged(recording.entropy, verdict),
        "verdict": verdict,
    }
    rounds = {
        "round": np.arange(n_rounds),
        "requested": requested,
        "drafted": recording.drafted,
        "accepted": accepted,
        "emitted": recording.emitted,
        "next_token": np.ma.masked_array(last, ~has_next),
        "next_p": np.ma.masked_array(recording.next_p, ~has_next),
        "censored": censored,
    }
    keyed = {"traces": traces, "rounds": rounds}
    if len(recording.draft_seconds):
        keyed["timings"] = {
            "round": np.arange(n_rounds),
            "draft_seconds": recording.draft_seconds,
            "verify_seconds": recording.verify_seconds,
        }
    for columns in keyed.values():
        length = len(columns["round"])
        columns["prompt"] = np.full(length, prompt, dtype=np.uint64)
        columns["sample"] = np.full(length, sample)
    _check_u16(keyed, prompt)
    return keyed, gamma


def judge(recording: Recording, round_of: Array, position: Array, offset: Array) -> tuple[Array, Array]:
    """Return each drafted token's verdict and each round's number of accepted tokens.

    A token was accepted iff every earlier one of its round was, and it is the token emitted there: exact
    under sampling too, since a rejected token has no mass in the distribution that replaces it.
    """
    emitted = offset < (recording.offset + recording.emitted)[round_of]
    kept = np.zeros(len(position), dtype=bool)
    kept[emitted] = recording.ids[offset[emitted]] == recording.token[emitted]
    first_failure = recording.drafted + 1
    np.minimum.at(first_failure, round_of[~kept], position[~kept])
    failure = first_failure[round_of]
    verdict = np.full(len(position), Verdict.DISCARDED, dtype=np.uint8)
    verdict[position < failure] = Verdict.ACCEPTED
    verdict[position == failure] = Verdict.REJECTED
    return verdict, first_failure - 1


def gammas(recording: Recording, setting: Setting, gamma: int) -> tuple[Array, int]:
    """Return what the schedule requested in each round, and what it would request next.

    As transformers counts: a round is a success when all it drafted was accepted and a further token
    followed; a round that could draft nothing is one.
    """
    success = recording.emitted == recording.drafted + 1
    if setting.schedule == "constant":
        return np.full(len(success), gamma), gamma
    requested = []
    for won in success.tolist():
        requested.append(gamma)
        gamma = gamma + 2 if won else max(1, gamma - 1)
    return np.array(requested, dtype=np.int64), gamma


def censoring(
    recording: Recording, requested: Array, max_new_tokens: int, eos_token_ids: tuple[int, ...]
) -> Array:
    """Return why each round drafted fewer tokens than requested (`schema.Censored`).

    The last position of a continuation is never drafted, so a round may draft `max_new_tokens − offset − 1`.
    """
    may_draft = max_new_tokens - recording.offset - 1
    last_row = np.cumsum(recording.drafted) - 1
    ends_in_eos = np.zeros(len(requested), dtype=bool)
    some = recording.drafted > 0
    ends_in_eos[some] = np.isin(recording.token[last_row[some]], eos_token_ids)
    short = recording.drafted < requested
    return np.select(
        [requested > may_draft, short & ends_in_eos, short],
        [Censored.MAX_LENGTH, Censored.EOS, Censored.THRESHOLD],
        default=Censored.NONE,
    ).astype(np.uint8)


def _at_judged(values: Array, verdict: Array) -> Array:
    spread = np.full(len(verdict), np.nan, dtype=np.float32)
    spread[verdict != Verdict.DISCARDED] = values
    return spread


def _check_probabilities(recording: Recording, prompt: int) -> None:
    for name in ("p", "q", "overlap", "entropy", "next_p"):
        if not np.isfinite(getattr(recording, name)).all():
            raise TraceError(
                f"the models give a {name} that is no number after prompt {prompt}; "
                "wanted finite scores (try dtype float32 or bfloat16)"
            )


def _check_emitted(recording: Recording, accepted: Array, eos_token_ids: tuple[int, ...]) -> None:
    # Only an accepted EOS goes without a token of the target's own, and it ends the text.
    extra = recording.emitted - accepted
    whole = (extra[:-1] == 1).all() and (extra[-1] == 1 or recording.ids[-1] in eos_token_ids)
    if not whole or np.isin(recording.ids[:-1], eos_token_ids).any():
        raise TraceError(
            "transformers emitted tokens after an end-of-text token, or none after a verification; "
            "wanted a release that specgap was tested with"
        )


def _check_drafted(
    recording: Recording, requested: Array, censored: Array, setting: Setting, max_new_tokens: int
) -> None:
    most = np.minimum(requested, max_new_tokens - recording.offset - 1)
    unasked = (censored == Censored.THRESHOLD).any() and not setting.confidence_threshold
    if unasked or (recording.drafted > most).any():
        raise TraceError(
            f"transformers drafted {recording.drafted.tolist()} tokens where schedule {setting.schedule} "
            f"asks for {most.tolist()}; wanted a release that specgap was tested with"
        )


def _check_u16(keyed: Mapping[str, Columns], prompt: int) -> None:
    for kind, columns in keyed.items():
        for name, column in columns.items():
            narrow = SHARD_KINDS[kind].field(name).type.bit_width == 16
            if narrow and len(column) and column.max() > _U16:
                raise TraceError(
                    f"{kind}.{name} of prompt {prompt} is {column.max()}; wanted at most {_U16}, "
                    "so a shorter max_new_tokens or a smaller num_assistant_tokens"
                )
