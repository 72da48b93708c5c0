"""Makes the traces, rounds and groups that are counted: invented, but with the shape of real ones.

A shard is one sample of all prompts, 1,000,000 rows, made from its own Philox stream: any shard is the same
on its own. Files are kept in a cache, in a folder whose name changes with this file, with the writer of
`specgap.trace.shards` and with the libraries. They are as large as real ones: float32 mantissas are random,
tokens follow Zipf's law.
"""

import hashlib
import inspect
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.aggregate.work import MAX_POSITION, N_GROUPS, Files, Shard
from specgap import files
from specgap.schema import ROUNDS, TRACES, Censored, Verdict
from specgap.trace import shards as writer

Array = npt.NDArray[Any]

CACHE = Path("benchmarks/.cache")
SEED = 20240607
ROWS_PER_SHARD = 1_000_000
N_PROMPTS = 10_000
N_TOKENS = 50_000
#: Lengths of continuations; their mean gives a little more than 100 drafted tokens per prompt, cut to fit.
MIN_NEW_TOKENS = 54
MAX_NEW_TOKENS = MAX_POSITION + 1
#: γ of the first round; then two more after a success and one less after a failure, as transformers does.
FIRST_GAMMA = 5

GROUP_SIZES = (2400, 1800, 1400, 1100, 900, 750, 600, 500, 350, 200)
#: Terms per group; a unit is a group and a term.
TERMS = (20, 16, 12, 10, 8, 6, 4, 3, 1, 1)


@dataclass(frozen=True)
class _Drafting:
    """Rounds of all prompts of a shard, in order, and which prompt each belongs to."""

    prompt: Array  # index
    round: Array
    offset: Array
    requested: Array
    drafted: Array
    accepted: Array
    emitted: Array
    censored: Array


def make(n_shards: int, cache: Path = CACHE, *, processes: int = 2) -> Path:
    """Make what is missing of the first `n_shards` shards; return the folder that holds them.

    Folders of other fingerprints are removed: each takes gigabytes, and nothing reads it any more.
    """
    folder = cache / _fingerprint()
    for other in cache.glob("[0-9a-f]" * len(folder.name)):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    missing = [n for n in range(n_shards) if not _sidecar(folder, n).exists()]
    if processes == 1 or len(missing) < 2:
        for number in missing:
            _make_shard(folder, number)
    else:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            list(pool.map(_make_shard, [folder] * len(missing), missing))
    return folder


def made(folder: Path, n_shards: int) -> Files:
    """Return the first `n_shards` shards of a folder, with what their sidecars say."""
    described = [json.loads(_sidecar(folder, n).read_text(encoding="utf-8")) for n in range(n_shards)]
    traces, rounds = (
        tuple(Shard(folder / kind["file"], kind["bytes"], kind["xxh3_128"], kind["rows"]) for kind in kinds)
        for kinds in ([shard[name] for shard in described] for name in ("traces", "rounds"))
    )
    return Files(traces, rounds, groups())


def groups() -> pa.Table:
    """Every prompt in one group, prompts of all groups mixed."""
    rng = _rng(0, "groups")
    group = rng.permutation(np.repeat(np.arange(N_GROUPS), GROUP_SIZES))
    first_unit = np.cumsum((0, *TERMS[:-1]))
    unit = first_unit[group] + rng.integers(0, np.array(TERMS)[group])
    return pa.table(
        {
            "prompt": _prompt_ids(),
            "group": group.astype(np.uint32),
            "unit": unit.astype(np.uint32),
        }
    )


