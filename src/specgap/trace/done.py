"""What a finished trace job says of its shards, and how a reader gets at them: checked, then opened."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from specgap.errors import TraceError
from specgap.files import check_footer, read_json, write_text
from specgap.layout import Cell, done_file, shard_file
from specgap.schema import SCHEMA_VERSION, SHARD_KINDS
from specgap.trace.shards import (
    KINDS,
    METADATA_KEY,
    TIMED,
    Identity,
    Sidecar,
    Tokens,
    deciding,
    problem_with,
    read_sidecar,
    readable,
)

_DIGEST = re.compile("[0-9a-f]{32}")
_KEYS = (
    "cell",
    "job",
    "mode",
    "collector",
    "seed",
    "facts",
    "decoding",
    "setting",
    "prompt_format",
    "shards",
)


@dataclass(frozen=True)
class ShardFile:
    """One Parquet file of a shard; path relative to the results folder; no length and digest for timings."""

    path: str
    rows: int
    bytes: int | None
    xxh3_128: str | None


@dataclass(frozen=True)
class DoneShard:
    """A shard that a job has computed."""

    name: str
    fingerprint: str
    tokens: Tokens | None  # None where records of several shards went into it
    files: dict[str, ShardFile]  # by kind


@dataclass(frozen=True)
class Done:
    """A finished job (`…/{job}.done.json`): its shards in order, and what they were traced with."""

    job: str
    cell: Cell
    mode: str  # sampled or greedy
    collector: str
    seed: int
    facts: dict[str, Any]  # of the pair, see `specgap.models.ReadyPair` and `specgap.trace.opening`
    decoding: dict[str, Any]
    setting: dict[str, Any]
    prompt_format: dict[str, Any]
    shards: tuple[DoneShard, ...]


def write_done(
    results: Path, identity: Identity, job: str, shards: Sequence[tuple[str, str, Sidecar]]
) -> Path:
    """Write a job's done file, the same bytes for the same shards, which are (name, fingerprint, sidecar).

    It lies in the folder of the first kind that the collector makes.
    """
    cell = identity.cell
    content = {
        "schema_version": SCHEMA_VERSION,
        "cell": {"pair": cell.pair, "decoding": cell.decoding, "setting": cell.setting},
        "job": job,
        "mode": identity.decoding["mode"],
        "collector": identity.collector,
        "seed": identity.seed,
        "facts": dict(identity.facts),
        "decoding": dict(identity.decoding),
        "setting": dict(identity.setting),
        "prompt_format": dict(identity.prompt_format),
        "shards": [
            {
                "name": name,
                "fingerprint": fingerprint,
                "tokens": None if sidecar.tokens is None else sidecar.tokens.as_json(),
                "files": _listed(results, cell, name, sidecar),
            }
            for name, fingerprint, sidecar in shards
        ],
    }
    path = done_file(results, cell, job, identity.kinds[0])
    write_text(path, readable(content))
    return path


def read_done(path: Path) -> Done:
    """Read a done file; raise `TraceError` where it is missing, damaged, foreign or of another schema."""
    try:
        content = read_json(path)
    except OSError as error:
        raise TraceError(f"{path} cannot be read ({error.strerror}); wanted a finished trace job") from error
    except ValueError as error:
        raise TraceError(
            f"{path} is not JSON; wanted the done file of a trace job, so trace again"
        ) from error
    if not isinstance(content, Mapping) or any(key not in content for key in _KEYS):
        raise TraceError(f"{path} is not the done file of a trace job; wanted one, so trace again")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise TraceError(
            f"{path} with shards {_names(content)} is of schema version "
            f"{content.get('schema_version')!r:.20}; wanted {SCHEMA_VERSION}, so trace again"
        )
    done = _parsed(path, content)
    folder = path.absolute().parent.as_posix()
    if not folder.endswith(f"/{KINDS[done.collector][0]}/{done.cell.folder}"):
        raise TraceError(
            f"{path} was written for {done.cell.folder}; wanted it in that folder, so trace again"
        )
    return done


@dataclass(frozen=True)
class RecordedFile:
    """A shard's file on this disk, and what was recorded of it when it was written."""

    path: Path
    fingerprint: str
    rows: int
    bytes: int
    xxh3_128: str
    tokens: Tokens | None = None


