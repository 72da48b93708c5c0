"""Jobs of paths and tails: what is kept, what is made again, and that no row depends on how they were cut."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from specgap.config import Study
from specgap.errors import TraceError
from specgap.layout import Cell, done_file, plan_jobs
from specgap.schema import PATHS, TAILS
from specgap.settings import Model, Pair
from specgap.trace import read_done, verified_files
from specgap.trace.collect_paths import collect_paths_job
from specgap.trace.collect_tails import collect_tails_job
from specgap.trace.paths import Paths
from specgap.trace.ragged import RaggedBatch
from specgap.trace.shards import METADATA_KEY
from specgap.trace.tails import Tails
from tests.support.tiny_models import gpt_neo_shaped_folder, random_pair
from tests.support.tracing import TEXTS, prompts, tiny_study

pytestmark = pytest.mark.slow

HEURISTIC = {"schedule": "heuristic", "num_assistant_tokens": 3}
CONSTANT = {"schedule": "constant", "num_assistant_tokens": 6}
CELL = Cell("tiny", "sampled")
KINDS = ("paths", "tails")
COLLECT = {"paths": collect_paths_job, "tails": collect_tails_job}


@dataclass
class Collected:
    """What jobs left on disk, and what they said, by kind."""

    results: Path
    done: dict[str, list[Path]] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)

    def table(self, kind: str) -> pa.Table:
        return pa.concat_tables(
            pq.read_table(path).replace_schema_metadata(None)
            for path in verified_files(self.results, self.done[kind], kind)
        )

    def rows(self, kind: str) -> list[dict[str, Any]]:
        """Return rows in an order that knows no shard; a NaN equals a NaN."""
        rows = [
            {key: "NaN" if value != value else value for key, value in row.items()}
            for row in self.table(kind).to_pylist()
        ]
        return sorted(
            rows, key=lambda row: (row["sample"], row["prompt"], row.get("start", 0), row["offset"])
        )

    def bytes_of(self, kind: str) -> dict[str, bytes]:
        folder = self.results / kind
        return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*"))}

    def told(self, kind: str) -> list[str]:
        """Return each job's closing line without its name."""
        return [line.split(": ", 1)[1] for line in self.lines[kind] if "kept" in line]


def study_of(pair: Pair, *settings: Mapping[str, Any], **keys: Any) -> Study:
    settings = settings or (HEURISTIC, CONSTANT)
    return tiny_study(pair, *settings, **{"collector": "replay", "samples": 2, "batch": 5, **keys})


def collect(
    study: Study, texts: Mapping[int, str], results: Path, kinds: tuple[str, ...] = KINDS
) -> Collected:
    """Run every job of these kinds."""
    made = Collected(results)
    jobs = plan_jobs(study, "sampled", "", list(texts))
    for kind in kinds:
        lines = made.lines.setdefault(kind, [])
        for job in jobs:
            COLLECT[kind](study, "tiny", "sampled", job, texts, results=results, log=lines.append)
        made.done[kind] = [done_file(results, CELL, job.name, kind) for job in jobs]
    return made


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return random_pair(tmp_path_factory.mktemp("pair"), seed=1, draft_noise=0.2)