def shard_tables(number: int, n_rows: int = ROWS_PER_SHARD) -> tuple[pa.Table, pa.Table]:
    """Traces and rounds of a shard; with fewer rows, its beginning drawn anew."""
    rng = _rng(number + 1, "shard")
    drafting = _draft(rng, n_rows)
    ids = _prompt_ids()
    round_of = np.repeat(np.arange(len(drafting.drafted)), drafting.drafted)
    first_row = np.cumsum(drafting.drafted) - drafting.drafted
    position = np.arange(n_rows) - first_row[round_of] + 1
    accepted = drafting.accepted[round_of]
    verdict = np.where(position <= accepted, Verdict.ACCEPTED, Verdict.DISCARDED).astype(np.uint8)
    verdict[position == accepted + 1] = Verdict.REJECTED
    p, q = _probabilities(rng, verdict)
    overlap, entropy = _at_judged(rng, verdict)
    traces = {
        "prompt": ids[drafting.prompt][round_of],
        "sample": np.full(n_rows, number),
        "round": drafting.round[round_of],
        "position": position,
        "offset": drafting.offset[round_of] + position - 1,
        "token": _tokens(rng, n_rows),
        "p": p,
        "q": q,
        "overlap": overlap,
        "entropy": entropy,
        "verdict": verdict,
    }
    n_rounds = len(drafting.drafted)
    no_next = drafting.emitted == drafting.accepted
    rounds = {
        "prompt": ids[drafting.prompt],
        "sample": np.full(n_rounds, number),
        "round": drafting.round,
        "requested": drafting.requested,
        "drafted": drafting.drafted,
        "accepted": drafting.accepted,
        "emitted": drafting.emitted,
        "next_token": np.ma.masked_array(_tokens(rng, n_rounds), no_next),
        "next_p": np.ma.masked_array(rng.random(n_rounds, np.float32), no_next),
        "censored": drafting.censored,
    }
    return _table(traces, TRACES), _table(rounds, ROUNDS)


def _draft(rng: np.random.Generator, n_rows: int) -> _Drafting:
    # All prompts at once, a round a turn; then in order of prompts, cut where the shard is full.
    rate = rng.beta(9, 3, N_PROMPTS)
    length = rng.integers(MIN_NEW_TOKENS, MAX_NEW_TOKENS + 1, N_PROMPTS)
    prompt = np.arange(N_PROMPTS)
    gamma = np.full(N_PROMPTS, FIRST_GAMMA)
    offset = np.zeros(N_PROMPTS, dtype=np.int64)
    turns: list[tuple[Array, ...]] = []
    while len(prompt):
        requested = gamma[prompt]
        may_draft = length[prompt] - offset[prompt] - 1
        drafted = np.minimum(requested, may_draft)
        accepted = np.minimum(rng.geometric(1 - rate[prompt]) - 1, drafted)
        censored = np.where(requested > may_draft, Censored.MAX_LENGTH, Censored.NONE)
        # A few texts end in an accepted EOS, after which no token of the target's own follows.
        at_end = (offset[prompt] + accepted + 1 == length[prompt]) & (accepted > 0)
        emitted = accepted + 1 - (at_end & (rng.random(len(prompt)) < 0.05))
        turns.append((prompt, offset[prompt], requested, drafted, accepted, emitted, censored))
        gamma[prompt] = np.where(accepted == drafted, requested + 2, np.maximum(1, requested - 1))
        offset[prompt] += accepted + 1
        prompt = prompt[offset[prompt] < length[prompt]]
    number = np.repeat(np.arange(len(turns)), [len(turn[0]) for turn in turns])
    columns = [np.concatenate(column) for column in zip(*turns, strict=True)]
    # Each shard begins at another prompt, so that all are met.
    order = np.lexsort((number, (columns[0] - rng.integers(N_PROMPTS)) % N_PROMPTS))
    prompt, offset, requested, drafted, accepted, emitted, censored = (column[order] for column in columns)
    before = np.cumsum(drafted) - drafted
    kept = before < n_rows
    if before[-1] + drafted[-1] < n_rows:
        raise ValueError(f"{N_PROMPTS} prompts gave {before[-1] + drafted[-1]} rows; wanted {n_rows}")
    sorted_columns = (prompt, number[order], offset, requested, drafted, accepted, emitted, censored)
    cut = _Drafting(*(column[kept] for column in sorted_columns))
    rest = n_rows - int(before[kept][-1])
    if rest < cut.drafted[-1]:
        cut.drafted[-1] = rest
        cut.accepted[-1] = min(int(cut.accepted[-1]), rest)
        cut.emitted[-1] = cut.accepted[-1] + 1
        cut.censored[-1] = Censored.THRESHOLD
    return cut


