"""Tails: with their paths they are what transformers does, and none is longer than any setting needs."""

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import rust_agg
from specgap.schema import Verdict
from specgap.settings import Decoding, Setting
from specgap.trace.batch import Stepper
from specgap.trace.choice import Decider
from specgap.trace.following import Follower
from tests.support.bands import chi_square_p
from tests.support.markov_runs import DRAFT
from tests.support.pair_families import FAMILIES, PROMPTS, family
from tests.support.replay_reference import Replay, replay_records, tail_lengths
from tests.support.replaying import (
    NEAR,
    as_reference,
    as_replay,
    assert_same_rows,
    collect_paths,
    collect_tails,
    differences,
    whole_columns,
)
from tests.support.thinned import thinned
from tests.support.tracing import Reference, record

pytestmark = pytest.mark.slow


def setting(schedule: str, gamma: int, threshold: float = 0.0) -> Setting:
    return Setting(schedule=schedule, num_assistant_tokens=gamma, confidence_threshold=threshold)  # type: ignore[arg-type]


SETTINGS = [
    *(setting("constant", gamma) for gamma in (1, 5, 20)),
    *(setting("heuristic", 5), setting("heuristic_transient", 3)),
    *(setting("heuristic", 5, 0.3), setting("constant", 20, 0.3)),
]
GREEDY, SAMPLED = Decoding(mode="greedy", max_new_tokens=24), Decoding(max_new_tokens=24)
ALL = [as_replay(one) for one in SETTINGS]


@pytest.fixture(scope="module")
def collected() -> Callable[[str, Decoding], tuple[pa.Table, pa.Table]]:
    """Return a function that gives the paths of a family and the tails of all settings, made once."""
    made: dict[tuple[str, str, int], tuple[pa.Table, pa.Table]] = {}

    def collect(name: str, how: Decoding) -> tuple[pa.Table, pa.Table]:
        key = (name, how.mode, how.max_new_tokens)
        if key not in made:
            paths = collect_paths(family(name), how, PROMPTS)
            made[key] = paths, collect_tails(family(name), how, PROMPTS, paths, ALL)
        return made[key]

    return collect


def tails_of(table: pa.Table) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """Return the rows of each (prompt, start)."""
    rows = itertools.groupby(table.to_pylist(), key=lambda row: (row["prompt"], row["start"]))
    return {key: list(group) for key, group in rows}


# Greedy: what transformers does --------------------------------------------------------------------


# Longer texts of the other pairs: tests/statistics/test_replay_greedy.py.
@pytest.mark.parametrize(
    ("name", "length"),
    [
        *((name, n) for name in FAMILIES for n in (1, 2)),
        pytest.param("gpt-neo", 24, marks=pytest.mark.landing),
    ],
)
def test_replayed_rows_are_those_of_assisted_generation(
    name: str, length: int, collected: Callable[[str, Decoding], tuple[pa.Table, pa.Table]], tmp_path: Any
) -> None:
    how = Decoding(mode="greedy", max_new_tokens=length)
    pair = family(name)
    paths, tails = collected(name, how)
    for one in SETTINGS:
        replayed = replay_records(
            paths, as_reference(one), max_new_tokens=length, eos=pair.eos_token_ids, tails=tails
        )
        recorded = record(pair, how, one, PROMPTS, tmp_path)
        apart = [assert_same_rows(*both) for both in zip(replayed, recorded, strict=True)]
        most = max(value for part in apart for value in part.values())
        print(f"{name} {one.name} at {length}: {len(recorded[0])} drafted, {most:.1e} apart")


def test_texts_of_the_comparison_end_in_their_middle_and_at_the_limit(
    collected: Callable[[str, Decoding], tuple[pa.Table, pa.Table]],
) -> None:
    for name in FAMILIES:
        paths, tails = collected(name, GREEDY)
        eos = family(name).eos_token_ids
        lengths = np.bincount(np.asarray(paths["prompt"]).astype(int))
        print(f"{name}: lengths {sorted(lengths.tolist())}, {len(tails)} tokens of tails")
        assert name == "markov" or (lengths < 24).any()
        assert (lengths == 24).any()
        assert name == "markov" or np.isin(tails["token"], eos).any()


