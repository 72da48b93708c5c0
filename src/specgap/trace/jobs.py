"""A trace job, whatever its collector: its whole shards are kept, and the others come about."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from specgap.layout import Job, Shard, done_file, shard_file
from specgap.models import ReadyPair
from specgap.trace.done import write_done
from specgap.trace.ledger import Columns
from specgap.trace.plan import Finished, Known
from specgap.trace.progress import Log, Progress
from specgap.trace.shards import VERSIONED, Identity, versions_of, write_shard

#: A shard's rows: kind to columns, in any number of parts.
Rows = Mapping[str, Sequence[Columns]]


def finish_job(
    identity: Identity,
    job: Job,
    plan: Sequence[Known],
    finished: Callable[[Progress], Iterator[Finished]],
    *,
    results: Path,
    log: Log,
) -> None:
    """Let `finished` go through all shards in order, write the job's done file, and say what was done."""
    _say_other_versions(plan, identity, results, log)
    done_file(results, identity.cell, job.name, identity.kinds[0]).unlink(missing_ok=True)
    total = sum(len(known.shard.prompts) for known in plan if known.state != "whole")
    with Progress(total=total, what=job.name, log=log) as progress:
        shards = list(finished(progress))
    write_done(results, identity, job.name, shards)
    states = Counter(known.state for known in plan)
    log(
        f"{job.name}: {states['whole']} shards kept, {states['missing']} traced, "
        f"{states['stale']} stale or damaged ones replaced"
    )


def finished_shards(
    plan: Sequence[Known], identity: Identity, pair: ReadyPair, make: Callable[[Shard], Rows], results: Path
) -> Iterator[Finished]:
    """Make and write what is not whole by a pair's models, where no shard depends on another."""
    for known in plan:
        sidecar = known.sidecar
        if sidecar is None:
            metadata = identity.metadata(known.shard, known.fingerprint, known.tokens)
            rows = make(known.shard)
            pair.check_unchanged()
            sidecar = write_shard(results, identity.cell, known.shard.name, rows, metadata)
        yield known.shard.name, known.fingerprint, sidecar


def _say_other_versions(plan: Sequence[Known], identity: Identity, results: Path, log: Log) -> None:
    now = _named({name: identity.facts[name] for name in VERSIONED})
    stale = [known.shard.name for known in plan if known.state == "stale"]
    files = (shard_file(results, identity.kinds[0], identity.cell, shard) for shard in stale)
    found = (versions_of(path) for path in files)
    for before, number in sorted(Counter(_named(versions) for versions in found if versions).items()):
        if before != now:
            log(f"{number} shards were made with {before}; they are traced again with {now}")


def _named(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())
