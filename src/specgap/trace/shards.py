"""Shards on disk: written whole, known by a fingerprint, and refused where damaged. Imports no torch.

A shard is one Parquet file of each kind that its collector makes (`KINDS`), and a sidecar `{shard}.json`
beside the first that is written last: with its fingerprint, and with rows, length and XXH3-128 of each file.
The digest of `timings` lies in a sidecar of its own, beside the times: all else is the same bytes each time.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from specgap import files
from specgap.layout import Cell, Shard, shard_file, sidecar_file
from specgap.schema import SCHEMA_VERSION, SHARD_KINDS
from specgap.trace.ledger import Columns

#: Bumped when the same config, models and prompts give other rows.
TRACE_VERSION = 2
#: Key of the file metadata, a JSON object.
METADATA_KEY = b"specgap"
#: What the shards of a collector consist of; the sidecar lies beside the first. `paths` and `tails` are what
#: records of the collector `replay` are made from.
KINDS: Mapping[str, tuple[str, ...]] = {
    "assisted": ("traces", "rounds", "timings"),
    "batched": ("traces", "rounds"),
    "replay": ("traces", "rounds"),
    "paths": ("paths",),
    "tails": ("tails",),
}
#: The one kind whose bytes differ from run to run.
TIMED = "timings"

#: Libraries whose releases decide rows: a shard that was made with others is stale.
VERSIONED = ("torch", "transformers")

#: Columns of many different values: stored plainly, which every reader decodes quickly; tokens byte by byte,
#: which compresses them.
_PLAIN = (
    *("p", "q", "proposal_p", "proposal_q", "overlap", "entropy", "next_p"),
    *("draft_seconds", "verify_seconds"),
)
_SPLIT = ("token", "proposal", "next_token")
_MODEL_FACTS = (
    *("revision", "loaded_xxh3_128", "dtype", "head", "model_kwargs"),
    *("trust_remote_code", "allow_pickle"),
)

#: Keys of a setting that decide no row of a shard whose prompts are known.
_NOT_DECIDING = ("name", "collector", "limit")

State = Literal["whole", "missing", "stale"]


@dataclass(frozen=True)
class Tokens:
    """Which token ids the models got for the prompts of a shard, as digests: equal prompts, equal ids.

    Shards of other samples, settings and kinds have the same prompts, so their ids can be compared.
    """

    prompts: str  # XXH3-128 of the prompts' own ids
    ids: str  # XXH3-128 of their token ids

    @classmethod
    def of(cls, prompts: Sequence[int], ids: Mapping[int, Sequence[int]]) -> "Tokens":
        """Return the digests for a shard's prompts, in whatever order; `ids` are token ids by prompt."""
        ordered = sorted(prompts)
        return cls(files.digest_of(ordered), files.digest_of([[prompt, ids[prompt]] for prompt in ordered]))

    @classmethod
    def read(cls, stored: Any) -> "Tokens | None":
        """Return what `as_json` has made."""
        return None if stored is None else cls(str(stored["prompts"]), str(stored["ids"]))

    def as_json(self) -> dict[str, str]:
        """Return both digests as they stand in files."""
        return {"prompts": self.prompts, "ids": self.ids}