# No tail knows its batch ---------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "how"), thinned(FAMILIES, [GREEDY, SAMPLED]))
def test_rows_know_no_batch(
    name: str, how: Decoding, collected: Callable[[str, Decoding], tuple[pa.Table, pa.Table]]
) -> None:
    paths, whole = collected(name, how)
    assert len(whole) > 100
    for at_once in (1, 5):
        apart = assert_same_rows(
            collect_tails(family(name), how, PROMPTS, paths, ALL, at_once=at_once), whole
        )
        print(f"{name} {how.mode} {at_once} at once: {max(apart.values()):.1e} apart")


def test_a_path_alone_has_the_tails_that_it_has_among_others(
    collected: Callable[[str, Decoding], tuple[pa.Table, pa.Table]],
) -> None:
    paths, whole = collected("llama", SAMPLED)
    for prompt in (0, 3):
        one = paths.filter(pa.compute.equal(paths["prompt"], prompt))
        alone = collect_tails(family("llama"), SAMPLED, PROMPTS, one, ALL)
        among = whole.filter(pa.compute.equal(whole["prompt"], prompt))
        assert_same_rows(alone, among)


# How far a tail goes -------------------------------------------------------------------------------


def known_lengths(paths: pa.Table, name: str, settings: Sequence[Setting]) -> dict[tuple[int, int], int]:
    """Return how long each setting's own walk makes each tail at most, by the slow reference."""
    wanted = [as_reference(one) for one in settings]
    table = tail_lengths(paths, wanted, max_new_tokens=24, eos=family(name).eos_token_ids)
    return {(row["prompt"], row["start"]): row["length"] for row in table.to_pylist()}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_tail_ends_at_an_end_or_at_the_length_wanted(
    name: str, collected: Callable[[str, Decoding], tuple[pa.Table, pa.Table]]
) -> None:
    paths, _ = collected(name, SAMPLED)
    settings = [one for one in SETTINGS if not one.confidence_threshold]
    tails = collect_tails(family(name), SAMPLED, PROMPTS, paths, [as_replay(one) for one in settings])
    lengths = known_lengths(paths, name, settings)
    assert list(tails_of(tails)) == list(lengths)
    for key, rows in tails_of(tails).items():
        assert [row["offset"] for row in rows] == list(range(key[1] + 1, key[1] + 1 + len(rows)))
        ended = [row["token"] in family(name).eos_token_ids for row in rows]
        assert not any(ended[:-1])
        assert ended[-1] or len(rows) == lengths[key]


def test_a_tail_stops_where_the_only_setting_stops_at_its_threshold(
    collected: Callable[[str, Decoding], tuple[pa.Table, pa.Table]],
) -> None:
    paths, _ = collected("llama", SAMPLED)
    one = setting("constant", 20, 0.3)
    tails = tails_of(collect_tails(family("llama"), SAMPLED, PROMPTS, paths, [as_replay(one)]))
    lengths = known_lengths(paths, "llama", [one])
    stopped = 0
    for key, rows in tails.items():
        q = [row["q"] for row in rows]
        assert min(q[:-1], default=1.0) >= 0.3
        stopped += q[-1] < 0.3
        assert q[-1] < 0.3 or rows[-1]["token"] in family("llama").eos_token_ids or len(q) == lengths[key]
    assert stopped >= 5