def shard_files(results: Path, done_paths: Iterable[Path], kind: str) -> list[RecordedFile]:
    """Return the files of a kind that these jobs have computed, in order, none of them opened.

    Presence, schema version, fingerprint and that all jobs go together (`read_alike`) are checked; length
    and digest are left to the reader, who checks them before it parses a footer. Raises `TraceError` that
    names the shard.
    """
    found = read_alike(done_paths)
    return [_recorded(results, done.cell, shard, kind) for done in found.values() for shard in done.shards]


def verified_files(results: Path, done_paths: Iterable[Path], kind: str) -> list[Path]:
    """Return the paths of `shard_files`, each one checked to the last byte.

    Length and digest are checked before a footer is parsed. Raises `TraceError` that names the shard.
    """
    files = shard_files(results, done_paths, kind)
    for file in files:
        problem = problem_with(file.path, file.bytes, file.xxh3_128)
        if problem:
            raise TraceError(f"shard {file.path} {problem}: it is damaged or of another run, so trace again")
        _check_footer(file, kind)
    return [file.path for file in files]


def read_alike(paths: Iterable[Path]) -> dict[Path, Done]:
    """Read the done files of jobs of one pair; refuse those that had other models, or other ids of a prompt.

    Added up, they would be nobody's rates. Raises `TraceError` that names two of them.
    """
    found = {path: read_done(path) for path in paths}
    first = next(iter(found), Path())
    ids: dict[str, tuple[str, Path]] = {}
    for path, done in found.items():
        _check_models(path, done, first, found[first])
        for shard in done.shards:
            if shard.tokens is not None:
                before, where = ids.setdefault(shard.tokens.prompts, (shard.tokens.ids, path))
                if shard.tokens.ids != before:
                    raise TraceError(_other_ids(path, where, f"the prompts of shard {shard.name}"))
    return found


def _check_models(path: Path, done: Done, first: Path, other: Done) -> None:
    for role in ("target", "draft"):
        now, before = (deciding(one.facts[role]) for one in (done, other))
        if now["loaded_xxh3_128"] != before["loaded_xxh3_128"] and now["revision"] == before["revision"]:
            raise TraceError(
                f"{path} was made with other parameters or buffers of {role} {now['revision']} than {first} "
                f"(XXH3-128 {now['loaded_xxh3_128'][:12]}… and {before['loaded_xxh3_128'][:12]}…): the same "
                f"files were loaded as another model; expected one, so run both again on machines that agree"
            )
        if now != before:
            raise TraceError(
                f"{path} was made with {role} {now['revision']} and {first} with {before['revision']}: "
                f"the model has changed between two jobs; run both again"
            )
    if done.facts["probe_xxh3_128"] != other.facts["probe_xxh3_128"]:
        raise TraceError(_other_ids(path, first, "the same text"))


def _other_ids(path: Path, other: Path, text: str) -> str:
    return (
        f"{path} and {other} were made with different token ids of {text}: the tokenizer, its release or "
        "what the chat template writes has changed between two jobs; run both again"
    )


