"""Emitted texts, rebuilt from stored rows alone."""

import numpy as np
import pyarrow as pa

from specgap.schema import Verdict


def rebuild(traces: pa.Table, rounds: pa.Table) -> dict[tuple[int, int], list[int]]:
    """Return the emitted token ids of each (prompt, sample): accepted tokens, then each round's own.

    Takes tables with the columns of `schema.TRACES` and `schema.ROUNDS`, in any order of rows.
    """
    kept = np.asarray(traces["verdict"]) == Verdict.ACCEPTED
    own = np.asarray(rounds["next_token"].is_valid())
    keys = ("prompt", "sample", "round")
    prompt, sample, number = (
        np.concatenate([np.asarray(traces[key])[kept], np.asarray(rounds[key])[own]]) for key in keys
    )
    after_all = np.full(own.sum(), np.iinfo(np.int64).max)
    position = np.concatenate([np.asarray(traces["position"])[kept].astype(np.int64), after_all])
    token = np.concatenate([np.asarray(traces["token"])[kept], np.asarray(rounds["next_token"].drop_null())])
    order = np.lexsort((position, number, sample, prompt))
    texts: dict[tuple[int, int], list[int]] = {}
    for index in order.tolist():
        texts.setdefault((int(prompt[index]), int(sample[index])), []).append(int(token[index]))
    return texts
