"""What is fuzzed: readers of untrusted files. Each may answer with a `SpecgapError`, or with what it read.

A target makes its input from a seed, so a failure is known by target and seed; those that were found are kept
in `seeds.json` and tried by every `make test`.
"""

import contextlib
import io
import json
import random
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import xxhash

from specgap import aggregate
from specgap.config import load
from specgap.errors import SpecgapError
from specgap.layout import Cell, shard_file, sidecar_file
from specgap.prompts import load_prompts, read_counts, read_prompts, write_prompts
from specgap.schema import SCHEMA_VERSION
from specgap.trace.done import read_done
from specgap.trace.shards import read_sidecar, readable, versions_of, write_parquet
from tests.support.damage import KINDS, PLAN, Job, damaged, outcomes, traces
from tests.support.prompt_files import study

ROOT = Path(__file__).parents[2]
_TOKENS = (
    *(
        "!!python/object/apply:os.system ['true']",
        "&a [*a]",
        "*a",
        "<<: {}",
        "? ",
        "- ",
        "~",
        "1e999",
        "0x1F",
    ),
    *(".nan", "2026-11-24", "{", "}", "[", '"', "'", "\\", "\x00", "\x1f", "\u202e", "\ufeff", "\ud7ff"),
    *(
        "-1",
        "99999999999999999999",
        "true",
        "null",
        "..",
        "/",
        "$(true)",
        "; rm",
        "a" * 300,
        "\r\n",
        "\t",
        "|",
    ),
)


def config(chance: random.Random, folder: Path) -> None:
    """A config whose lines and words are moved, doubled and replaced."""
    files = [ROOT / "config/config.yaml", *sorted((ROOT / "config/examples").glob("*.yaml"))]
    text = chance.choice(files).read_text(encoding="utf-8")
    path = folder / "study.yaml"
    path.write_text(_scrambled(text, chance), encoding="utf-8", newline="")
    load(path)


def prompt_file(chance: random.Random, folder: Path) -> None:
    """A prompt file of any format, with damage to its text or its bytes."""
    rows = [(f"the w{number} said", chance.choice("ab"), f"w{number}") for number in range(6)]
    kind = chance.choice(("csv", "tsv", "jsonl"))
    if kind == "jsonl":
        keys = ("text", "group", "term")
        text = "\n".join(json.dumps(dict(zip(keys, row, strict=True))) for row in rows)
    else:
        mark = "," if kind == "csv" else "\t"
        text = "\n".join(mark.join(row) for row in [("text", "group", "term"), *rows])
    path = folder / f"prompts.{kind}"
    data = _scrambled(text, chance).encode("utf-8", "surrogatepass")
    path.write_bytes(_flipped(data, chance) if chance.random() < 0.3 else data)
    load_prompts(study(str(path)))


def counts_file(chance: random.Random, folder: Path) -> None:
    """A server's counts with damage to their text or their bytes."""
    rows = [("prompt", "group", "unit", "accepted", "judged", "rounds", "emitted")]
    rows += [(f"p{n}", chance.choice("ab"), "u", n, n + 1, 2, n + 3) for n in range(6)]
    path = folder / "served.csv"
    data = _scrambled("\n".join(",".join(map(str, row)) for row in rows), chance)
    path.write_bytes(_flipped(data.encode("utf-8", "surrogatepass"), chance))
    read_counts(path, name="served.csv", groupings=["group"])


def stored_prompts(chance: random.Random, folder: Path) -> None:
    """The stored prompts, damaged: its footer most often."""
    path = folder / "prompts.parquet"
    path.write_bytes(_stored_prompts())
    path.write_bytes(
        damaged(_stored_prompts(), chance.randrange(1 << 30), chance.choice(("footer", "anywhere")))
    )
    read_prompts(path)


def done_file(chance: random.Random, folder: Path) -> None:
    """A job's done file with values of other kinds in it."""
    path = folder / "traces/tiny/sampled/heuristic-5/s000-j0000.done.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(_changed(_DONE, chance)), encoding="utf-8")
    read_done(path)


def sidecar(chance: random.Random, folder: Path) -> None:
    """A shard's sidecar with values of other kinds in it, beside a damaged shard."""
    cell, kinds = Cell("tiny", "sampled", "heuristic-5"), ("traces", "rounds")
    path = sidecar_file(folder, "traces", cell, "s000-p0000")
    path.parent.mkdir(parents=True)
    path.write_text(readable(_changed(_SIDECAR, chance)), encoding="utf-8")
    shard = shard_file(folder, "traces", cell, "s000-p0000")
    shard.write_bytes(damaged(_shard(), chance.randrange(1 << 30), "footer"))
    read_sidecar(folder, cell, "s000-p0000", kinds)
    versions_of(shard)


