"""Markov pairs replayed: paths and tails by the real collector, counts by `rust_agg`; and real rounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

import rust_agg
from specgap.settings import Decoding, Model, Pair, Setting
from specgap.trace.collect_tails import Wanted
from specgap.trace.drafting import TargetPath
from specgap.trace.paths import Paths
from specgap.trace.tails import Tails
from tests.support.markov import Matrix, markov_pair
from tests.support.markov_runs import DRAFT, EOS, SURER, TARGET, Counted, warped
from tests.support.markov_simulator import simulate
from tests.support.markov_theory import COUNTERS, Theory
from tests.support.replaying import as_replay, endless_tails, table_of
from tests.support.tracing import load

Floats = NDArray[np.float64]
SAMPLES = 2
LONGEST = 24
SEED = 6
#: Spreads prompt ids over all 64 bits.
_ODD = 0x9E3779B97F4A7C15
_TEMPERATURE, _TOP_K = 0.7, 3


@dataclass(frozen=True)
class MarkovLaw:
    """A pair's matrices, the state that ends a text, and what decoding does to the matrices."""

    target: Matrix
    draft: Matrix
    eos: int | None
    decoding: Mapping[str, Any] = field(default_factory=dict)

    def of(self, setting: Setting) -> Theory:
        """Return the law of a sequence under a setting."""
        matrices = (self.target, self.draft)
        if self.decoding:
            matrices = (warped(self.target, _TEMPERATURE, _TOP_K), warped(self.draft, _TEMPERATURE, _TOP_K))
        return Theory(
            *matrices,
            gamma=setting.num_assistant_tokens,
            max_new_tokens=LONGEST,
            heuristic=setting.schedule != "constant",
            threshold=setting.confidence_threshold,
            eos=self.eos,
        )


def _random_law(seed: int, states: int, *, ends: float) -> MarkovLaw:
    """Return a law whose draft ends texts far more often than its target, which ends none without it."""
    rng = np.random.default_rng(seed)
    target, other = (rng.dirichlet(np.full(states, 0.6), states) for _ in range(2))
    draft = (target + other) / 2
    end = np.eye(states)[-1]
    return MarkovLaw(0.97 * target + 0.03 * end, (1 - ends) * draft + ends * end, states - 1)


def _law_with_zeros() -> MarkovLaw:
    """Return a law under which some proposals can never be kept and some tokens never be proposed."""
    rng = np.random.default_rng(3)
    target, draft = (rng.dirichlet(np.ones(5), 5) for _ in range(2))
    for row in range(5):
        target[row, (row + 1) % 5] = 0
        draft[row, (row + 3) % 5] = 0
    for matrix in (target, draft):
        matrix[:, -1] /= 5  # so that texts have some length
        matrix /= matrix.sum(axis=1, keepdims=True)
    return MarkovLaw(target, draft, 4)


LAWS = {
    "six states": MarkovLaw(TARGET, DRAFT, EOS),
    "early ends": _random_law(5, 9, ends=0.15),
    "zeros": _law_with_zeros(),
    "warped": MarkovLaw(TARGET, SURER, EOS, {"temperature": _TEMPERATURE, "top_k": _TOP_K}),
}
SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(schedule="constant", num_assistant_tokens=1),
        Setting(schedule="constant", num_assistant_tokens=3),
        Setting(schedule="constant", num_assistant_tokens=8),
        Setting(schedule="heuristic", num_assistant_tokens=5),
        Setting(schedule="constant", num_assistant_tokens=8, confidence_threshold=0.25),
        Setting(schedule="heuristic_transient", num_assistant_tokens=5, confidence_threshold=0.33),
    )
}


