"""Paths and tails of loaded pairs in memory, without files, and comparisons of rows."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

import rust_agg
from specgap.models import ReadyPair
from specgap.schema import SHARD_KINDS
from specgap.settings import Decoding, Setting
from specgap.trace.collect_tails import Wanted
from specgap.trace.drafting import TargetPath
from specgap.trace.ledger import Columns
from specgap.trace.paths import Paths
from specgap.trace.tails import Tails
from tests.support import replay_reference

#: How far probabilities may be apart in two batches, or in another order of sums.
NEAR = 1e-5


def table_of(kind: str, columns: Columns) -> pa.Table:
    """Return columns as a table of `schema.SHARD_KINDS[kind]`."""
    schema = SHARD_KINDS[kind]
    arrays = [
        pa.array(np.asarray(columns[field.name]).astype(field.type.to_pandas_dtype()), type=field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def collect_paths(
    pair: ReadyPair,
    decoding: Decoding,
    prompt_ids: Sequence[Sequence[int]],
    *,
    seed: int = 0,
    sample: int = 0,
    at_once: int = 64,
) -> pa.Table:
    """Return the paths of prompts, which are numbered from 0."""
    longest = max(map(len, prompt_ids)) + decoding.max_new_tokens
    paths = Paths(pair, decoding, seed=seed, longest=longest)
    texts = dict(enumerate(prompt_ids))
    return table_of("paths", paths.collect(texts, sample=sample, at_once=at_once, told=lambda *_: None))


def collect_tails(
    pair: ReadyPair,
    decoding: Decoding,
    prompt_ids: Sequence[Sequence[int]],
    paths: pa.Table,
    counted: Sequence[rust_agg.Replay],
    full: Sequence[rust_agg.Replay] | None = None,
    *,
    seed: int = 0,
    sample: int = 0,
    at_once: int = 64,
) -> pa.Table:
    """Return the tails that schedules need, with the p that those of `full` need (all, if None)."""
    longest = max(map(len, prompt_ids)) + decoding.max_new_tokens
    wanted = Wanted(tuple(counted), tuple(counted if full is None else full))
    eos = list(pair.eos_token_ids)
    rejections = wanted.rejections(paths, max_new_tokens=decoding.max_new_tokens, eos=eos)
    rows = paths.to_pydict()
    known = [
        TargetPath(
            prompt,
            prompt_ids[prompt],
            [token for token, of in zip(rows["token"], rows["prompt"], strict=True) if of == prompt],
        )
        for prompt in dict.fromkeys(rows["prompt"])
    ]
    tails = Tails(pair, decoding, seed=seed, longest=longest)
    return table_of(
        "tails", tails.collect(known, rejections, sample=sample, at_once=at_once, told=lambda *_: None)
    )


def endless_tails(
    paths: pa.Table, schedules: Sequence[rust_agg.Replay], *, max_new_tokens: int, eos: Sequence[int]
) -> pa.Table:
    """Return the tails of a draft that never ends a text: it goes on to the last token asked for."""
    asked = pa.table(rust_agg.tail_lengths(paths, schedules, max_new_tokens=max_new_tokens, eos=eos))
    length = asked["length"].to_numpy().astype(int)
    rows = np.repeat(np.arange(len(length)), length)
    step = np.arange(len(rows)) - np.repeat(np.cumsum(length) - length, length)
    start = asked["start"].to_numpy()[rows]
    columns = {name: asked[name].to_numpy()[rows] for name in ("prompt", "sample")}
    columns |= {"start": start, "offset": start + 1 + step, "token": 0 * step}
    columns |= {name: np.ones(len(rows)) for name in "pq"}
    return table_of("tails", columns)


def as_replay(setting: Setting) -> rust_agg.Replay:
    """Return a setting as `rust_agg` takes it."""
    return rust_agg.Replay(
        setting.schedule, setting.num_assistant_tokens, confidence_threshold=setting.confidence_threshold
    )


def as_reference(setting: Setting) -> replay_reference.Replay:
    """Return a setting as the slow walk takes it."""
    return replay_reference.Replay(
        setting.schedule, setting.num_assistant_tokens, setting.confidence_threshold
    )


def whole_columns(table: pa.Table) -> list[str]:
    """Return the names of integer columns."""
    return [field.name for field in table.schema if pa.types.is_integer(field.type)]


def differences(found: pa.Table, wanted: pa.Table) -> dict[str, float]:
    """Return the largest difference of each column of reals; a NaN or null equals itself alone."""
    largest = {}
    for name in set(found.column_names) - set(whole_columns(found)):
        one, other = (np.asarray(table[name].cast(pa.float64()).fill_null(9.0)) for table in (found, wanted))
        assert np.array_equal(np.isnan(one), np.isnan(other)), f"NaN at other places of {name}"
        largest[name] = float(np.nanmax(np.abs(one - other), initial=0.0)) if len(one) else 0.0
    return largest


def assert_same_rows(found: pa.Table, wanted: pa.Table) -> dict[str, float]:
    """Hold integer columns to equality and the others to `NEAR`; return how far those are apart."""
    for name in whole_columns(found):
        assert found[name].to_pylist() == wanted[name].to_pylist(), name
    apart = differences(found, wanted)
    assert max(apart.values(), default=0.0) <= NEAR, apart
    return apart