def _recorded(results: Path, cell: Cell, shard: DoneShard, kind: str) -> RecordedFile:
    if kind not in shard.files:
        raise TraceError(
            f"shard {shard.name} of {cell.folder} consists of {', '.join(shard.files)}; wanted its {kind} too"
        )
    path = results / shard.files[kind].path
    sidecar = read_sidecar(results, cell, shard.name, tuple(shard.files))
    if path != shard_file(results, kind, cell, shard.name):
        raise TraceError(f"shard {path} does not belong to {cell.folder}; wanted a shard of this cell")
    if not path.is_file():
        raise TraceError(f"shard {path} is not there; wanted it whole, so trace again")
    if sidecar is None:
        raise TraceError(
            f"shard {path} has no readable sidecar; wanted {shard.name}.json beside it, so trace again"
        )
    if sidecar.schema_version != SCHEMA_VERSION:
        raise TraceError(
            f"shard {path} is of schema version {sidecar.schema_version}; "
            f"wanted {SCHEMA_VERSION}, so trace again"
        )
    if sidecar.fingerprint != shard.fingerprint:
        raise TraceError(
            f"shard {path} was traced with another config, pair or prompts (fingerprint "
            f"{sidecar.fingerprint[:12]}…); wanted {shard.fingerprint[:12]}…, so trace again"
        )
    known = ShardFile(path="", **sidecar.files[kind]) if kind == TIMED else shard.files[kind]
    if not isinstance(known.bytes, int) or not _DIGEST.fullmatch(str(known.xxh3_128)):
        raise TraceError(f"shard {path} is recorded without length and digest; wanted both, so trace again")
    return RecordedFile(
        path,
        shard.fingerprint,
        shard.files[kind].rows,
        known.bytes,
        str(known.xxh3_128),
        shard.tokens,
    )


def _check_footer(file: RecordedFile, kind: str) -> None:
    try:
        check_footer(file.path)
        footer = pq.read_metadata(file.path)
        stamped = json.loads((footer.metadata or {}).get(METADATA_KEY, b"{}"))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise TraceError(
            f"shard {file.path} cannot be read ({' '.join(str(error).split())}); so trace again"
        ) from error
    if (stamped.get("schema_version"), stamped.get("fingerprint")) != (SCHEMA_VERSION, file.fingerprint):
        raise TraceError(
            f"shard {file.path} is stamped with another schema version or config; so trace again"
        )
    if not footer.schema.to_arrow_schema().equals(SHARD_KINDS[kind]) or footer.num_rows != file.rows:
        raise TraceError(
            f"shard {file.path} holds other columns or rows than its job recorded; so trace again"
        )


def _listed(results: Path, cell: Cell, shard: str, sidecar: Sidecar) -> dict[str, dict[str, Any]]:
    listed = {}
    for kind, known in sidecar.files.items():
        listed[kind] = {
            "path": shard_file(results, kind, cell, shard).relative_to(results).as_posix(),
            "rows": known["rows"],
            "bytes": None if kind == TIMED else known["bytes"],
            "xxh3_128": None if kind == TIMED else known["xxh3_128"],
        }
    return listed


def _names(content: Mapping[str, Any]) -> str:
    try:
        return ", ".join(str(shard["name"]) for shard in content["shards"])
    except (KeyError, TypeError):
        return "of no name"


def _parsed(path: Path, content: Mapping[str, Any]) -> Done:
    try:
        kinds = KINDS[content["collector"]]  # also where no shard asks for them
        shards = tuple(
            DoneShard(
                str(shard["name"]),
                str(shard["fingerprint"]),
                Tokens.read(shard["tokens"]),
                {kind: _file(shard["files"][kind]) for kind in kinds},
            )
            for shard in content["shards"]
        )
        cell = Cell(**{name: str(content["cell"][name]) for name in ("pair", "decoding", "setting")})
        for role in ("target", "draft"):
            deciding(content["facts"][role])["loaded_xxh3_128"].lower()
        content["facts"]["probe_xxh3_128"].lower()
        values = {key: content[key] for key in _KEYS if key not in ("cell", "shards")}
        return Done(cell=cell, shards=shards, **values)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise TraceError(f"{path} is not the done file of a trace job; wanted one, so trace again") from error


def _file(known: Mapping[str, Any]) -> ShardFile:
    """Return what is recorded of a file; its path says which, so that no other folder is looked into."""
    # Length and digest are held to what they must be where the file is looked for.
    return ShardFile(str(known["path"]), int(known["rows"]), known["bytes"], known["xxh3_128"])