@pytest.mark.parametrize("how", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_tails_hold_what_some_setting_discards_and_no_token_more(how: Decoding) -> None:
    rng, eos = random.Random(how.mode), family("llama").eos_token_ids
    schedules = ("constant", "heuristic", "heuristic_transient")
    thresholds = (0.0, 0.0, 0.1, 0.2, 0.5, 0.8)
    settings = [setting(rng.choice(schedules), rng.randint(1, 30), rng.choice(thresholds)) for _ in range(12)]
    paths = collect_paths(family("llama"), how, PROMPTS)
    tails = collect_tails(family("llama"), how, PROMPTS, paths, [as_replay(one) for one in settings])
    needed: dict[tuple[int, int], int] = {}
    for one in settings:
        traces, _ = replay_records(paths, as_reference(one), max_new_tokens=24, eos=eos, tails=tails)
        for row in traces.to_pylist():
            if row["verdict"] == Verdict.REJECTED:
                start = row["offset"]
            if row["verdict"] == Verdict.DISCARDED:
                key = (row["prompt"], start)
                needed[key] = max(needed.get(key, 0), row["offset"] - start)
    print(f"{len(needed)} tails of {sum(needed.values())} tokens for {len(settings)} settings")
    assert needed == {key: len(rows) for key, rows in tails_of(tails).items()}


@pytest.mark.parametrize("name", ["llama", "gpt-neo"])
def test_a_longer_tail_begins_with_the_shorter(
    name: str, collected: Callable[[str, Decoding], tuple[pa.Table, pa.Table]]
) -> None:
    paths, long = collected(name, SAMPLED)
    short = tails_of(
        collect_tails(family(name), SAMPLED, PROMPTS, paths, [as_replay(setting("heuristic", 5))])
    )
    longer = 0
    for key, rows in short.items():
        whole = tails_of(long)[key]
        assert [row["token"] for row in rows] == [row["token"] for row in whole[: len(rows)]]
        longer += len(whole) > len(rows)
    assert longer


def test_no_tail_follows_a_proposal_that_ends_the_text_or_stays_below_every_threshold() -> None:
    """A round that carries γ is bounded by the longest one, whose own threshold is 0; others' are not."""
    paths = collect_paths(family("llama"), SAMPLED, PROMPTS)
    ended = np.isin(paths["proposal"], family("llama").eos_token_ids) & (np.asarray(paths["fate"]) == 0)
    assert ended.any()
    longest = [rust_agg.Replay("constant", 23)]
    all_tails = tails_of(collect_tails(family("llama"), SAMPLED, PROMPTS, paths, longest))
    for prompt, offset in zip(
        np.asarray(paths["prompt"])[ended].tolist(), np.asarray(paths["offset"])[ended].tolist(), strict=True
    ):
        assert (prompt, offset) not in all_tails


def test_without_settings_there_are_no_tails() -> None:
    paths = collect_paths(family("markov"), SAMPLED, PROMPTS)
    assert len(collect_tails(family("markov"), SAMPLED, PROMPTS, paths, [])) == 0


# p and q -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_p_and_q_are_those_of_one_forward_per_token(
    name: str, collected: Callable[[str, Decoding], tuple[pa.Table, pa.Table]]
) -> None:
    paths, tails = collected(name, SAMPLED)
    reference = Reference(family(name), SAMPLED)
    for (prompt, start), rows in list(tails_of(tails).items())[::3]:
        path = paths.filter(pa.compute.equal(paths["prompt"], prompt)).to_pydict()
        context = [*PROMPTS[prompt], *path["token"][:start], path["proposal"][start]]
        for row in rows:
            for role, column in (("target", "p"), ("draft", "q")):
                if row[column] == row[column]:
                    wanted = reference.probabilities(role, context)[row["token"]]
                    assert abs(row[column] - wanted) <= NEAR
            context.append(row["token"])


def test_p_is_there_where_a_setting_that_is_kept_needs_it_and_nowhere_else(
    collected: Callable[[str, Decoding], tuple[pa.Table, pa.Table]],
) -> None:
    paths, _ = collected("llama", SAMPLED)
    kept = setting("heuristic", 5, 0.3)
    tails = collect_tails(family("llama"), SAMPLED, PROMPTS, paths, ALL, [as_replay(kept)])
    whole = collect_tails(family("llama"), SAMPLED, PROMPTS, paths, ALL)
    for column in whole_columns(whole):
        assert tails[column].to_pylist() == whole[column].to_pylist()
    replay_records(paths, as_reference(kept), max_new_tokens=24, eos=(1, 10, 22, 30), tails=tails)
    with pytest.raises(ValueError, match="has no p"):
        replay_records(paths, Replay("constant", 20), max_new_tokens=24, eos=(1, 10, 22, 30), tails=tails)
    known = np.isfinite(np.asarray(tails["p"]))
    assert 0 < known.sum() < len(known) / 3