@dataclass(frozen=True)
class Identity:
    """What all shards of a cell share; every value is JSON. `facts` are those of the loaded pair.

    `collector` is a key of `KINDS`; `setting` says all of the settings that a shard's rows depend on.
    """

    cell: Cell
    facts: Mapping[str, Any]
    decoding: Mapping[str, Any]
    setting: Mapping[str, Any]
    collector: str
    seed: int
    prompt_format: Mapping[str, Any]

    @property
    def kinds(self) -> tuple[str, ...]:
        """What a shard consists of."""
        return KINDS[self.collector]

    def fingerprint(
        self,
        shard: Shard,
        texts: Mapping[int, str],
        tokens: Tokens | None = None,
        *,
        after: str | None = None,
    ) -> str:
        """Return the SHA-256 of all that decides a shard's rows.

        `tokens` are those of the shard's prompts; None where no model runs. `after` stands for what is made
        before it and decides its rows: the fingerprint of the shard before it, where γ is carried from prompt
        to prompt; the digest of its paths, for tails. Names that only label (of shard, setting, pair) are not
        in it.
        """
        known = {
            "schema": SCHEMA_VERSION,
            "trace": TRACE_VERSION,
            "pair": {role: deciding(self.facts[role]) for role in ("target", "draft")},
            "eos_token_ids": self.facts["eos_token_ids"],
            "device": str(self.facts["device"]).split(":")[0],
            "versions": {name: self.facts[name] for name in VERSIONED},
            "decoding": {key: value for key, value in self.decoding.items() if key != "settings"},
            "setting": {key: value for key, value in self.setting.items() if key not in _NOT_DECIDING},
            "collector": self.collector,
            "seed": self.seed,
            "prompt_format": self.prompt_format,
            "probe": self.facts["probe_xxh3_128"],
            "tokens": None if tokens is None else tokens.ids,
            "sample": shard.sample,
            "prompts": [[prompt, texts[prompt]] for prompt in shard.prompts],
            "after": after,
        }
        return hashlib.sha256(canonical(known).encode()).hexdigest()

    def metadata(self, shard: Shard, fingerprint: str, tokens: Tokens | None = None) -> dict[str, Any]:
        """Return what stands in the metadata of a shard's files."""
        return {
            "schema_version": SCHEMA_VERSION,
            "trace_version": TRACE_VERSION,
            "fingerprint": fingerprint,
            "shard": shard.name,
            "sample": shard.sample,
            "pair": dict(self.facts),
            "decoding": dict(self.decoding),
            "setting": dict(self.setting),
            "collector": self.collector,
            "seed": self.seed,
            "prompt_format": dict(self.prompt_format),
            "tokens": None if tokens is None else tokens.as_json(),
            "eos_token_ids": self.facts["eos_token_ids"],
            "max_new_tokens": self.decoding["max_new_tokens"],
            **{name: self.facts[name] for name in VERSIONED},
            "device_name": self.facts["device_name"],
            "sklearn_importable": self.facts["sklearn_importable"],
        }


@dataclass(frozen=True)
class Sidecar:
    """What a shard's sidecars say. `end_gamma` is γ after its last round, where γ is carried.

    `tokens` are None where records of more shards than one went into it.
    """

    schema_version: int
    fingerprint: str
    files: Mapping[str, Mapping[str, Any]]  # kind to rows, bytes, xxh3_128
    end_gamma: int | None
    tokens: Tokens | None


def write_shard(
    results: Path,
    cell: Cell,
    shard: str,
    rows: Mapping[str, Sequence[Columns]],
    metadata: Mapping[str, Any],
    *,
    end_gamma: int | None = None,
) -> Sidecar:
    """Write a shard's files, one of each kind of `rows`, then its sidecars.

    A crash in between leaves a shard that is not whole.
    """
    kinds = tuple(kind for kind in SHARD_KINDS if kind in rows)
    for kind in sidecar_kinds(kinds):
        sidecar_file(results, kind, cell, shard).unlink(missing_ok=True)
    described: dict[str, dict[str, Any]] = {}
    end_state = None if end_gamma is None else {"gamma": end_gamma}
    for kind in kinds:
        path = shard_file(results, kind, cell, shard)
        table = shard_table(kind, rows[kind], {**metadata, "end_state": end_state})
        with files.written_whole(path) as beside:
            write_parquet(table, beside)
        described[kind] = {
            "rows": table.num_rows,
            "bytes": path.stat().st_size,
            "xxh3_128": files.xxh3_128(path),
        }
    fingerprint = metadata["fingerprint"]
    known = {"schema_version": SCHEMA_VERSION, "fingerprint": fingerprint, "shard": shard}
    if TIMED in kinds:
        timings = {**known, "files": {TIMED: described[TIMED]}}
        files.write_text(sidecar_file(results, TIMED, cell, shard), readable(timings))
    exact = {kind: described[kind] for kind in kinds if kind != TIMED}
    tokens = metadata.get("tokens")
    said = {**known, "files": exact, "end_state": end_state, "tokens": tokens}
    files.write_text(sidecar_file(results, kinds[0], cell, shard), readable(said))
    return Sidecar(SCHEMA_VERSION, fingerprint, described, end_gamma, Tokens.read(tokens))


def state_of(
    results: Path, cell: Cell, shard: str, fingerprint: str, kinds: Sequence[str]
) -> tuple[State, Sidecar | None]:
    """Say whether a shard is whole (its sidecar is returned then), missing, or there but stale or damaged."""
    sidecar = read_sidecar(results, cell, shard, kinds)
    paths = {kind: shard_file(results, kind, cell, shard) for kind in kinds}
    if sidecar is None:
        return ("stale" if any(path.exists() for path in paths.values()) else "missing"), None
    fits = sidecar.schema_version == SCHEMA_VERSION and sidecar.fingerprint == fingerprint
    if fits and all(
        problem_with(paths[kind], sidecar.files[kind]["bytes"], sidecar.files[kind]["xxh3_128"]) is None
        for kind in kinds
    ):
        return "whole", sidecar
    return "stale", None