@dataclass(frozen=True)
class Records:
    """What single drafted tokens say, (tokens,): their sequence, p, q and verdict; of n sequences."""

    sequence: NDArray[np.int64]
    p: Floats
    q: Floats
    verdict: NDArray[np.int64]
    n: int

    def one_each(self, verdict: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return p and q of one token of a verdict of each sequence that has any: all are independent."""
        chosen = rng.permutation(np.flatnonzero(self.verdict == verdict))
        _, first = np.unique(self.sequence[chosen], return_index=True)
        return self.p[chosen[first]], self.q[chosen[first]]

    def sums(self, name: str, verdict: int) -> tuple[Floats, Floats]:
        """Return Σ p or Σ q, and the number of tokens, of a verdict by sequence."""
        rows = self.verdict == verdict
        values = getattr(self, name)[rows]
        counts = [np.bincount(self.sequence[rows], weights, self.n) for weights in (values, None)]
        return counts[0], counts[1].astype(float)


@dataclass(frozen=True)
class Sequences:
    """Counters by sequence, (sequences,) each, and the records where asked for."""

    counts: Mapping[str, Floats]
    records: Records


def real_rounds(law: Theory, starts: Sequence[int], seed: int) -> Sequences:
    """Simulate real rounds after prompts that end in `starts`."""
    rows: list[NDArray[np.int64]] = []
    counts = simulate(law, np.array(starts), np.random.default_rng(seed), drafted_rows=rows)
    sequence, before, token, verdict = np.concatenate(rows).T
    records = Records(sequence, law.target[before, token], law.draft[before, token], verdict, n=len(starts))
    return Sequences(dict(zip(COUNTERS, counts.T, strict=True)), records)


@dataclass(frozen=True)
class Collected:
    """Paths and tails of a pair behind prompts that end in `starts`, as the collector makes them."""

    law: MarkovLaw
    starts: dict[int, int]
    paths: pa.Table
    tails: pa.Table

    @property
    def eos(self) -> list[int]:
        return [] if self.law.eos is None else [self.law.eos]

    @property
    def sequence_starts(self) -> list[int]:
        """The last states of the prompts of all sequences."""
        return list(self.starts.values()) * SAMPLES

    @cached_property
    def states(self) -> dict[str, rust_agg.State]:
        """What every setting counts, by its name: all from one pass."""
        prompts = pa.array(list(self.starts), pa.uint64())
        nought = pa.array(np.zeros(len(prompts)), pa.uint32())
        members = pa.table({"prompt": prompts, "group": nought, "unit": nought})
        groups = rust_agg.Groups(members, ["all"], ["all"])
        return rust_agg.replay(
            self.paths,
            {name: as_replay(setting) for name, setting in SETTINGS.items()},
            groups,
            max_new_tokens=LONGEST,
            eos=self.eos,
            tails=self.tails,
            grids=rust_agg.Grids(probability=[0.0, 1.0], difference=[-1.0, 1.0], joint=[0.0, 1.0]),
            threads=1,
        )

    def counted(self, setting: str) -> Counted:
        """Return what a setting counts beside its law."""
        return Counted(self.law.of(SETTINGS[setting]), self.starts, SAMPLES, self.states[setting])

    def sequences(self, setting: str) -> Sequences:
        """Return counters and records of a setting by sequence."""
        table = pa.table(self.states[setting].prompts()).to_pandas()
        plain = ("rounds", "drafted", "accepted", "rejected", "discarded", "emitted")
        names = {name: f"n_{name}" for name in plain}
        names |= {"cut": "n_rounds_cut_max_length", "overlap": "sum_overlap"}
        counts = {name: table[column].to_numpy(float) for name, column in names.items()}
        return Sequences(counts, self.records(setting))

    def records(self, setting: str) -> Records:
        """Return the rows of `traces` that a setting gives."""
        found, _ = rust_agg.replay_records(
            self.paths, as_replay(SETTINGS[setting]), max_new_tokens=LONGEST, eos=self.eos, tails=self.tails
        )
        traces = pa.table(found).to_pandas()
        sequence = pd.factorize(traces["prompt"])[0] * SAMPLES + traces["sample"].to_numpy(np.int64)
        p, q = (traces[name].to_numpy(float) for name in "pq")
        return Records(sequence, p, q, traces.verdict.to_numpy(np.int64), n=len(self.starts) * SAMPLES)

    def without_tails(self) -> "Collected":
        """Return the same with tails that never end, as if the draft went on to the last token asked for."""
        schedules = [as_replay(setting) for setting in SETTINGS.values()]
        tails = endless_tails(self.paths, schedules, max_new_tokens=LONGEST, eos=self.eos)
        return replace(self, tails=tails)


def collect(folder: Path, law: MarkovLaw, n_prompts: int) -> Collected:
    """Write a pair, and make the paths and tails of prompts of one state or two, all samples."""
    folders = markov_pair(folder, law.target, law.draft, law.eos)
    pair = load(Pair(target=Model(source=str(folders.target)), draft=Model(source=str(folders.draft))))
    decoding = Decoding(max_new_tokens=LONGEST, **law.decoding)
    states = [state for state in range(len(law.target)) if state != law.eos]
    last = [states[number % len(states)] for number in range(n_prompts)]
    texts = {
        number * _ODD % 2**64: [state] if number % 3 else [0, state] for number, state in enumerate(last)
    }
    room = {"seed": SEED, "longest": LONGEST + 2}
    schedules = tuple(as_replay(setting) for setting in SETTINGS.values())
    wanted, made = Wanted(schedules, schedules), Paths(pair, decoding, **room)
    tails_of, parts = Tails(pair, decoding, **room), []
    for sample in range(SAMPLES):
        ran = {"sample": sample, "at_once": 2048, "told": lambda *_: None}
        paths = table_of("paths", made.collect(texts, **ran))
        found = wanted.rejections(paths, max_new_tokens=LONGEST, eos=list(pair.eos_token_ids))
        starts = np.flatnonzero(np.asarray(paths["offset"]) == 0)
        tokens = np.split(np.asarray(paths["token"]), starts[1:])
        known = [
            TargetPath(prompt, text, path.tolist())
            for (prompt, text), path in zip(texts.items(), tokens, strict=True)
        ]
        parts.append((paths, table_of("tails", tails_of.collect(known, found, **ran))))
    paths, tails = (pa.concat_tables(tables) for tables in zip(*parts, strict=True))
    return Collected(law, dict(zip(texts, last, strict=True)), paths, tails)
