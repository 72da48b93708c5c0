"""Models and prompts that change under a run, a network that is gone, and two runs at once."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.faults.faults import counted
from tests.faults.server import Order, Server
from tests.faults.study import Study, commands, remake
from tests.support.sandbox import Sandbox
from tests.support.tiny_models import gpt2_shaped_folder
from tests.workflow.conftest import PROMPTS, write_prompts

pytestmark = pytest.mark.faults

TRACE, AGGREGATE = "collect_traces heuristic-3-assisted", "aggregate heuristic-3-assisted"
COLLECTORS = (TRACE, "collect_traces constant-4-batched", "collect_paths", "collect_tails")


@pytest.fixture(scope="module")
def other_draft(undisturbed: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that may take the draft's place."""
    folder = tmp_path_factory.mktemp("other") / "draft"
    gpt2_shaped_folder(folder, 3, near=undisturbed.sandbox.folder / "models/target")
    return folder / "model.safetensors"


@pytest.fixture(scope="module")
def with_other_draft(
    undisturbed: Study, other_draft: Path, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Study:
    """The study as it is, undisturbed, with that draft."""
    made = undisturbed.copied(tmp_path_factory.mktemp("with_other") / "study")
    shutil.copy(other_draft, weights(made))
    remake(made, server, *COLLECTORS, AGGREGATE)
    return made


def weights(study: Study) -> Path:
    return study.sandbox.folder / "models/draft/model.safetensors"


def collected(study: Study) -> dict[str, str]:
    """Return the digests of what the collectors make."""
    kinds = (
        "traces/tiny/sampled/heuristic-3-assisted",
        "traces/tiny/sampled/constant",
        "rounds/tiny/sampled/c",
    )
    more = ("rounds/tiny/sampled/heuristic-3-assisted", "paths/", "tails/")
    return {name: digest for name, digest in study.digests().items() if name.startswith((*kinds, *more))}


def test_a_model_that_changes_between_two_jobs_is_never_mixed(
    study: Study, other_draft: Path, with_other_draft: Study, server: Server, tmp_path: Path
) -> None:
    with counted("model-between") as count:
        # A second job, over one more sample, is run with another draft than the first.
        config = study.results / "study/config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"samples": 2}))
        second = tuple(word.replace("s000-j", "s001-j") for word in study.steps[TRACE].command)
        counting = study.steps[AGGREGATE].command
        done = next(word for word in counting if word.endswith(".done.json"))
        both = (*counting, done.replace("s000-j", "s001-j"))
        folder = str(study.sandbox.folder)
        first_whole = study.digests()
        shutil.copy(other_draft, weights(study))
        assert server.run(Order(second, folder)).code == 0
        count.injected = 1
        sentence = server.run(Order(both, folder)).sentence
        assert "the model has changed between two jobs" in sentence
        count.sentences = 1
        assert {name: study.digests()[name] for name in first_whole if "config" not in name} == {
            name: digest for name, digest in first_whole.items() if "config" not in name
        }
        remake(study, server, TRACE)
        assert server.run(Order(both, folder)).code == 0
        first = {name: digest for name, digest in collected(with_other_draft).items() if "assisted" in name}
        assert {name: study.digests()[name] for name in first} == first
        count.equal = 1


@pytest.mark.parametrize("step", COLLECTORS[:3])
def test_a_model_that_changes_while_a_job_runs_is_noticed(
    step: str, study: Study, other_draft: Path, with_other_draft: Study, server: Server
) -> None:
    draft, before = weights(study), weights(study).read_bytes()
    wanted = {
        name: collected(with_other_draft)[name] for name in study.steps[step].made if "timings" not in name
    }
    with counted("model-within") as count:
        event, copies = 1, [(str(other_draft), str(draft))]
        while True:
            study.undo(step)
            draft.write_bytes(before)
            swap = study.order(step, event=event, watched=str(study.results), copies=copies)
            ending = server.run(swap)
            if event > ending.n_events:
                break
            count.injected += 1
            if ending.code != 0:
                assert "changed while it was in use" in ending.sentence
                count.sentences += 1
            remake(study, server, step)
            assert {name: study.digests()[name] for name in wanted} == wanted
            count.equal += 1
            event += 10
    assert count.sentences


def test_prompts_that_are_edited_between_two_runs_collect_the_edited_one_alone(
    study: Study, server: Server
) -> None:
    with counted("prompts-edited") as count:
        edited = [("they sang of", *row[1:]) if row[0] == "they dreamt of" else row for row in PROMPTS]
        write_prompts(study.sandbox.folder / "prompts.csv", edited)
        count.injected = 1
        before = study.stamps()
        remake(study, server, "prepare_prompts")
        assert "belong to prompts that are not in the study" in server.run(study.order(AGGREGATE)).sentence
        count.sentences = 1
        # The edited prompt may fall into a shard of its own, which the jobs that are planned now know.
        now = commands(study.sandbox)
        for step in now:
            ending = server.run(Order(now[step], str(study.sandbox.folder)))
            assert ending.code == 0, ending.output
        after = study.stamps()
        shards = [name for name in before if "/s000-p" in name and name.endswith(".parquet")]
        kept = [name for name in shards if after.get(name) == before[name]]
        paths = [name for name in shards if name.startswith("paths/")]
        # One text is gone and one is new: two shards at most.
        redone = [name for name in paths if name not in kept]
        assert 1 <= len(redone) <= 2
        count.kept = len(kept)
        found = study.digests()
        for step in study.steps:
            study.undo(step)
        for name in shards:
            (study.results / name).unlink(missing_ok=True)
            (study.results / name).with_suffix(".json").unlink(missing_ok=True)
        for step in now:
            ending = server.run(Order(now[step], str(study.sandbox.folder)))
            assert ending.code == 0, ending.output
        fresh = study.digests()
        assert {name: digest for name, digest in found.items() if name in fresh} == fresh
        count.equal = 1


def without_network(study: Study, cache: Path, command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Run a step in a network namespace that has no route anywhere."""
    offline = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    kept = {name: value for name, value in os.environ.items() if name not in offline}
    return subprocess.run(
        ["unshare", "--net", sys.executable, *command],
        cwd=study.sandbox.folder,
        env={**kept, "HF_HOME": str(cache), "PYTHONPATH": str(study.sandbox.folder / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def cached(study: Study, cache: Path, name: str) -> None:
    """Put a model of the study into a cache of the hub's client, as it would lie there after a download."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    home = cache / "hub" / f"models--nobody--{name}"
    shutil.copytree(study.sandbox.folder / "models" / name, home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs/main").write_text(commit)


@pytest.mark.parametrize("is_cached", [True, False])
def test_without_a_network_a_cached_model_is_used_and_another_named(
    is_cached: bool, study: Study, undisturbed: Study, tmp_path: Path
) -> None:
    with counted("network-cached" if is_cached else "network-missing") as count:
        config = study.results / "study/config.json"
        known = json.loads(config.read_text())
        for role in ("target", "draft"):
            known["pairs"]["tiny"][role]["source"] = f"nobody/{role}"
            if is_cached:
                cached(study, tmp_path / "cache", role)
        config.write_text(json.dumps(known))
        study.undo("collect_paths")
        run = without_network(study, tmp_path / "cache", study.steps["collect_paths"].command)
        count.injected = 1
        if is_cached:
            assert run.returncode == 0, run.stderr
            for name in study.steps["collect_paths"].made:
                if name.endswith(".parquet"):
                    assert pq.read_table(study.results / name).equals(
                        pq.read_table(undisturbed.results / name)
                    )
            count.equal = 1
        else:
            assert run.returncode == 2, run.stderr
            (line,) = [line for line in run.stderr.splitlines() if line.startswith("specgap: ")]
            assert "nobody/target cannot be fetched, since the hub is not reachable" in line
            count.sentences = 1


def test_a_second_run_in_one_folder_is_refused_and_the_first_goes_on(
    study: Study, undisturbed: Study
) -> None:
    with counted("two-runs") as count:
        study.undo("collect_paths")
        target = "results/paths/tiny/sampled/s000-j0000.done.json"
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--cores",
            "1",
            "--configfile",
            "study.yaml",
            "--",
            target,
        ]
        environment = {**os.environ, "PYTHONPATH": str(study.sandbox.folder / "src")}
        first = subprocess.Popen(
            command,
            cwd=study.sandbox.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        locks = study.sandbox.folder / ".snakemake/locks"
        while not (locks.is_dir() and any(locks.iterdir())):
            assert first.poll() is None, first.communicate()[0]
            time.sleep(0.05)
        second = Sandbox(study.sandbox.folder).snakemake("--", target)
        count.injected = 1
        assert second.code == 1, second.output
        assert "Directory cannot be locked" in second.output
        said, _ = first.communicate(timeout=120)
        assert first.returncode == 0, said
        assert study.digests() == undisturbed.digests()
        count.equal = 1