def _probabilities(rng: np.random.Generator, verdict: Array) -> tuple[Array, Array]:
    # Skewed and correlated: sure tokens, doubtful ones, hopeless ones; both models share most of the score.
    n = len(verdict)
    centre = np.array((4.5, 0.5, -3.0), np.float32)[np.searchsorted((0.45, 0.8), rng.random(n, np.float32))]
    shared = centre + 1.5 * rng.standard_normal(n, np.float32)
    p, q = (
        1 / (1 + np.exp(-(shared + 0.9 * rng.standard_normal(n, np.float32)), dtype=np.float32))
        for _ in range(2)
    )
    # Sampled verification rejects only where the draft is surer, and likely where it is much surer.
    rejected = verdict == Verdict.REJECTED
    p[rejected] = q[rejected] * rng.random(int(rejected.sum()), np.float32) ** 2
    kind = rng.random(n, np.float32)
    sure = (kind < 0.06) & ~rejected
    p[sure] = 1.0
    q[sure & (kind < 0.04)] = 1.0
    hopeless = (kind > 0.997) & (verdict != Verdict.ACCEPTED)  # below top-p
    p[hopeless] = 0.0
    equal = (kind > 0.06) & (kind < 0.08) & ~rejected
    q[equal] = p[equal]
    _put_beside_edges(p, q, np.flatnonzero((kind > 0.5) & (kind < 0.501) & ~rejected), rng)
    return np.clip(p, 0, 1), np.clip(q, 0, 1)


def _put_beside_edges(p: Array, q: Array, rows: Array, rng: np.random.Generator) -> None:
    # One row in a thousand lies on an edge or one float32 beside it, with a q that rounding of p - q swallows
    # in part: whoever bins carelessly does not agree.
    edge = (rng.integers(0, 101, len(rows)) / 100).astype(np.float32)
    towards = np.array((-1.0, 0.0, 2.0), np.float32)[rng.integers(0, 3, len(rows))]
    p[rows] = np.where(towards == 0, edge, np.nextafter(edge, towards))
    q[rows] = np.exp2(-rng.integers(20, 60, len(rows)).astype(np.float32))


def _at_judged(rng: np.random.Generator, verdict: Array) -> tuple[Array, Array]:
    n = len(verdict)
    overlap = 1 - rng.random(n, np.float32) * rng.random(n, np.float32)
    entropy = 2 * rng.standard_exponential(n, np.float32)
    for values in (overlap, entropy):
        values[verdict == Verdict.DISCARDED] = np.nan
    return overlap, entropy


def _tokens(rng: np.random.Generator, n: int) -> Array:
    # Zipf's law; the id says nothing about the rank, as in a real vocabulary.
    weights = 1 / np.arange(1, N_TOKENS + 1)
    rank = np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(n))
    return (np.minimum(rank, N_TOKENS - 1) * 7919 % N_TOKENS).astype(np.uint32)


def _prompt_ids() -> Array:
    return _rng(0, "prompts").integers(0, 2**64, N_PROMPTS, dtype=np.uint64)


def _rng(number: int, purpose: str) -> np.random.Generator:
    key = hashlib.sha256(f"{SEED} {purpose} {number}".encode()).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def _table(columns: dict[str, Array], schema: pa.Schema) -> pa.Table:
    arrays = []
    for field in schema:
        column = np.ma.asarray(columns[field.name])
        values = column.data.astype(field.type.to_pandas_dtype())
        mask = np.ma.getmaskarray(column) if field.nullable else None
        arrays.append(pa.array(values, type=field.type, mask=mask))
    return pa.Table.from_arrays(arrays, schema=schema)


def _make_shard(folder: Path, number: int, n_rows: int = ROWS_PER_SHARD) -> None:
    described: dict[str, dict[str, Any]] = {}
    for kind, table in zip(("traces", "rounds"), shard_tables(number, n_rows), strict=True):
        path = folder / f"{kind}-{number:03}.parquet"
        with files.written_whole(path) as beside:
            writer.write_parquet(table, beside)
        described[kind] = {
            "file": path.name,
            "rows": table.num_rows,
            "bytes": path.stat().st_size,
            "xxh3_128": files.xxh3_128(path),
        }
    files.write_text(_sidecar(folder, number), json.dumps(described, indent=1) + "\n")


def _sidecar(folder: Path, number: int) -> Path:
    return folder / f"{number:03}.json"


def _fingerprint() -> str:
    # A small shard tells of libraries and encodings, but of nothing that begins after its few rows.
    with TemporaryDirectory() as folder:
        _make_shard(Path(folder), 0, 1000)
        small = _sidecar(Path(folder), 0).read_text(encoding="utf-8")
    parts = (Path(__file__).read_text(encoding="utf-8"), inspect.getsource(writer.write_parquet), small)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def load(shards: tuple[Shard, ...], columns: list[str] | None) -> pa.Table:
    """Load shards as they are: one chunk per row group."""
    return pa.concat_tables(_read(shards, columns))


def _read(shards: tuple[Shard, ...], columns: list[str] | None) -> Iterator[pa.Table]:
    for shard in shards:
        yield pq.read_table(shard.path, columns=columns, memory_map=False)
