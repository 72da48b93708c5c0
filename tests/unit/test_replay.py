"""Records of replayed settings are kept in shards as real rounds are, and states count what records would."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from specgap.aggregate import aggregate
from specgap.config import Study, parse
from specgap.errors import TraceError
from specgap.layout import Cell, Job, Shard, done_file, plan_jobs, shard_file
from specgap.prompts import PromptSet, Row
from specgap.replay import replay_job, replay_orders, replay_swept
from specgap.schema import ROUNDS, TRACES
from specgap.tables.orders import GroupOrder
from specgap.trace.done import read_done, verified_files, write_done
from specgap.trace.shards import Identity, write_shard
from tests.property.rust_agg_paths import EOS, Written
from tests.support import replay_reference as slow

LONGEST = 8
#: What befalls the proposals along each prompt's path, sample after sample; see `rust_agg_paths`.
LETTERS = {
    3: ("AAARARAA", "RAAAAZ"),
    9: ("AAAAAAAA", "AaRaAAAR"),
    4: ("AE", "RRRRRRRR"),
    2**63 + 5: ("ARAAAAAE", "AAARAAXA"),
}
MODEL = {
    "source": "m",
    "revision": "sha256:0",
    "loaded_xxh3_128": "0" * 32,
    "dtype": "float32",
    "head": 10,
    "model_kwargs": {},
    "trust_remote_code": False,
    "allow_pickle": False,
}
FACTS: dict[str, Any] = {
    "target": MODEL,
    "draft": MODEL,
    "eos_token_ids": [EOS],
    "probe_xxh3_128": "0" * 32,
    "end_taken_off": None,
    "device": "cpu",
    "device_name": "cpu (x)",
    "torch": "2",
    "transformers": "5",
    "sklearn_importable": False,
}


@dataclass(frozen=True)
class World:
    """Paths and tails of a study on disk, and the same rows at hand."""

    study: Study
    prompts: PromptSet
    results: Path
    paths: pa.Table
    tails: pa.Table

    def setting(self, name: str) -> slow.Replay:
        found = self.study.setting(name)
        order = self.prompts.distinct if found.carry_state else None
        return slow.Replay(
            found.schedule, found.num_assistant_tokens, found.confidence_threshold, order=order
        )

    def jobs(self, name: str) -> list[Job]:
        return plan_jobs(self.study, "sampled", name, self.prompts.distinct)

    def expected(self, name: str) -> tuple[pa.Table, pa.Table]:
        return slow.replay_records(
            self.paths, self.setting(name), max_new_tokens=LONGEST, eos=[EOS], tails=self.tails
        )

    def replayed(self, name: str) -> list[Path]:
        """Replay every job of a setting; return their done files."""
        cell = Cell("tiny", "sampled", name)
        for job in self.jobs(name):
            replay_job(self.study, cell, job, self.prompts, results=self.results)
        return [done_file(self.results, cell, job.name) for job in self.jobs(name)]


def setting(schedule: str, number: int, **keys: object) -> dict[str, object]:
    return {"schedule": schedule, "num_assistant_tokens": number, **keys}


@pytest.fixture
def world(tmp_path: Path) -> World:
    study = parse(
        {
            "results": str(tmp_path),
            "samples": 2,
            "pairs": {"tiny": {"target": "./a", "draft": "./b"}},
            "decodings": {"sampled": {"max_new_tokens": LONGEST}},
            "shards": {"number": 2, "per_job": 1},
            "settings": [
                setting("heuristic", 2, confidence_threshold=[0, 0.4]),
                setting("heuristic", 2, carry_state=True),
                setting("constant", 3),
            ],
            "figures": {"settings": ["heuristic-2", "heuristic-2-t0.4", "heuristic-2-carried"]},
        },
        source="test",
    )
    rows = tuple(
        Row(prompt, f"text {prompt}", {"group": (group,)}, None, None, None, "p.csv:2")
        for prompt, group in zip(LETTERS, ("a", "b", "b", "a"), strict=True)
    )
    made = Written(longest=LONGEST)
    for prompt, letters in LETTERS.items():
        for sample, of_sample in enumerate(letters):
            made.write(of_sample, prompt, sample)
    world = World(study, PromptSet(rows, ("group",), None, None, (), None), tmp_path, *made.tables())
    for kind, table in (("paths", world.paths), ("tails", world.tails)):
        for job in world.jobs(""):
            write_job(world, kind, table, job)
    return world


def write_job(world: World, kind: str, table: pa.Table, job: Job, facts: dict[str, Any] = FACTS) -> None:
    study, cell = world.study, Cell("tiny", "sampled")
    decoding = study.decodings["sampled"].model_dump(mode="json", exclude={"settings"})
    identity = Identity(cell, facts, decoding, {}, kind, study.seed, study.prompt_format.model_dump())
    finished = []
    for shard in job.shards:
        fingerprint = identity.fingerprint(shard, world.prompts.texts)
        columns = {name: rows_of(table, shard)[name].to_numpy() for name in table.column_names}
        metadata = identity.metadata(shard, fingerprint)
        sidecar = write_shard(world.results, cell, shard.name, {kind: [columns]}, metadata)
        finished.append((shard.name, fingerprint, sidecar))
    write_done(world.results, identity, job.name, finished)


def rows_of(table: pa.Table, shard: Shard) -> pa.Table:
    """A shard's rows, prompt by prompt in its order."""
    keys = list(zip(table["prompt"].to_pylist(), table["sample"].to_pylist(), strict=True))
    wanted = [(prompt, shard.sample) for prompt in shard.prompts]
    return table.take(
        pa.array([n for key in wanted for n, found in enumerate(keys) if found == key], pa.int64())
    )


