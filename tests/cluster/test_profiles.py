"""A study through each profile, on a real Slurm: the same bytes as on one machine, in few submissions."""

import dataclasses
import itertools
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.cluster.conftest import COUNTED, ROUNDS, copied
from tests.support.hub import standin_hub
from tests.support.lab import Cluster, Lab, digests
from tests.support.sandbox import Sandbox
from tests.support.size import SIZE
from tests.support.tiny_study import TINY, prepare_study


def submissions(output: str) -> int:
    return len(re.findall(r"has been submitted with SLURM jobid", output))


def test_after_prefetch_a_study_through_slurm_ends_in_the_bytes_of_a_local_run(
    lab: Lab, tmp_path: Path
) -> None:
    pair = {model: f"someone/{model}" for model in ("target", "draft")}
    study = prepare_study(tmp_path / "local", pairs={"tiny": pair})
    study.draw_few()
    (study.folder / "models").rename(tmp_path / "models")
    with standin_hub() as hub:
        hub.repositories = {f"models/{name}": tmp_path / "models" / model for model, name in pair.items()}
        with copied(lab, study, tmp_path / "slurm", **hub.environment(tmp_path / "hf")) as cluster:
            fetched = cluster.run("prefetch")
            assert fetched.code == 0, fetched.output
            asked = list(hub.asked)
            # A run on this machine alone, meanwhile, from the same fetch.
            shutil.copytree(
                cluster.sandbox.folder / "resources", study.folder / "resources", dirs_exist_ok=True
            )
            submitted = cluster.submit()
            local = dataclasses.replace(study, environment=cluster.sandbox.environment).snakemake()
            run = submitted.finish()
        assert run.code == 0, run.output
        assert local.code == 0, local.output
        assert hub.asked == asked != []
    whole = digests(study)
    assert digests(cluster.sandbox) == whole
    assert {"report.html", "figures/tiny/sampled/heuristic-3/forest.png"} <= set(whole)
    # Paths, tails, measures, records with their count in one, tables, figures, report.
    assert (submissions(fetched.output), submissions(run.output)) == (0, 7)


def test_jobs_have_a_route_to_the_controller_and_none_to_anything_else(lab: Lab) -> None:
    (route,) = lab.run("srun", "ip", "route").splitlines()
    assert re.match("198.51.100.0/30 dev controller ", route)


def test_a_study_through_qsub_ends_in_the_bytes_of_a_local_run(
    lab: Lab, rounds: Sandbox, counted: dict[str, str], tmp_path: Path
) -> None:
    with copied(lab, rounds, tmp_path, "profiles/pbs") as cluster:
        run = cluster.run("--", COUNTED)
        assert run.code == 0, run.output
    assert digests(cluster.sandbox) == counted
    # Of real rounds, and one that counts.
    n_jobs = ROUNDS["shards"]["number"] // ROUNDS["shards"]["per_job"] + 1
    assert len(list((cluster.sandbox.folder / ".snakemake/pbs").glob("*.job"))) == n_jobs


def test_jobs_with_a_gpu_see_one_device_and_never_share_it(cluster: Cluster) -> None:
    # Devices of this machine are stand-ins, so the models run on the CPU; who may use which is real.
    shards = {"number": SIZE.jobs_with_gpus, "per_job": 1}
    resources = {"gpu": 1}
    cluster.sandbox.write_config(
        **{**TINY, "collector": "assisted", "shards": shards, "resources": resources, "device": "cpu"}
    )
    run = cluster.run("--", COUNTED, SHARD_PAUSE="2")
    assert run.code == 0, run.output
    said = [json.loads(file.read_text()) for file in (cluster.sandbox.folder / "devices").glob("*.json")]
    traced = sorted((job for job in said if job["visible"] is not None), key=lambda job: job["began"])
    jobs = len(list(cluster.sandbox.results.glob("traces/**/*.done.json")))
    assert len(traced) == jobs > 2
    assert {job["visible"] for job in traced} == {"0", "1"}
    for device in ("0", "1"):
        turns = [job for job in traced if job["visible"] == device]
        for first, second in itertools.pairwise(turns):
            assert first["ended"] <= second["began"]


@pytest.mark.full
def test_two_hundred_small_jobs_are_few_submissions(lab: Lab, tmp_path: Path) -> None:
    drafts = list(range(1, 101))
    names = [f"constant-{number}" for number in drafts]
    study = prepare_study(
        tmp_path / "study",
        settings=[{"schedule": "constant", "num_assistant_tokens": drafts}],
        figures={"settings": names},  # hence records of each, which are a job, and so is their count
        shards={"number": 1, "per_job": 1},
    )
    states = [f"results/aggregates/tiny/sampled/{name}/state.rust_agg" for name in names]
    with copied(lab, study, tmp_path / "slurm") as cluster:
        run = cluster.run("--", *states)
        assert run.code == 0, run.output
    counts = run.job_counts()
    assert (counts["replay_records"], counts["aggregate"]) == (100, 100)
    assert all((cluster.sandbox.folder / state).exists() for state in states)
    # Paths, tails, and twenty settings at a time.
    assert submissions(run.output) == 2 + 5