def test_without_settings_that_are_kept_the_target_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Follower, "follow", lambda *_, **__: pytest.fail("the target was run"))
    paths = collect_paths(family("llama"), SAMPLED, PROMPTS)
    tails = collect_tails(family("llama"), SAMPLED, PROMPTS, paths, ALL, [])
    assert len(tails)
    assert np.isnan(np.asarray(tails["p"])).all()


@pytest.mark.parametrize(("name", "at_once"), thinned(["llama", "gpt-neo"], [1, 6, 1000]))
def test_a_continuation_is_followed_the_same_in_any_batch(name: str, at_once: int) -> None:
    pair = family(name)
    texts = [[4, 5, 6, 7], [8, 9], list(range(20, 45))]
    rows, prefix = np.array([0, 0, 1, 2, 2]), np.array([4, 1, 2, 25, 3])
    tokens = [np.array(part) for part in ([3, 4], [5, 6, 7], [9, 9, 9, 9], [2, 8], [40, 41, 42])]
    follower = Follower(Stepper(pair.target, 40), Decider(SAMPLED))
    found = follower.follow(texts, rows, prefix, tokens, at_once=at_once)
    reference = Reference(pair, SAMPLED)
    for row, end, given, part in zip(rows, prefix, tokens, found, strict=True):
        for at in range(1, len(given)):
            wanted = reference.probabilities("target", [*texts[row][:end], *given[:at].tolist()])[given[at]]
            assert abs(part[at - 1] - wanted) <= NEAR


# The law -------------------------------------------------------------------------------------------


def test_sampled_tails_follow_the_draft() -> None:
    prompts = [[number % 5] for number in range(1500)]
    pair = family("markov")
    paths = collect_paths(pair, SAMPLED, prompts, seed=8, at_once=500)
    tails = collect_tails(
        pair, SAMPLED, prompts, paths, [as_replay(setting("constant", 6))], [], seed=8, at_once=500
    )
    token, offset = (np.asarray(tails[name]).astype(int) for name in ("token", "offset"))
    start, prompt = (np.asarray(tails[name]).astype(int) for name in ("start", "prompt"))
    proposal = {
        (row["prompt"], row["offset"]): row["proposal"]
        for row in paths.select(["prompt", "offset", "proposal"]).to_pylist()
    }
    first = offset == start + 1
    before = np.where(first, -1, np.roll(token, 1))
    before[first] = [proposal[key] for key in zip(prompt[first].tolist(), start[first].tolist(), strict=True)]
    counts = np.zeros((6, 6), dtype=np.int64)
    np.add.at(counts, (before, token), 1)
    assert chi_square_p("tails ~ q", counts, DRAFT) > 0.001


def test_tails_that_start_at_different_offsets_are_drawn_apart(
    collected: Callable[[str, Decoding], tuple[pa.Table, pa.Table]],
) -> None:
    """Two tails of a path draft the same offsets, from the same state often; they must not be one text."""
    _, tails = collected("markov", SAMPLED)
    by_offset: dict[tuple[int, int], list[int]] = {}
    for row in tails.to_pylist():
        by_offset.setdefault((row["prompt"], row["offset"]), []).append(row["token"])
    pairs = [(one, other) for tokens in by_offset.values() for one, other in itertools.pairwise(tokens)]
    same = np.mean([one == other for one, other in pairs])
    print(f"{len(pairs)} pairs of draws of one offset, {same:.2f} of them equal; independent ones near .2")
    assert len(pairs) > 200
    assert same < 0.4


def test_differences_would_be_seen() -> None:
    paths = collect_paths(family("markov"), SAMPLED, PROMPTS)
    other = collect_paths(family("markov"), SAMPLED, PROMPTS, seed=1)
    with pytest.raises(AssertionError):
        assert_same_rows(other, paths)
    assert max(differences(paths, paths).values()) == 0