@pytest.mark.parametrize("name", ["heuristic-2", "heuristic-2-t0.4", "heuristic-2-carried"])
def test_each_shard_holds_the_rows_of_its_prompts_in_its_order(world: World, name: str) -> None:
    done = world.replayed(name)
    shards = [shard for job in world.jobs(name) for shard in job.shards]
    for kind, expected in zip(("traces", "rounds"), world.expected(name), strict=True):
        files = verified_files(world.results, done, kind)
        assert [file.stem for file in files] == [shard.name for shard in shards]
        for file, shard in zip(files, shards, strict=True):
            stored = pq.read_table(file).replace_schema_metadata(None)
            assert stored.schema == {"traces": TRACES, "rounds": ROUNDS}[kind]
            # Lists, in which NaN is equal to itself where it is the same object, would not compare.
            assert repr(stored.to_pylist()) == repr(rows_of(expected, shard).to_pylist())
    assert read_done(done[0]).collector == "replay"
    assert not list(world.results.glob("timings/**/*"))


def test_a_carried_run_keeps_what_it_ends_with(world: World) -> None:
    (done,) = world.replayed("heuristic-2-carried")
    cell = Cell("tiny", "sampled", "heuristic-2-carried")
    last = read_done(done).shards[-1].name
    rounds = pq.read_table(shard_file(world.results, "rounds", cell, last)).to_pylist()[-1]
    won = rounds["emitted"] == rounds["drafted"] + 1
    gamma = rounds["requested"] + 2 if won else max(1, rounds["requested"] - 1)
    assert f'"gamma": {gamma}' in (world.results / "traces" / cell.folder / f"{last}.json").read_text()


def test_records_are_the_same_bytes_each_time(world: World) -> None:
    files = [*world.replayed("heuristic-2"), *world.results.glob("traces/**/*.parquet")]
    before = {file: file.read_bytes() for file in files}
    world.replayed("heuristic-2")
    assert {file: file.read_bytes() for file in files} == before


def test_a_shard_says_which_tails_it_is_made_from(world: World) -> None:
    job = world.jobs("")[0]
    done = world.replayed("heuristic-2")[0]
    before = [shard.fingerprint for shard in read_done(done).shards]
    write_job(world, "tails", world.tails, job, facts={**FACTS, "torch": "3"})
    world.replayed("heuristic-2")
    after = [shard.fingerprint for shard in read_done(done).shards]
    assert all(one != two for one, two in zip(before, after, strict=True))


def test_a_swept_setting_is_counted_as_its_records_would_be(world: World) -> None:
    states = replay_swept(world.study, "tiny", "sampled", world.prompts, results=world.results, threads=1)
    assert list(states) == ["constant-3"]
    done = world.replayed("constant-3")
    files = [verified_files(world.results, done, kind) for kind in ("traces", "rounds")]
    ratio = world.study.over_confident_ratio
    counted = aggregate(*files, world.prompts, world.study.bins, ratio, threads=1)
    assert states["constant-3"].to_bytes() == counted.to_bytes()


def test_orders_of_the_groups_are_counted_with_and_without_gamma_carried(world: World) -> None:
    order = GroupOrder(("b", "a"), (9, 4, 3, 2**63 + 5))
    cell = Cell("tiny", "sampled", "heuristic-2")
    fixed, (carried,) = replay_orders(
        world.study, cell, [order], world.prompts, results=world.results, threads=1
    )
    for state, chosen in ((fixed, None), (carried, order.prompts)):
        _, rounds = slow.replay_records(
            world.paths,
            slow.Replay("heuristic", 2, order=chosen),
            max_new_tokens=LONGEST,
            eos=[EOS],
            tails=world.tails,
        )
        counts = pa.table(state.prompts())
        assert sum(counts["n_requested"].to_pylist()) == sum(rounds["requested"].to_pylist())
        assert sum(counts["n_drafted"].to_pylist()) == sum(rounds["drafted"].to_pylist())


def test_paths_of_a_prompt_that_is_gone_are_refused(world: World) -> None:
    fewer = PromptSet(world.prompts.rows[:-1], ("group",), None, None, (), None)
    with pytest.raises(TraceError, match="belong to prompts that are not in the study"):
        replay_swept(world.study, "tiny", "sampled", fewer, results=world.results, threads=1)


def test_a_damaged_shard_of_paths_is_named(world: World) -> None:
    (path, *_) = sorted(world.results.glob("paths/tiny/sampled/*.parquet"))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(TraceError, match=f"{path.name}.*trace again"):
        replay_swept(world.study, "tiny", "sampled", world.prompts, results=world.results, threads=1)
