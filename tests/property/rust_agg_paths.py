"""Paths and tails to replay, written as letters: one for each emitted token.

A accepted, a accepted and below a threshold of 0.4, R rejected, r rejected and below it, X rejected and an
EOS, E an accepted EOS, Z an EOS of the target's own after a rejected proposal.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from tests.property.rust_agg_recount import Plan

PATHS = pa.schema(
    [
        ("prompt", pa.uint64()),
        ("sample", pa.uint16()),
        ("offset", pa.uint16()),
        ("token", pa.uint32()),
        ("proposal", pa.uint32()),
        ("fate", pa.uint8()),
        ("p", pa.float32()),
        ("q", pa.float32()),
        ("proposal_p", pa.float32()),
        ("proposal_q", pa.float32()),
        ("overlap", pa.float32()),
        ("entropy", pa.float32()),
    ]
)
TAILS = pa.schema(
    [
        ("prompt", pa.uint64()),
        ("sample", pa.uint16()),
        ("start", pa.uint16()),
        ("offset", pa.uint16()),
        ("token", pa.uint32()),
        ("q", pa.float32()),
        ("p", pa.float32()),
    ]
)
#: Ends a text.
EOS = 9
#: Tokens that do not.
WORDS = range(1, 9)
NAN = float("nan")
#: One group of prompts 1 and 2, in few bins.
PLAN = Plan(
    probability=[0, 0.5, 1],
    difference=[-1, 0, 1],
    joint=[0, 1],
    group_names=["a"],
    unit_names=["x"],
    members=[(1, 0, 0), (2, 0, 0)],
)

Row = dict[str, Any]


@dataclass
class Written:
    """Rows of paths and of their tails, path by path."""

    longest: int
    paths: list[list[Row]] = field(default_factory=list)
    tails: list[list[Row]] = field(default_factory=list)

    def write(
        self, letters: str, prompt: int = 1, sample: int = 0, *, seed: int = 0, measured: bool = True
    ) -> "Written":
        """Add a path; what stops it before `longest` tokens is an E or a Z at its end."""
        rng = np.random.default_rng([seed, prompt, sample])
        path, tails = [], []
        for offset, letter in enumerate(letters):
            own, other = (int(word) for word in rng.choice(WORDS, 2, replace=False))
            token, proposal = {
                "A": (own, own),
                "a": (own, own),
                "E": (EOS, EOS),
                "X": (own, EOS),
                "Z": (EOS, other),
            }.get(letter, (own, other))
            of_token, of_proposal = _probabilities(rng, letter), _probabilities(rng, letter)
            accepted = letter in "AaE"
            row = {"prompt": prompt, "sample": sample, "offset": offset, "token": token}
            row |= {"proposal": proposal, "fate": int(accepted)}
            row |= dict(zip(("p", "q"), of_token, strict=True))
            row |= dict(zip(("proposal_p", "proposal_q"), of_token if accepted else of_proposal, strict=True))
            row |= {"overlap": _measure(rng, measured, 1.1), "entropy": _measure(rng, measured, 3.0)}
            path.append(row)
            if letter in "RrZ":
                tails += self._tail(rng, prompt, sample, offset)
        self.paths.append(path)
        self.tails.append(tails)
        return self

    def _tail(self, rng: np.random.Generator, prompt: int, sample: int, start: int) -> list[Row]:
        """As long as any round can need, or up to an EOS."""
        tail: list[Row] = []
        for offset in range(start + 1, self.longest - 1):
            ends = bool(rng.random() < 0.15)
            token = EOS if ends else int(rng.choice(WORDS))
            p, q = _probabilities(rng, "r" if rng.random() < 0.2 else "R")
            tail.append(
                {"prompt": prompt, "sample": sample, "start": start, "offset": offset, "token": token}
                | {"q": q, "p": p}
            )
            if ends:
                break
        return tail

    def tables(self, order: Sequence[int] | None = None) -> tuple[pa.Table, pa.Table]:
        """The paths and their tails, in an order of paths."""
        order = range(len(self.paths)) if order is None else order
        return as_paths([self.paths[k] for k in order]), as_tails([self.tails[k] for k in order])


def as_paths(paths: Iterable[list[Row]]) -> pa.Table:
    """A table of paths."""
    return pa.Table.from_pylist([row for path in paths for row in path], schema=PATHS)


def as_tails(tails: Iterable[list[Row]]) -> pa.Table:
    """A table of tails."""
    return pa.Table.from_pylist([row for tail in tails for row in tail], schema=TAILS)


def _probabilities(rng: np.random.Generator, letter: str) -> tuple[float, float]:
    """p and q in float32; q is below 0.4 for small letters, and often as near to it as can be."""
    threshold = np.float32(0.4)  # the least float32 that is not below 0.4
    below = np.nextafter(threshold, np.float32(0))
    p = rng.choice([0.0, 0.25, 0.5, 1.0, rng.random()])
    if letter.islower():
        q = rng.choice([0.0, 0.2, below, 0.39 * rng.random()])
    else:
        q = rng.choice([threshold, 0.7, 1.0, 0.41 + 0.59 * rng.random()])
    return float(np.float32(p)), float(np.float32(q))


def _measure(rng: np.random.Generator, measured: bool, most: float) -> float:
    return float(np.float32(rng.random() * most)) if measured and rng.random() < 0.8 else NAN


@st.composite
def letters(draw: st.DrawFn, longest: int) -> str:
    """A path of at most so many tokens."""
    inner = draw(st.text("AaRrX", max_size=longest, min_size=0))
    if len(inner) == longest:
        return inner
    end = draw(st.sampled_from("EZ"))
    return inner + end


@st.composite
def written(draw: st.DrawFn, largest: int = 5) -> Written:
    """Some paths of up to three prompts and samples, in any order."""
    made = Written(longest=draw(st.integers(1, 12)))
    keys = st.tuples(st.sampled_from((0, 7, 99, 2**64 - 1)), st.sampled_from((0, 1, 65535)))
    for prompt, sample in draw(st.lists(keys, max_size=largest, unique=True)):
        made.write(
            draw(letters(made.longest)),
            prompt,
            sample,
            seed=draw(st.integers(0, 9)),
            measured=draw(st.booleans()),
        )
    return made