@pytest.fixture(scope="module")
def undisturbed(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Collected:
    return collect(study_of(pair), prompts(), tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture
def copy(undisturbed: Collected, tmp_path: Path) -> Path:
    return Path(shutil.copytree(undisturbed.results, tmp_path / "results"))


# What is there -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "schema"), [("paths", PATHS), ("tails", TAILS)])
def test_files_have_the_columns_of_the_schema(kind: str, schema: pa.Schema, undisturbed: Collected) -> None:
    for path in verified_files(undisturbed.results, undisturbed.done[kind], kind):
        assert pq.read_schema(path).remove_metadata().equals(schema)
    assert undisturbed.lines[kind][0].startswith("cpu (")
    assert f"{kind} of tiny/sampled, job s000-j0000" in undisturbed.lines[kind][0]


def test_files_lie_beside_their_sidecars_and_done_files(undisturbed: Collected) -> None:
    for kind in KINDS:
        names = {path.name for path in (undisturbed.results / kind / "tiny" / "sampled").iterdir()}
        shards = [shard for done in undisturbed.done[kind] for shard in read_done(done).shards]
        assert {path.name for path in undisturbed.done[kind]} < names
        for shard in shards:
            assert {f"{shard.name}.parquet", f"{shard.name}.json"} <= names
            assert list(shard.files) == [kind]
    assert not (undisturbed.results / "traces").exists()


def test_metadata_says_how_a_shard_was_made(undisturbed: Collected) -> None:
    stamps = {}
    for kind in KINDS:
        path = verified_files(undisturbed.results, undisturbed.done[kind], kind)[0]
        stamps[kind] = json.loads(pq.read_metadata(path).metadata[METADATA_KEY])
        assert stamps[kind]["collector"] == kind
        assert stamps[kind]["schema_version"] == 4
    assert stamps["paths"]["setting"] == {}
    numbers = [["constant", 6, 0.0], ["heuristic", 3, 0.0]]
    # `order_effect` carries γ through prompts in orders of its own, for which the longest round stands.
    counted = sorted([*numbers, ["constant", 15, 0.0]])
    assert stamps["tails"]["setting"] == {"counted": counted, "full": numbers}


def test_rows_of_a_path_stand_together_and_its_offsets_have_no_gap(undisturbed: Collected) -> None:
    table = undisturbed.table("paths")
    keys = list(zip(table["sample"].to_pylist(), table["prompt"].to_pylist(), strict=True))
    expected: dict[tuple[int, int], int] = {}
    for key, offset in zip(keys, table["offset"].to_pylist(), strict=True):
        assert offset == expected.get(key, 0)
        expected[key] = offset + 1
    assert set(expected) == {(sample, prompt) for prompt in prompts() for sample in (0, 1)}


def test_every_tail_begins_at_a_rejection(undisturbed: Collected) -> None:
    rejected = {
        (row["sample"], row["prompt"], row["offset"]) for row in undisturbed.rows("paths") if not row["fate"]
    }
    starts = {(row["sample"], row["prompt"], row["start"]) for row in undisturbed.rows("tails")}
    assert starts
    assert starts <= rejected


def test_a_kind_that_a_shard_does_not_have_is_refused_by_name(undisturbed: Collected) -> None:
    with pytest.raises(
        TraceError, match=r"s000-p\d+ of tiny/sampled consists of paths; wanted its rounds too"
    ):
        verified_files(undisturbed.results, undisturbed.done["paths"], "rounds")


def test_a_done_file_in_the_folder_of_another_kind_is_refused(undisturbed: Collected, copy: Path) -> None:
    for done in (copy / "paths").rglob("*.done.json"):
        shutil.copy(done, copy / "tails" / "tiny" / "sampled" / done.name)
    with pytest.raises(TraceError, match="was written for tiny/sampled; wanted it in that folder"):
        read_done(copy / "tails" / "tiny" / "sampled" / undisturbed.done["paths"][0].name)


def test_a_pair_that_needs_texts_of_one_length_says_so(tmp_path: Path) -> None:
    target = gpt_neo_shaped_folder(tmp_path / "target", 1)
    pair = Pair(target=Model(source=str(target)), draft=Model(source=str(target)))
    made = collect(study_of(pair), prompts(["the man", "a woman who likes to"]), tmp_path / "results")
    assert any("takes no texts of different lengths" in line for line in made.lines["paths"])
    assert all(row["fate"] for row in made.rows("paths"))


# What is kept --------------------------------------------------------------------------------------


def test_a_second_call_keeps_every_shard(pair: Pair, undisturbed: Collected, copy: Path) -> None:
    again = collect(study_of(pair), prompts(), copy)
    for kind in KINDS:
        assert all("0 traced, 0 stale" in line for line in again.told(kind))
        assert again.bytes_of(kind) == undisturbed.bytes_of(kind)


def test_a_call_that_keeps_all_runs_no_model(pair: Pair, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RaggedBatch, "step", lambda *_: pytest.fail("a model was run"))
    collect(study_of(pair), prompts(), copy)


@pytest.mark.parametrize(
    "keys",
    [
        {"batch": 1},
        {"batch": 300},
        {"shards": {"number": 1, "per_job": 1}},
        {"shards": {"number": 7, "per_job": 3}},
    ],
    ids=["one at once", "all at once", "one shard", "many shards"],
)
def test_rows_do_not_depend_on_batches_and_shards(
    keys: dict[str, Any], pair: Pair, undisturbed: Collected, tmp_path: Path
) -> None:
    other = collect(study_of(pair, **keys), prompts(TEXTS[::-1]), tmp_path)
    for kind in KINDS:
        rows, wanted = other.rows(kind), undisturbed.rows(kind)
        assert len(rows) == len(wanted)
        for row, known in zip(rows, wanted, strict=True):
            for name, value in known.items():
                near = isinstance(value, float) and abs(row[name] - value) <= 1e-5
                assert near or row[name] == value, (kind, name)


def test_the_size_of_the_batch_makes_no_shard_stale(pair: Pair, undisturbed: Collected, copy: Path) -> None:
    again = collect(study_of(pair, batch=3), prompts(), copy)
    assert again.bytes_of("tails") == undisturbed.bytes_of("tails")
    assert all("0 traced, 0 stale" in line for kind in KINDS for line in again.told(kind))


def test_a_setting_makes_tails_again_and_no_paths(pair: Pair, copy: Path) -> None:
    more = collect(
        study_of(pair, HEURISTIC, CONSTANT, CONSTANT | {"num_assistant_tokens": 9}), prompts(), copy
    )
    assert all("0 traced, 0 stale" in line for line in more.told("paths"))
    assert not any("0 stale" in line for line in more.told("tails"))


def test_names_and_order_of_settings_make_nothing_again(
    pair: Pair, undisturbed: Collected, copy: Path
) -> None:
    same = collect(study_of(pair, CONSTANT | {"name": "six"}, HEURISTIC), prompts(), copy)
    assert same.bytes_of("tails") == undisturbed.bytes_of("tails")


def test_which_settings_are_kept_decides_where_p_is(pair: Pair, undisturbed: Collected, copy: Path) -> None:
    swept = collect(study_of(pair, figures={"settings": ["heuristic-3"]}), prompts(), copy)
    known = [np.isfinite(np.asarray(one.table("tails")["p"])).mean() for one in (undisturbed, swept)]
    print(f"p of {known[0]:.2f} of the tokens where both settings are kept, of {known[1]:.2f} where one is")
    assert 0 < known[1] < known[0]
    assert not any("0 stale" in line for line in swept.told("tails"))


def test_one_added_prompt_makes_one_shard_per_sample_again(pair: Pair, copy: Path) -> None:
    grown = collect(study_of(pair), prompts([*TEXTS, "w30 w31"]), copy)
    for kind in KINDS:
        changed = [line for line in grown.told(kind) if "0 traced, 0 stale" not in line]
        assert len(changed) == 2
        assert all("1 traced" in line or "1 stale" in line for line in changed)


def test_another_seed_makes_all_again(pair: Pair, undisturbed: Collected, copy: Path) -> None:
    other = collect(study_of(pair, seed=5), prompts(), copy)
    assert all("0 shards kept" in line for kind in KINDS for line in other.told(kind))
    assert other.rows("paths") != undisturbed.rows("paths")


# Interruptions and damage --------------------------------------------------------------------------


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[type, int], None]:
    """Return a function that lets a collector make so many shards and then breaks off, as if killed."""

    def arrange(collector: type, n_shards: int) -> None:
        made: list[int] = []
        whole = collector.collect  # type: ignore[attr-defined]

        def breaking(self: Any, *args: Any, **kwargs: Any) -> Any:
            if len(made) == n_shards:
                raise KeyboardInterrupt
            made.append(1)
            return whole(self, *args, **kwargs)

        monkeypatch.setattr(collector, "collect", breaking)

    return arrange


@pytest.mark.parametrize(
    ("collector", "n_shards"),
    [
        (Paths, 1),
        pytest.param(Paths, 4, marks=pytest.mark.landing),
        pytest.param(Tails, 0, marks=pytest.mark.landing),
        (Tails, 3),
    ],
)
def test_an_interrupted_job_ends_byte_equal_to_an_undisturbed_one(
    collector: type,
    n_shards: int,
    pair: Pair,
    undisturbed: Collected,
    stop_after: Callable[[type, int], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    stop_after(collector, n_shards)
    with pytest.raises(KeyboardInterrupt):
        collect(study_of(pair), prompts(), tmp_path)
    monkeypatch.undo()
    resumed = collect(study_of(pair), prompts(), tmp_path)
    for kind in KINDS:
        assert resumed.bytes_of(kind) == undisturbed.bytes_of(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_shard_is_replaced_and_ends_byte_equal(
    kind: str, pair: Pair, undisturbed: Collected, copy: Path
) -> None:
    shard = sorted((copy / kind).rglob("*.parquet"))[1]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(bytes(content))
    mended = collect(study_of(pair), prompts(), copy)
    assert sum("1 stale or damaged ones replaced" in line for line in mended.told(kind)) == 1
    for each in KINDS:
        assert mended.bytes_of(each) == undisturbed.bytes_of(each)


def test_a_batch_that_is_too_large_is_halved_and_no_row_changes(
    pair: Pair, undisturbed: Collected, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = RaggedBatch.__init__

    def small(self: RaggedBatch, model: Any, n_rows: int, room: int) -> None:
        if n_rows > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        whole(self, model, n_rows, room)

    study = study_of(pair, batch=8, shards={"number": 1, "per_job": 1})
    monkeypatch.setattr("specgap.trace.batch.takes_ragged", lambda *_: True)
    monkeypatch.setattr(RaggedBatch, "__init__", small)
    made = collect(study, prompts(), tmp_path)
    for kind in KINDS:
        assert "out of memory at a batch of 8; going on with 4" in made.lines[kind]
        assert "out of memory at a batch of 4; going on with 2" in made.lines[kind]
    assert made.rows("paths") == undisturbed.rows("paths")


# What tails need of their paths --------------------------------------------------------------------


def test_tails_without_paths_are_refused(pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"paths/tiny/sampled/s000-j0000\.done\.json cannot be read"):
        collect(study_of(pair), prompts(), tmp_path, ("tails",))


def test_tails_of_damaged_paths_are_refused_by_name(pair: Pair, copy: Path) -> None:
    shard = min((copy / "paths").rglob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(TraceError, match=f"{shard.name} has .* bytes; wanted"):
        collect(study_of(pair), prompts(), copy, ("tails",))


@pytest.mark.parametrize(
    ("keys", "texts"), [({"seed": 5}, TEXTS), ({}, [*TEXTS, "w30 w31"])], ids=["seed", "prompts"]
)
def test_tails_of_paths_that_are_not_the_studys_are_refused(
    keys: dict[str, Any], texts: list[str], pair: Pair, copy: Path
) -> None:
    with pytest.raises(TraceError, match=r"has no paths of shard s000-p\d+ as the study is now"):
        collect(study_of(pair, **keys), prompts(texts), copy, ("tails",))


def test_where_no_setting_wants_tails_their_files_are_empty(pair: Pair, tmp_path: Path) -> None:
    one = {"schedule": "constant", "num_assistant_tokens": 1}
    made = collect(study_of(pair, one), prompts(), tmp_path)
    assert len(made.table("tails")) == 0
    assert len(made.table("paths")) > 0
