"""Pairs and prompts of the greedy comparison, and what is said where two collectors differ."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

import rust_agg
from specgap.models import ReadyPair
from specgap.settings import Decoding, Model, Pair
from tests.support.markov import Matrix, markov_pair
from tests.support.pair_families import PROMPTS, family
from tests.support.replaying import NEAR, collect_paths, collect_tails, differences, whole_columns
from tests.support.tiny_models import random_pair
from tests.support.tracing import Reference, load

#: Prompts of one token to seven.
TEXTS = PROMPTS[:6]
DEMO = Path(__file__).parents[2] / "resources/models/demo"
_STATES = 40
_LONGEST = 20
#: `traces` and `rounds`.
Rows = tuple[pa.Table, pa.Table]


def greedy_pair(name: str, folder: Path) -> ReadyPair:
    """Return a pair by its name, some of whose texts end in their middle."""
    if name in ("ties", "nudged ties"):
        nudge = 1e-6 if name == "nudged ties" else 0.0
        return _markov(folder, *(_tied(matrix, nudge) for matrix in _peaked()))
    if name == "markov":
        return _ending(_markov(folder, *_peaked()))
    return _ending(_demo(folder) if name == "demo" else family(name))


def _markov(folder: Path, target: Matrix, draft: Matrix) -> ReadyPair:
    made = markov_pair(folder, target, draft)
    return load(Pair(target=Model(source=str(made.target)), draft=Model(source=str(made.draft))))


def _peaked() -> tuple[Matrix, Matrix]:
    rng = np.random.default_rng(11)
    target, other = (rng.dirichlet(np.full(_STATES, 0.05), _STATES) + 1e-4 for _ in range(2))
    draft = 0.6 * target + 0.4 * other
    return target / target.sum(axis=1, keepdims=True), draft / draft.sum(axis=1, keepdims=True)


def _tied(matrix: Matrix, nudge: float) -> Matrix:
    """Return rows whose two likeliest tokens are alike, or the one of higher id likelier by 2 × `nudge`."""
    tied = matrix.copy()
    rows, likeliest = np.arange(len(matrix)), np.sort(np.argsort(matrix, axis=1)[:, -2:], axis=1)
    both = matrix[rows[:, None], likeliest].mean(axis=1)
    tied[rows, likeliest[:, 0]], tied[rows, likeliest[:, 1]] = both - nudge, both + nudge
    return tied


def _demo(folder: Path) -> ReadyPair:
    """Return the pair that the workflow has trained; where it has not, a random one with as many tokens."""
    folders = [DEMO / role for role in ("target", "draft")]
    if not all((one / "model.safetensors").is_file() for one in folders):
        return load(random_pair(folder, seed=2, vocabulary=512, draft_noise=0.2))
    target, draft = (Model(source=str(one)) for one in folders)
    return load(Pair(target=target, draft=draft))


def _ending(pair: ReadyPair) -> ReadyPair:
    """Return the pair with two ends of text: one that few texts come to, and one that only the draft does."""
    endless, how = replace(pair, eos_token_ids=()), Decoding(mode="greedy", max_new_tokens=_LONGEST)
    paths = collect_paths(endless, how, TEXTS)
    tails = collect_tails(endless, how, TEXTS, paths, [rust_agg.Replay("constant", _LONGEST)], [])
    texts = paths.to_pandas().groupby("prompt").token.apply(list)
    met = sorted({token for text in texts for token in text})
    at = {token: [text.index(token) for text in texts if token in text] for token in met}
    middle = range(3, _LONGEST - 1)
    in_the_middle = min(
        (token for token in met if min(at[token]) in middle), key=lambda token: len(at[token])
    )
    drafted = Counter(tails["token"].to_pylist())
    of_the_draft = max(set(drafted) - set(met), key=lambda token: (drafted[token], token))
    return replace(pair, eos_token_ids=(in_the_middle, of_the_draft))


class Comparison:
    """Compares the rows of two collectors, prompt by prompt; near-ties alone are forgiven, and counted."""

    def __init__(self, pair: ReadyPair, how: Decoding) -> None:
        self._reference = Reference(pair, how)
        self.prompts, self.rows, self.near_ties, self.apart = 0, 0, 0, 0.0

    def add(self, found: Rows, wanted: Rows, texts: Sequence[Sequence[int]]) -> None:
        """Hold rows of each prompt to equality, or to differing where a model's top two are alike."""
        for number, text in enumerate(texts):
            one, other = (
                [table.filter(pa.compute.equal(table["prompt"], number)) for table in rows]
                for rows in (found, wanted)
            )
            self.prompts += 1
            self.rows += len(other[0]) + len(other[1])
            if all(_same_numbers(*tables) for tables in zip(one, other, strict=True)):
                for tables in zip(one, other, strict=True):
                    gaps = differences(*tables)
                    assert max(gaps.values()) <= NEAR, f"prompt {number}: {gaps}"
                    self.apart = max(self.apart, *gaps.values())
            else:
                closest = min(self._gap(*context) for context in _contexts(text, *one))
                assert closest < NEAR, f"prompt {number}: rows differ and top two are {closest:.1e} apart"
                self.near_ties += 1

    def __str__(self) -> str:
        return (
            f"{self.prompts} prompts, {self.rows} rows; {self.near_ties} prompts differ at a near-tie, "
            f"p, q, overlap and entropy at most {self.apart:.1e} apart, band {NEAR:g}"
        )

    def _gap(self, role: str, context: tuple[int, ...]) -> float:
        top = np.sort(self._reference.probabilities(role, context))[-2:]
        return float(top[1] - top[0])


def _same_numbers(one: pa.Table, other: pa.Table) -> bool:
    names = whole_columns(other)
    return one.select(names).equals(other.select(names))


def _contexts(
    text: Sequence[int], traces: pa.Table, rounds: pa.Table
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield every context that a model chose a token behind, with the model's role."""
    emitted = list(text)
    for row in rounds.to_pylist():
        drafted = traces.filter(pa.compute.equal(traces["round"], row["round"]))["token"].to_pylist()
        for at in range(len(drafted) + 1):
            for role in ("target", "draft"):
                yield role, (*emitted, *drafted[:at])
        emitted += drafted[: row["accepted"]]
        emitted += [] if row["next_token"] is None else [row["next_token"]]
