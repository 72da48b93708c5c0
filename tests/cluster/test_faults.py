"""What happens to jobs on a cluster: all ends in the bytes of an undisturbed run, no whole shard is lost."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.conftest import COUNTED, ROUNDS
from tests.support.lab import Cluster, Lab, Submitted, alive, digests, wait_until, whole_shards
from tests.support.sandbox import ROOT
from tests.support.tiny_study import TINY

#: Seconds that a job waits after each of its shards.
PAUSE = "6"


@contextmanager
def disturbed(cluster: Cluster, counted: dict[str, str]) -> Iterator[Submitted]:
    """Start the study; let the block do its worst once there is a whole shard, and look at the end."""
    running = cluster.submit("--", COUNTED, SHARD_PAUSE=PAUSE)
    wait_until(lambda: whole_shards(cluster.sandbox), "a whole shard")
    assert not (cluster.sandbox.folder / COUNTED).exists()
    before = whole_shards(cluster.sandbox)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.kill()
    assert digests(cluster.sandbox) == counted
    after = whole_shards(cluster.sandbox)
    assert len(after) > len(before)
    # A shard that is computed again is another file.
    assert {file: after[file] for file in before} == before


def test_cancelled_jobs_are_submitted_again(cluster: Cluster, counted: dict[str, str]) -> None:
    with disturbed(cluster, counted) as running:
        cluster.lab.run("scancel", *cluster.lab.jobs("RUNNING"))
        run = running.finish()
        assert run.code == 0, run.output
    assert "CANCELLED" in run.output


def test_a_job_over_its_time_has_more_of_it_the_next_time(cluster: Cluster, counted: dict[str, str]) -> None:
    cluster.sandbox.write_config(**{**TINY, **ROUNDS, "resources": {"minutes": 1}})
    since = cluster.lab.now()
    run = cluster.run("--", COUNTED, SHARD_PAUSE="25")
    assert run.code == 0, run.output
    assert "TIMEOUT" in cluster.lab.past(since).values()
    assert digests(cluster.sandbox) == counted
    # The second attempt kept what the first had made whole.
    logs = [file.read_text() for file in cluster.sandbox.results.glob("logs/collect_traces/**/*.log")]
    assert any(re.search("[1-9] shards kept", log) for log in logs)


def test_a_job_over_its_memory_has_more_of_it_the_next_time(
    cluster: Cluster, counted: dict[str, str]
) -> None:
    cluster.sandbox.write_config(**{**TINY, **ROUNDS, "resources": {"mem_mb": 600}})
    since = cluster.lab.now()
    run = cluster.run("--", COUNTED, SHARD_PAUSE="2")
    assert run.code == 0, run.output
    assert {"FAILED", "OUT_OF_MEMORY"} & set(cluster.lab.past(since).values())
    assert digests(cluster.sandbox) == counted


def test_a_node_that_goes_down_and_comes_up(cluster: Cluster, counted: dict[str, str]) -> None:
    node = os.uname().nodename.split(".")[0]
    with disturbed(cluster, counted) as running:
        cluster.lab.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        wait_until(lambda: not cluster.lab.jobs("RUNNING"), "jobs to be gone")
        # A node that answers may have come back by itself, and then there is nothing to resume.
        resume = ["scontrol", "update", f"nodename={node}", "state=resume"]
        subprocess.run(resume, env=cluster.lab.environment, capture_output=True, check=False)
        wait_until(lambda: "down" not in cluster.lab.run("sinfo", "--noheader", "--format=%T"), "the node")
        run = running.finish()
        assert run.code == 0, run.output


def test_a_controller_that_is_started_anew(cluster: Cluster, counted: dict[str, str]) -> None:
    with disturbed(cluster, counted) as running:
        restart_controller(cluster.lab)
        run = running.finish()
        assert run.code == 0, run.output


def restart_controller(lab: Lab) -> None:
    pid = lab.pid("slurmctld")
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not alive(pid), "slurmctld to end")
    lab.up()


def cancel_as_documented(lab: Lab) -> None:
    """Cancel the jobs of a head process that is gone, by the command that docs/cluster.md has."""
    lines = (ROOT / "docs/cluster.md").read_text().splitlines()
    (command,) = [line for line in lines if line.startswith("squeue ")]
    lab.run("bash", "-euo", "pipefail", "-c", command)
    wait_until(lambda: not lab.jobs(), "jobs to be gone")


def let_them_run(lab: Lab) -> None:
    assert lab.jobs("RUNNING")


@pytest.mark.parametrize("orphans", [cancel_as_documented, let_them_run])
def test_a_head_process_that_is_killed_and_started_anew(
    cluster: Cluster, counted: dict[str, str], orphans: Callable[[Lab], None]
) -> None:
    with disturbed(cluster, counted) as running:
        running.kill()
        orphans(cluster.lab)
        assert cluster.run("--unlock").code == 0
        run = cluster.run("--", COUNTED)
        assert run.code == 0, run.output
    wait_until(lambda: not cluster.lab.jobs(), "jobs to be gone")


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
