"""The columns of every stored file: the one place that names them.

Traces, rounds, timings, paths, tails and prompts are Parquet; tables are CSV. `SCHEMA_VERSION` stands in
every shard's metadata and is bumped whenever a stored column changes its name, type or meaning, or what is
recorded of a shard does.
"""

from enum import IntEnum

import pyarrow as pa

SCHEMA_VERSION = 4


class Verdict(IntEnum):
    """What verification said of a drafted token (`traces.verdict`)."""

    REJECTED = 0
    ACCEPTED = 1
    DISCARDED = 2


class Fate(IntEnum):
    """What becomes of the proposal at an offset of a path, whatever the schedule (`paths.fate`)."""

    REJECTED = 0
    ACCEPTED = 1


class Censored(IntEnum):
    """Why drafting stopped before `requested` (`rounds.censored`)."""

    NONE = 0
    MAX_LENGTH = 1
    EOS = 2
    THRESHOLD = 3


def _fields(*columns: tuple[str, pa.DataType], nullable: frozenset[str] = frozenset()) -> pa.Schema:
    return pa.schema([pa.field(name, dtype, nullable=name in nullable) for name, dtype in columns])


#: One row per drafted token.
TRACES = _fields(
    ("prompt", pa.uint64()),
    ("sample", pa.uint16()),
    ("round", pa.uint16()),
    ("position", pa.uint16()),
    ("offset", pa.uint16()),
    ("token", pa.uint32()),
    ("p", pa.float32()),
    ("q", pa.float32()),
    ("overlap", pa.float32()),
    ("entropy", pa.float32()),
    ("verdict", pa.uint8()),
)

#: One row per round, also where nothing was drafted.
ROUNDS = _fields(
    ("prompt", pa.uint64()),
    ("sample", pa.uint16()),
    ("round", pa.uint16()),
    ("requested", pa.uint16()),
    ("drafted", pa.uint16()),
    ("accepted", pa.uint16()),
    ("emitted", pa.uint16()),
    ("next_token", pa.uint32()),
    ("next_p", pa.float32()),
    ("censored", pa.uint8()),
    nullable=frozenset({"next_token", "next_p"}),
)

#: Wall-clock seconds per round; the only place where times are stored.
TIMINGS = _fields(
    ("prompt", pa.uint64()),
    ("sample", pa.uint16()),
    ("round", pa.uint16()),
    ("draft_seconds", pa.float64()),
    ("verify_seconds", pa.float64()),
)

#: One row per emitted token y of the target's path: `token`, with its p and q; the draft's `proposal` x there
#: with its own; the proposal's `fate` (`Fate`). Offsets go 0, 1, 2, … without gaps; `entropy` is of p, nats.
PATHS = _fields(
    ("prompt", pa.uint64()),
    ("sample", pa.uint16()),
    ("offset", pa.uint16()),
    ("token", pa.uint32()),
    ("proposal", pa.uint32()),
    ("fate", pa.uint8()),
    ("p", pa.float32()),
    ("q", pa.float32()),
    ("proposal_p", pa.float32()),
    ("proposal_q", pa.float32()),
    ("overlap", pa.float32()),
    ("entropy", pa.float32()),
)

#: One row per token that the draft adds to a rejected proposal: `start` is the proposal's offset, so `offset`
#: begins one further. A tail ends with an EOS or where no setting needs more; p is NaN where none does.
TAILS = _fields(
    ("prompt", pa.uint64()),
    ("sample", pa.uint16()),
    ("start", pa.uint16()),
    ("offset", pa.uint16()),
    ("token", pa.uint32()),
    ("q", pa.float32()),
    ("p", pa.float32()),
)

#: Seconds of the target alone, a row for each continuation: the whole of transformers' `generate`.
PLAIN_TIMINGS = _fields(("prompt", pa.uint64()), ("sample", pa.uint16()), ("seconds", pa.float64()))

#: Kind of file that shards consist of (a folder of `results/`) to its columns.
SHARD_KINDS = {"traces": TRACES, "rounds": ROUNDS, "timings": TIMINGS, "paths": PATHS, "tails": TAILS}

#: `results/study/prompts.parquet` has these and one string column per grouping, one row per source row.
#: `term`, `template` and `stratum` are null where the config names no such column.
PROMPTS = _fields(
    ("prompt", pa.uint64()),
    ("text", pa.string()),
    ("term", pa.string()),
    ("template", pa.string()),
    ("stratum", pa.string()),
    ("source", pa.string()),
    nullable=frozenset({"term", "template", "stratum"}),
)

#: `results/prompts/{pair}.parquet`: what depends on the models. Log-probabilities are nats per token.
PROMPT_MEASURES = _fields(
    ("prompt", pa.uint64()),
    ("n_tokens", pa.uint32()),
    ("term_tokens", pa.uint32()),
    ("mean_log_p", pa.float64()),
    ("mean_log_q", pa.float64()),
    nullable=frozenset({"term_tokens", "mean_log_p", "mean_log_q"}),
)

#: `results/vocabularies/{pair}.parquet`: each token id's text in readable form.
VOCABULARY = _fields(("token", pa.uint32()), ("text", pa.string()))
