"""Rounds of the batched collector in memory, without files; on Markov pairs, counted beside their law."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

import rust_agg
from specgap.models import ReadyPair
from specgap.schema import SHARD_KINDS
from specgap.settings import Decoding, Setting
from specgap.trace.batched import Batched
from specgap.trace.ledger import Columns, tabulate
from tests.support.markov_replay import LONGEST, MarkovLaw
from tests.support.markov_runs import Run

#: `traces` and `rounds`.
Rows = tuple[pa.Table, pa.Table]
#: Spreads prompt ids over all 64 bits.
_ODD = 0x9E3779B97F4A7C15


def rounds_of(
    pair: ReadyPair,
    decoding: Decoding,
    setting: Setting,
    prompt_ids: Sequence[Sequence[int]] | Mapping[int, Sequence[int]],
    *,
    seed: int = 0,
    sample: int = 0,
    at_once: int = 64,
    told: Callable[[int, int], None] = lambda *_: None,
) -> Rows:
    """Return `traces` and `rounds` of prompts, which are numbered from 0 where they have no ids."""
    texts = prompt_ids if isinstance(prompt_ids, Mapping) else dict(enumerate(prompt_ids))
    longest = max(map(len, texts.values())) + decoding.max_new_tokens
    batched = Batched(pair, decoding, setting, seed=seed, longest=longest)
    recordings = dict(batched.record(texts, sample=sample, at_once=at_once, told=told))
    tables = [
        tabulate(
            recordings[prompt],
            prompt=prompt,
            sample=sample,
            setting=setting,
            gamma=setting.num_assistant_tokens,
            max_new_tokens=decoding.max_new_tokens,
            eos_token_ids=pair.eos_token_ids,
        )[0]
        for prompt in texts
    ]
    assert not any("timings" in table for table in tables)
    traces, rounds = (_joined(kind, [table[kind] for table in tables]) for kind in ("traces", "rounds"))
    return traces, rounds


def _joined(kind: str, parts: Sequence[Columns]) -> pa.Table:
    schema, arrays = SHARD_KINDS[kind], []
    for field in schema:
        column = np.ma.concatenate([part[field.name] for part in parts])
        values = np.asarray(column.data).astype(field.type.to_pandas_dtype())
        arrays.append(pa.array(values, type=field.type, mask=np.ma.getmaskarray(column)))
    return pa.Table.from_arrays(arrays, schema=schema)


class MarkovRun(Run):
    """Real rounds of a Markov pair, and what single tokens of them were drawn from."""

    @cached_property
    def transitions(self) -> NDArray[np.int64]:
        """How often an emitted token followed a state, (states, states)."""
        steps = [
            step
            for (prompt, _), text in self.emitted.items()
            for step in zip([self.starts[prompt], *text], text, strict=False)
        ]
        return self._counted(*np.array(steps).T)

    @property
    def drafted(self) -> NDArray[np.int64]:
        """How often a drafted token followed a state."""
        return self._counted(self.contexts, self.traces.token.to_numpy(np.int64))

    @cached_property
    def verdicts(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """How many of each token behind each state were rejected and accepted, and the law of that."""
        states = len(self.law.target)
        judged = (self.traces.verdict != 2).to_numpy()
        cell = (self.contexts * states + self.traces.token.to_numpy(np.int64))[judged]
        counts = np.zeros((states * states, 2), dtype=np.int64)
        np.add.at(counts, (cell, self.judged.verdict.to_numpy(np.int64)), 1)
        p, q = self.law.target.ravel(), self.law.draft.ravel()
        kept = np.minimum(1, np.divide(p, q, out=np.ones_like(p), where=q > 0))
        return counts, np.column_stack([1 - kept, kept])

    @cached_property
    def corrections(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """How often a token corrected a rejection behind a state, and the law of that."""
        rejected = (self.traces.verdict == 0).to_numpy()
        where = pd.DataFrame(
            {**self.traces.loc[rejected, ["prompt", "round"]], "context": self.contexts[rejected]}
        )
        found = where.merge(self.rounds, on=["prompt", "round"], validate="one_to_one")
        gain = np.maximum(self.law.target - self.law.draft, 0)
        mass = gain.sum(axis=1, keepdims=True)
        law = np.divide(gain, mass, out=np.zeros_like(gain), where=mass > 0)
        return self._counted(found.context.to_numpy(), found.next_token.to_numpy(np.int64)), law

    def _counted(self, contexts: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        counts = np.zeros(self.law.target.shape, dtype=np.int64)
        np.add.at(counts, (contexts, tokens), 1)
        return counts


def markov_run(
    pair: ReadyPair, law: MarkovLaw, setting: Setting, n_prompts: int, *, seed: int = 6, at_once: int = 4096
) -> MarkovRun:
    """Run rounds behind `n_prompts` prompts of one state or two, and count them."""
    states = [state for state in range(len(law.target)) if state != law.eos]
    last = [states[number % len(states)] for number in range(n_prompts)]
    texts = {
        number * _ODD % 2**64: [state] if number % 3 else [0, state] for number, state in enumerate(last)
    }
    decoding = Decoding(max_new_tokens=LONGEST, **law.decoding)
    traces, rounds = rounds_of(pair, decoding, setting, texts, seed=seed, at_once=at_once)
    starts = dict(zip(texts, last, strict=True))
    frames = traces.to_pandas(), rounds.to_pandas()
    return MarkovRun(law.of(setting), starts, 1, _state(traces, rounds, texts), *frames)


def _state(traces: pa.Table, rounds: pa.Table, texts: Mapping[int, Sequence[int]]) -> rust_agg.State:
    prompts, nought = pa.array(list(texts), pa.uint64()), pa.array(np.zeros(len(texts)), pa.uint32())
    groups = rust_agg.Groups(pa.table({"prompt": prompts, "group": nought, "unit": nought}), ["all"], ["all"])
    grids = rust_agg.Grids(probability=[0.0, 1.0], difference=[-1.0, 1.0], joint=[0.0, 1.0])
    return rust_agg.fold(traces, rounds, groups, grids=grids, threads=1)