def read_sidecar(results: Path, cell: Cell, shard: str, kinds: Sequence[str]) -> Sidecar | None:
    """Read the sidecars of a shard of these kinds; None where one is missing or cannot be read as one."""
    try:
        found = {
            kind: files.read_json(sidecar_file(results, kind, cell, shard)) for kind in sidecar_kinds(kinds)
        }
        exact = found[kinds[0]]
        end_state = exact["end_state"]
        return Sidecar(
            schema_version=int(exact["schema_version"]),
            fingerprint=str(exact["fingerprint"]),
            files={kind: _described(found.get(kind, exact)["files"][kind]) for kind in kinds},
            end_gamma=None if end_state is None else int(end_state["gamma"]),
            tokens=Tokens.read(exact["tokens"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _described(file: Mapping[str, Any]) -> dict[str, Any]:
    return {"rows": int(file["rows"]), "bytes": int(file["bytes"]), "xxh3_128": str(file["xxh3_128"])}


def versions_of(path: Path) -> dict[str, str] | None:
    """Return the releases (`VERSIONED`) that a shard's file was made with, or None where it does not say."""
    facts = facts_in(path)
    return None if facts is None else {name: str(facts[name]) for name in VERSIONED}


def facts_in(path: Path) -> dict[str, Any] | None:
    """Return the facts of the pair that a shard's file was made with, or None where it does not say."""
    try:
        files.check_footer(path)
        footer = pq.read_metadata(path)
        facts = dict(json.loads((footer.metadata or {})[METADATA_KEY])["pair"])
        for role in ("target", "draft"):
            deciding(facts[role])
        _ = [facts[name] for name in (*VERSIONED, "eos_token_ids", "device", "probe_xxh3_128")]
        return facts
    # A file that is not whole has no digest to go by: whatever its bytes make of a reader, it says nothing.
    except (OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError, pa.ArrowException):
        return None


def sidecar_kinds(kinds: Sequence[str]) -> list[str]:
    """Return which of a shard's kinds have a sidecar beside their file."""
    return [kind for kind in kinds if kind in (kinds[0], TIMED)]


def problem_with(path: Path, length: int, xxh3_128: str) -> str | None:
    """Say what is wrong with a file of known length (bytes) and digest, or None; nothing is parsed."""
    if not path.is_file():
        return "is not there"
    found = path.stat().st_size
    if found != length:
        return f"has {found} bytes; wanted {length}"
    digest = files.xxh3_128(path)
    return None if digest == xxh3_128 else f"has XXH3-128 {digest[:12]}…; wanted {xxh3_128[:12]}…"


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def readable(value: Any) -> str:
    """Return a JSON text for files: sorted keys, indented, the same for equal values."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def deciding(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return those facts of a model that decide rows."""
    known = {key: model[key] for key in _MODEL_FACTS}
    # A folder is known by the digest of its files, wherever it lies; a hub commit belongs to its repository.
    moved = str(model["revision"]).startswith("sha256:")
    return known if moved else {**known, "source": model["source"]}


def shard_table(kind: str, parts: Sequence[Columns], metadata: Mapping[str, Any]) -> pa.Table:
    """Return a table of a kind (`schema.SHARD_KINDS`) from its parts, stamped with `metadata`."""
    schema = SHARD_KINDS[kind]
    columns = []
    for field in schema:
        joined = np.ma.concatenate([part[field.name] for part in parts])  # type: ignore[no-untyped-call]
        values = np.asarray(joined.data).astype(field.type.to_pandas_dtype())
        mask = np.ma.getmaskarray(joined) if field.nullable else None
        columns.append(pa.array(values, type=field.type, mask=mask))
    stamped = schema.with_metadata({METADATA_KEY: canonical(metadata).encode()})
    return pa.Table.from_arrays(columns, schema=stamped)


def write_parquet(table: pa.Table, path: Path) -> None:
    """Write a table as shards are written: as fast to decode as measured (benchmarks/README.md)."""
    plain, split = ([name for name in table.column_names if name in names] for names in (_PLAIN, _SPLIT))
    pq.write_table(
        table,
        path,
        compression="lz4",
        use_dictionary=[name for name in table.column_names if name not in (*_PLAIN, *_SPLIT)],
        column_encoding=dict.fromkeys(plain, "PLAIN") | dict.fromkeys(split, "BYTE_STREAM_SPLIT"),
        max_rows_per_page=30_000,
        row_group_size=1 << 18,
        write_page_checksum=True,
    )
