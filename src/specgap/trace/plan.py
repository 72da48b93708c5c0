"""What is on disk of a job's shards, and what each of them is known by; imports nothing that makes one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specgap.config import Study
from specgap.layout import Cell, Job, Shard
from specgap.trace.shards import Identity, Sidecar, State, Tokens, state_of

#: A shard's name, fingerprint and sidecar.
Finished = tuple[str, str, Sidecar]


def identity_of(
    study: Study, cell: Cell, facts: Mapping[str, Any], *, collector: str, setting: Mapping[str, Any]
) -> Identity:
    """Return what all shards of a cell share; `setting` says what their rows depend on of any setting.

    `facts` are those of the pair that makes them.
    """
    return Identity(
        cell=cell,
        facts=facts,
        decoding=study.decodings[cell.decoding].model_dump(mode="json", exclude={"settings"}),
        setting=setting,
        collector=collector,
        seed=study.seed,
        prompt_format=study.prompt_format.model_dump(mode="json"),
    )


@dataclass(frozen=True)
class Known:
    """A planned shard and what is on disk of it."""

    shard: Shard
    fingerprint: str
    tokens: Tokens | None
    state: State
    sidecar: Sidecar | None


def planned(
    identity: Identity,
    job: Job,
    texts: Mapping[int, str],
    results: Path,
    *,
    tokens: Mapping[str, Tokens | None],
    carried: bool = False,
    made_from: Mapping[str, str] | None = None,
) -> list[Known]:
    """Look at what is on disk of a job's shards.

    `tokens`: shard name to those of its prompts. `carried`: a shard depends on the one before it.
    `made_from`: shard name to the digest of what it is made from.
    """
    plan = []
    for shard, fingerprint in fingerprints(
        identity, job, texts, tokens=tokens, carried=carried, made_from=made_from
    ):
        state, sidecar = state_of(results, identity.cell, shard.name, fingerprint, identity.kinds)
        plan.append(Known(shard, fingerprint, tokens[shard.name], state, sidecar))
    return plan


def fingerprints(
    identity: Identity,
    job: Job,
    texts: Mapping[int, str],
    *,
    tokens: Mapping[str, Tokens | None],
    carried: bool = False,
    made_from: Mapping[str, str] | None = None,
) -> Iterator[tuple[Shard, str]]:
    """Yield a job's shards with what each is known by; what is named means what it does in `planned`."""
    before = None
    for shard in job.shards:
        after = made_from[shard.name] if made_from is not None else before
        fingerprint = identity.fingerprint(shard, texts, tokens[shard.name], after=after)
        yield shard, fingerprint
        before = fingerprint if carried else None