def state(chance: random.Random, folder: Path) -> None:
    """A saved state with damage that its checksum does not tell."""
    path = folder / "state.rust_agg"
    head, payload = _state()[:28], bytearray(_flipped(_state()[28:], chance))
    if chance.random() < 0.3:
        del payload[chance.randrange(len(payload)) :]
    length, digest = len(payload).to_bytes(8, "little"), xxhash.xxh64_intdigest(bytes(payload))
    path.write_bytes(head[:12] + length + digest.to_bytes(8, "little") + payload)
    aggregate.load(path)


def shards(chance: random.Random, folder: Path) -> None:
    """Damaged shards, folded in a process of its own: an error that names the file, or the right numbers."""
    path = folder / "good.parquet"
    path.write_bytes(_shard())
    seeds = [chance.randrange(1 << 30) for _ in range(8 * len(KINDS))]
    with contextlib.redirect_stdout(io.StringIO()):
        found = outcomes(
            Job(str(path), seed, chance.choice(("footer", "headers", "anywhere")), known=bool(seed & 64))
            for seed in seeds
        )
    wrong = [one for one in found if not (one.names_its_file if one.error else True)]
    assert wrong == [], wrong


TARGETS: dict[str, Callable[[random.Random, Path], None]] = {
    target.__name__: target
    for target in (config, prompt_file, counts_file, stored_prompts, done_file, sidecar, state, shards)
}


def attempt(target: str, seed: int) -> bool:
    """Try a target with one seed; return whether it read something. What is no `SpecgapError` goes on."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            TARGETS[target](random.Random(f"{target} {seed}"), Path(folder))
        except SpecgapError:
            return False
    return True


def _scrambled(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(lines))
        kind = chance.randrange(5)
        if kind == 0:
            lines.insert(chance.randrange(len(lines)), lines[at])
        elif kind == 1:
            del lines[at]
            lines = lines or [""]
        elif kind == 2:
            lines[at] = " " * chance.randrange(6) + lines[at].lstrip()
        else:
            place = chance.randrange(len(lines[at]) + 1)
            cut = chance.randrange(4) if kind == 3 else len(lines[at])
            lines[at] = lines[at][:place] + chance.choice(_TOKENS) + lines[at][place + cut :]
    return "\n".join(lines)


def _flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(changed))
        changed[at] = chance.choice((changed[at] ^ 1 << chance.randrange(8), 0, 0x7F, 0xFF))
    return bytes(changed)


def _changed(value: Any, chance: random.Random) -> Any:
    """Return JSON in which some value has another kind, or a key is gone."""
    odd = (None, [], {}, -1, 2**70, 1.5, "", "a\0b", "../../etc", [[]], {"a": {}}, True, "x" * 300)
    if chance.random() < 0.08:
        return chance.choice(odd)
    if isinstance(value, dict):
        kept = {key: _changed(one, chance) for key, one in value.items() if chance.random() > 0.02}
        return kept | ({"odd": 1} if chance.random() < 0.02 else {})
    if isinstance(value, list):
        return [_changed(one, chance) for one in value]
    return value


@cache
def _state() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        PLAN.fold(traces(400)).save(path)
        return path.read_bytes()


@cache
def _shard() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shard.parquet"
        write_parquet(traces(2_000), path)
        return path.read_bytes()


@cache
def _stored_prompts() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, path = Path(folder) / "prompts.csv", Path(folder) / "prompts.parquet"
        source.write_text("text,group\na b,x\nc d,y\n")
        write_prompts(path, load_prompts(study(str(source))))
        return path.read_bytes()


_FILE = {"path": "traces/tiny/sampled/heuristic-5/s.parquet", "rows": 3, "bytes": 9, "xxh3_128": "a" * 32}
_MODEL = {
    "revision": "sha256:ab",
    "loaded_xxh3_128": "a" * 32,
    "dtype": "float32",
    "head": "whole",
    "model_kwargs": {},
    "trust_remote_code": False,
    "allow_pickle": False,
    "source": "./m",
}
_DONE: dict[str, Any] = {
    "schema_version": SCHEMA_VERSION,
    "cell": {"pair": "tiny", "decoding": "sampled", "setting": "heuristic-5"},
    "job": "s000-j0000",
    "mode": "sampled",
    "collector": "batched",
    "seed": 1,
    "facts": {"target": _MODEL, "draft": _MODEL, "probe_xxh3_128": "a" * 32},
    "decoding": {},
    "setting": {},
    "prompt_format": {},
    "shards": [
        {
            "name": "s",
            "fingerprint": "f",
            "tokens": {"prompts": "a" * 32, "ids": "b" * 32},
            "files": {"traces": _FILE, "rounds": _FILE},
        }
    ],
}
_SIDECAR: dict[str, Any] = {
    "schema_version": SCHEMA_VERSION,
    "fingerprint": "f",
    "shard": "s000-p0000",
    "files": {"traces": _FILE, "rounds": _FILE},
    "end_state": {"gamma": 3},
    "tokens": {"prompts": "a" * 32, "ids": "b" * 32},
}
