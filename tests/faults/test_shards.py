"""Shards and what stands beside them: cut, flipped, emptied, of another study, or gone."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from specgap.files import MOST_JSON
from tests.faults.faults import counted
from tests.faults.server import Server
from tests.faults.study import Study, remake

pytestmark = pytest.mark.faults

#: Kind to the step that makes it, the step that reads it, and the folder of its cell.
KINDS = {
    "traces": (
        "collect_traces heuristic-3-assisted",
        "aggregate heuristic-3-assisted",
        "heuristic-3-assisted",
    ),
    "rounds": (
        "collect_traces heuristic-3-assisted",
        "aggregate heuristic-3-assisted",
        "heuristic-3-assisted",
    ),
    "paths": ("collect_paths", "replay", ""),
    "tails": ("collect_tails", "replay_records heuristic-3", ""),
}


def shards_of(study: Study, kind: str) -> list[Path]:
    return sorted((study.results / kind / "tiny/sampled" / KINDS[kind][2]).glob("s000-p*.parquet"))


def sidecar_of(study: Study, kind: str) -> Path:
    """Return the sidecar of the first shard, which lies beside the first kind of its collector."""
    return shards_of(study, "traces" if kind == "rounds" else kind)[0].with_suffix(".json")


def cut(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flipped(path: Path, other: Path) -> None:
    data, seeded = bytearray(path.read_bytes()), random.Random(str(path.name))
    data[seeded.randrange(len(data))] ^= 1 << seeded.randrange(8)
    path.write_bytes(bytes(data))


def emptied(path: Path, other: Path) -> None:
    path.write_bytes(b"")


def missing(path: Path, other: Path) -> None:
    path.unlink()


def foreign(path: Path, other: Path) -> None:
    shutil.copy(other, path)
    if other.with_suffix(".json").exists():  # only beside the first kind
        shutil.copy(other.with_suffix(".json"), path.with_suffix(".json"))


DAMAGE: dict[str, Callable[[Path, Path], None]] = {
    "truncated": cut,
    "flipped": flipped,
    "empty": emptied,
    "missing": missing,
    "foreign": foreign,
}


@pytest.fixture(scope="module")
def other(undisturbed: Study, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The same study with another seed."""
    made = undisturbed.copied(tmp_path_factory.mktemp("other") / "study")
    config = made.results / "study/config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"seed": 7}))
    remake(made, server, *(KINDS[kind][0] for kind in ("traces", "paths", "tails")))
    return made


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_shard_is_named_and_then_replaced_alone(
    kind: str, damage: str, study: Study, undisturbed: Study, other: Study, server: Server
) -> None:
    collector, reader, _ = KINDS[kind]
    with counted(f"shard-{damage}") as count:
        shard = shards_of(study, kind)[0]
        DAMAGE[damage](shard, shards_of(other, kind)[0])
        before = study.stamps()
        ending = server.run(study.order(reader))
        assert shard.name in ending.sentence
        count.injected, count.sentences = 1, 1
        ending = server.run(study.order(collector))
        assert ending.code == 0, ending.output
        after = study.stamps()
        whole = [name for name in before if name.endswith(".parquet") and shard.name not in name]
        count.lost = sum(before[name] != after[name] for name in whole)
        count.kept = len(whole) - count.lost
        assert count.lost == 0
        remake(study, server, *(("collect_tails",) if kind == "paths" else ()), reader)
        assert study.digests() == undisturbed.digests()
        count.equal = 1


def nested(path: Path) -> None:
    path.write_text("[" * 200_000)


def of_other_json(path: Path) -> None:
    path.write_text(json.dumps({"files": {"traces": []}, "shards": [{}], "schema_version": [1]}))


def too_large(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(MOST_JSON + 1)


ODD: dict[str, Callable[[Path], None]] = {
    "cut": lambda path: cut(path, path),
    "emptied": lambda path: emptied(path, path),
    "of a list": lambda path: path.write_text("[]") and None,
    "of other JSON": of_other_json,
    "nested": nested,
    "too large": too_large,
    "not UTF-8": lambda path: path.write_bytes(b"\xff\xfe") and None,
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("which", ["sidecar", "done file"])
def test_an_odd_sidecar_or_done_file_is_named_and_then_replaced(
    which: str, odd: str, study: Study, undisturbed: Study, server: Server
) -> None:
    collector, reader, _ = KINDS["traces"]
    with counted("sidecar") as count:
        shard = shards_of(study, "traces")[0]
        path = shard.with_suffix(".json") if which == "sidecar" else shard.with_name("s000-j0000.done.json")
        ODD[odd](path)
        ending = server.run(study.order(reader))
        assert (shard.name if which == "sidecar" else path.name) in ending.sentence
        remake(study, server, collector, reader)
        assert study.digests() == undisturbed.digests()
        count.injected, count.sentences, count.equal = 1, 1, 1
