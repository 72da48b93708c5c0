"""How much the dear suites try: everything that is planned, or a part while a change is on its way.

`SPECGAP_SIZE` says which: `small` unless set, `full` in `make test-all` and where a target
is called with `SIZE=full`, which also runs what is marked `full`: tests that make sense at that
size alone. Nothing else reads the variable.
"""

import os
from dataclasses import dataclass

_MIB = 1 << 20


@dataclass(frozen=True)
class Size:
    """How often things are tried."""

    #: SIGKILLs at random moments of each of four steps, and SIGTERMs.
    kills: int
    terminations: int
    #: A step is killed before its first change, then so many further on. Odd: a file is opened, then renamed.
    change_stride: int
    #: Whether disks are full under every step, or under one of each script.
    every_step: bool
    #: By how much a disk that is too small grows from one run to the next.
    disk_growth: float
    #: In bytes: by how much memory that is too small grows.
    memory_growth: int
    #: Forwards of a model at which the device has no room.
    forwards: tuple[int, ...]
    #: Damaged shards, by where the damage is.
    damaged_shards: int
    #: On Slurm: of six shards of real rounds, how many a job makes; how many jobs want one of two GPUs.
    shards_per_job: int
    jobs_with_gpus: int
    #: Worlds that a simulation draws. Its bands are three standard errors wide at 400.
    worlds: int
    #: Texts of each prompt that traces of Markov pairs are held against theory on, for each eight in full.
    texts: int
    #: Prompts behind which the paths of a Markov pair are replayed.
    replayed: int


SIZES = {
    "small": Size(
        kills=10,
        terminations=3,
        change_stride=9,
        every_step=False,
        disk_growth=4,
        memory_growth=4 * _MIB,
        forwards=(1, 8),
        damaged_shards=20,
        shards_per_job=6,
        jobs_with_gpus=4,
        worlds=400,
        texts=4,
        replayed=2500,
    ),
    "full": Size(
        kills=50,
        terminations=10,
        change_stride=1,
        every_step=True,
        disk_growth=1.5,
        memory_growth=_MIB // 4,
        forwards=(1, 2, 3, 5, 8, 13, 21),
        damaged_shards=100,
        shards_per_job=3,
        jobs_with_gpus=6,
        worlds=2000,
        texts=8,
        replayed=8000,
    ),
}


def size_called(name: str) -> Size:
    """Return what `SPECGAP_SIZE` stands for, or say which names there are."""
    if name not in SIZES:
        raise ValueError(f"SPECGAP_SIZE is '{name}'; expected {' or '.join(SIZES)}")
    return SIZES[name]


SIZE_NAME = os.environ.get("SPECGAP_SIZE", "small")
SIZE = size_called(SIZE_NAME)
