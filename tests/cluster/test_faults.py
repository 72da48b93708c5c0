"""What happens to jobs on a cluster: all ends in the bytes of an undisturbed run, no whole shard is lost."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.conftest import COUNTED, ROUNDS
from tests.support.lab import Cluster, Lab, Submitted, alive, digests, wait_until, whole_shards
from tests.support.sandbox import ROOT, Run
from tests.support.tiny_study import TINY

#: Seconds for which a job pauses after a shard, unless it is told to hurry: a fault finds it there.
PAUSE = "600"


@contextmanager
def disturbed(cluster: Cluster, counted: dict[str, str]) -> Iterator[Submitted]:
    """Start the study; let the block do its worst once there is a whole shard, and look at the end."""
    running = cluster.submit("--", COUNTED, SHARD_PAUSE=PAUSE)
    wait_until(lambda: whole_shards(cluster.sandbox) or running.over, "a whole shard")
    before = whole_shards(cluster.sandbox)
    assert before, running.log.read_text()
    assert not (cluster.sandbox.folder / COUNTED).exists()
    try:
        yield running
    finally:
        running.kill()
    assert digests(cluster.sandbox) == counted
    after = whole_shards(cluster.sandbox)
    assert len(after) > len(before)
    # A shard that is computed again is another file.
    assert {file: after[file] for file in before} == before


def finished(cluster: Cluster, running: Submitted) -> Run:
    """Let jobs no longer pause, and wait for the study's end."""
    cluster.hurry()
    return running.finish()


def each_shard_was_written_once(cluster: Cluster) -> bool:
    return set(cluster.written().values()) == {1}


def test_cancelled_jobs_are_submitted_again(cluster: Cluster, counted: dict[str, str]) -> None:
    with disturbed(cluster, counted) as running:
        cluster.lab.run("scancel", *cluster.jobs("RUNNING"))
        run = finished(cluster, running)
        assert run.code == 0, run.output
    assert "CANCELLED" in run.output
    assert each_shard_was_written_once(cluster)


def test_a_job_over_its_time_has_more_of_it_the_next_time(cluster: Cluster, counted: dict[str, str]) -> None:
    cluster.sandbox.write_config(**{**TINY, **ROUNDS, "resources": {"minutes": 1}})
    running = cluster.submit("--", COUNTED, SHARD_PAUSE=PAUSE)
    # Slurm looks every half minute, whatever its settings.
    wait_until(lambda: "TIMEOUT" in cluster.past() or running.over, "a job over its time")
    run = finished(cluster, running)
    assert run.code == 0, run.output
    assert "TIMEOUT" in cluster.past()
    assert digests(cluster.sandbox) == counted
    # The second attempt kept what the first had made whole.
    logs = [file.read_text() for file in cluster.sandbox.results.glob("logs/collect_traces/**/*.log")]
    assert any(re.search("[1-9] shards kept", log) for log in logs)
    assert each_shard_was_written_once(cluster)


def test_a_job_over_its_memory_has_more_of_it_the_next_time(
    cluster: Cluster, counted: dict[str, str]
) -> None:
    cluster.sandbox.write_config(**{**TINY, **ROUNDS, "resources": {"mem_mb": 900}})
    running = cluster.submit("--", COUNTED, SHARD_PAUSE=PAUSE)
    killed = {"FAILED", "OUT_OF_MEMORY"}
    wait_until(lambda: killed & set(cluster.past()) or running.over, "a job over its memory")
    run = finished(cluster, running)
    assert run.code == 0, run.output
    assert killed & set(cluster.past())
    assert digests(cluster.sandbox) == counted
    assert each_shard_was_written_once(cluster)


@pytest.mark.usefixtures("alone")
def test_jobs_of_a_node_that_is_lost_run_when_it_comes_back(
    cluster: Cluster, counted: dict[str, str]
) -> None:
    with disturbed(cluster, counted) as running:
        jobs = cluster.jobs()
        cluster.lab.lose_node()
        wait_until(
            lambda: "down" in cluster.lab.run("sinfo", "--noheader", "--format=%T"), "the node to be down"
        )
        # Slurm itself has queued them again.
        assert set(cluster.jobs("PENDING")) >= set(jobs)
        cluster.lab.up()
        run = finished(cluster, running)
        assert run.code == 0, run.output
    assert each_shard_was_written_once(cluster)


def test_a_controller_that_is_started_anew(cluster: Cluster, counted: dict[str, str]) -> None:
    with disturbed(cluster, counted) as running:
        restart_controller(cluster.lab)
        run = finished(cluster, running)
        assert run.code == 0, run.output
    assert each_shard_was_written_once(cluster)


def restart_controller(lab: Lab) -> None:
    pid = lab.pid("slurmctld")
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not alive(pid), "slurmctld to end")
    lab.up()


def documented_command() -> str:
    """Return what docs/cluster.md has against jobs whose head process is gone."""
    lines = (ROOT / "docs/cluster.md").read_text().splitlines()
    (command,) = [line for line in lines if line.startswith("squeue ")]
    return command


def test_a_head_process_that_is_killed_and_started_anew_once_its_jobs_are_cancelled(
    cluster: Cluster, counted: dict[str, str]
) -> None:
    cluster.job_prefix = "specgap"
    with disturbed(cluster, counted) as running:
        running.kill()
        cluster.lab.run("bash", "-euo", "pipefail", "-c", documented_command())
        wait_until(lambda: not cluster.jobs(), "jobs to be gone")
        start_anew(cluster)
    assert each_shard_was_written_once(cluster)


def test_a_head_process_that_is_killed_and_started_anew_beside_its_jobs(
    cluster: Cluster, counted: dict[str, str]
) -> None:
    # What both are at is made twice; what was whole is not.
    with disturbed(cluster, counted) as running:
        running.kill()
        assert cluster.jobs("RUNNING")
        start_anew(cluster)


def start_anew(cluster: Cluster) -> None:
    """Run the study again; what is left of its jobs pauses until the new ones run beside them."""
    left = len(cluster.jobs("RUNNING"))
    assert cluster.run("--unlock").code == 0
    running = cluster.submit("--", COUNTED)
    wait_until(lambda: len(cluster.jobs("RUNNING")) > left or running.over, "a new job")
    run = finished(cluster, running)
    assert run.code == 0, run.output
    wait_until(lambda: not cluster.jobs(), "jobs to be gone")


@pytest.mark.full
@pytest.mark.usefixtures("alone")
def test_slurm_comes_up_twice_and_ends_what_it_started_alone(lab: Lab) -> None:
    pids = {daemon: lab.pid(daemon) for daemon in ("munged", "slurmctld", "slurmd")}
    other = subprocess.Popen(["sleep", "600"])
    try:
        assert "already" not in lab.up()
        assert {daemon: lab.pid(daemon) for daemon in pids} == pids
        file = lab.folder / "run/slurmctld/pid"
        file.write_text(f"{other.pid}\n")  # a number that has gone to another process since
        lab.down()
        assert other.poll() is None
        os.kill(pids["slurmctld"], signal.SIGTERM)
        assert not alive(pids["munged"])
        assert not alive(pids["slurmd"])
        wait_until(lambda: not alive(pids["slurmctld"]), "slurmctld to end")
        lab.up()
    finally:
        other.kill()
        other.wait()
