"""Greedy, replay is transformers' own assisted generation row by row, whatever the schedule.

One pass of paths and tails serves all settings; every setting's records are held against those of
`generate(assistant_model=…)`. Integer columns are equal and probabilities within 1e-5. Only where a model's
two likeliest tokens are within 1e-5 may a verdict differ: how often that is, each test prints.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import rust_agg
from specgap.models import ReadyPair
from specgap.settings import Decoding, Setting
from tests.support.greedy_pairs import TEXTS, Comparison, Rows, greedy_pair
from tests.support.replaying import NEAR, as_replay, collect_paths, collect_tails
from tests.support.thinned import thinned
from tests.support.tracing import record

pytestmark = pytest.mark.slow

LONGEST, SHORTER = 20, 7
PAIRS = ("markov", "demo", "gpt2", "llama")


def settings_of(*rows: tuple[str, int, float]) -> dict[str, Setting]:
    made = [
        Setting(schedule=schedule, num_assistant_tokens=number, confidence_threshold=threshold)  # type: ignore[arg-type]
        for schedule, number, threshold in rows
    ]
    return {setting.name: setting for setting in made}


SETTINGS = settings_of(
    *(("constant", number, 0.0) for number in (1, 2, 3, 5, 8, 12, 20)),
    *(("constant", number, threshold) for number, threshold in ((3, 0.2), (5, 0.4), (8, 0.3), (20, 0.6))),
    *(("heuristic", number, 0.0) for number in (1, 3, 5, 10)),
    *(("heuristic", number, threshold) for number, threshold in ((5, 0.3), (5, 0.9), (10, 0.55))),
    *(("heuristic_transient", number, 0.0) for number in (2, 5)),
    *(("heuristic_transient", number, threshold) for number, threshold in ((5, 0.4), (10, 0.2))),
)
#: Of which few tokens leave few apart.
FEW = ("constant-1", "constant-3", "constant-20-t0.6", "heuristic-1", "heuristic-5", "heuristic-5-t0.3")

Paths = Callable[[str, int], tuple[ReadyPair, pa.Table, pa.Table]]


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """Return a pair by its name with its paths of so many tokens, and the tails of all settings."""

    @cache
    def pair_of(name: str) -> ReadyPair:
        return greedy_pair(name, tmp_path_factory.mktemp(name))

    @cache
    def make(name: str, length: int) -> tuple[ReadyPair, pa.Table, pa.Table]:
        pair, how = pair_of(name), Decoding(mode="greedy", max_new_tokens=length)
        paths = collect_paths(pair, how, TEXTS, at_once=4)
        schedules = [as_replay(setting) for setting in SETTINGS.values()]
        return pair, paths, collect_tails(pair, how, TEXTS, paths, schedules, at_once=7)

    return make


def replayed(
    pair: ReadyPair, paths: pa.Table, tails: pa.Table, setting: Setting, length: int, cut: int | None = None
) -> Rows:
    schedule = rust_agg.Replay(
        setting.schedule,
        setting.num_assistant_tokens,
        confidence_threshold=setting.confidence_threshold,
        max_new_tokens=cut,
    )
    eos = list(pair.eos_token_ids)
    found = rust_agg.replay_records(paths, schedule, max_new_tokens=length, eos=eos, tails=tails)
    traces, rounds = (pa.table(table) for table in found)
    return traces, rounds


def compared(found: Rows, pair: ReadyPair, setting: Setting, length: int, folder: Path) -> Comparison:
    """Trace the prompts with transformers, and compare."""
    how = Decoding(mode="greedy", max_new_tokens=length)
    comparison = Comparison(pair, how)
    comparison.add(found, record(pair, how, setting, TEXTS, folder), TEXTS)
    return comparison


@pytest.mark.parametrize(("setting", "name"), thinned(SETTINGS, PAIRS, of=5))
def test_rows_are_those_of_assisted_generation(
    collected: Paths, name: str, setting: str, tmp_path: Path
) -> None:
    pair, *tables = collected(name, LONGEST)
    found = replayed(pair, *tables, SETTINGS[setting], LONGEST)
    comparison = compared(found, pair, SETTINGS[setting], LONGEST, tmp_path)
    print(f"{name}, {setting}: {comparison}")
    assert comparison.near_ties <= 1


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("name", PAIRS)
def test_texts_of_one_token_or_two_are_those_of_assisted_generation(
    collected: Paths, name: str, length: int, tmp_path: Path
) -> None:
    pair, *tables = collected(name, length)
    for setting in (SETTINGS[one] for one in FEW):
        found = replayed(pair, *tables, setting, length)
        comparison = compared(found, pair, setting, length, tmp_path)
        print(f"{name}, {setting.name}, {length} tokens: {comparison}")
        assert comparison.near_ties <= 1


@pytest.mark.parametrize("name", PAIRS)
def test_a_shorter_text_is_replayed_over_the_paths_of_longer_ones(
    collected: Paths, name: str, tmp_path: Path
) -> None:
    pair, *tables = collected(name, LONGEST)
    for setting in (SETTINGS[one] for one in FEW):
        found = replayed(pair, *tables, setting, LONGEST, cut=SHORTER)
        comparison = compared(found, pair, setting, SHORTER, tmp_path)
        print(f"{name}, {setting.name}, {SHORTER} of {LONGEST} tokens: {comparison}")
        assert comparison.near_ties <= 1


@pytest.mark.parametrize("setting", FEW)
def test_of_two_tokens_that_are_alike_both_take_the_same(
    collected: Paths, setting: str, tmp_path: Path
) -> None:
    pair, *tables = collected("ties", LONGEST)
    found = replayed(pair, *tables, SETTINGS[setting], LONGEST)
    print(f"ties, {setting}: {compared(found, pair, SETTINGS[setting], LONGEST, tmp_path)}")


# The comparison can fail, and has something to compare ----------------------------------------------


@pytest.mark.parametrize("name", PAIRS)
def test_there_is_something_of_everything_to_compare(collected: Paths, name: str) -> None:
    pair, paths, tails = collected(name, LONGEST)
    lengths = np.bincount(np.asarray(paths["prompt"]).astype(int))
    ends = np.isin(np.asarray(tails["token"]), pair.eos_token_ids).sum()
    records = [replayed(pair, paths, tails, setting, LONGEST) for setting in SETTINGS.values()]
    verdicts = np.bincount(np.concatenate([traces["verdict"] for traces, _ in records]), minlength=3)
    reasons = np.bincount(np.concatenate([rounds["censored"] for _, rounds in records]), minlength=4)
    print(
        f"{name}: texts of {lengths.tolist()} tokens, {ends} tails with an end; rejected, accepted, "
        f"discarded {verdicts.tolist()}; rounds not cut, cut by length, end, threshold {reasons.tolist()}"
    )
    assert (lengths == LONGEST).any()
    assert ((lengths > 1) & (lengths < LONGEST)).any()
    assert ends > 0
    assert min(*verdicts, *reasons) > 0
    assert {len(text) for text in TEXTS} >= {1, 2, 3}


def test_verdicts_that_differ_at_a_near_tie_are_forgiven_and_counted(
    collected: Paths, tmp_path: Path
) -> None:
    pair, *_ = collected("ties", LONGEST)
    nudged, *tables = collected("nudged ties", LONGEST)
    found = replayed(nudged, *tables, SETTINGS["constant-3"], LONGEST)
    comparison = compared(found, pair, SETTINGS["constant-3"], LONGEST, tmp_path)
    print(f"ties that go the other way: {comparison}")
    assert comparison.near_ties > 0


@pytest.mark.parametrize(
    ("replay", "real"),
    [("constant-3", "constant-5"), ("heuristic-5", "heuristic-5-t0.3"), ("constant-5", "heuristic-5")],
)
def test_rows_of_another_setting_differ(collected: Paths, replay: str, real: str, tmp_path: Path) -> None:
    pair, *tables = collected("llama", LONGEST)
    found = replayed(pair, *tables, SETTINGS[replay], LONGEST)
    with pytest.raises(AssertionError, match="rows differ and top two are"):
        compared(found, pair, SETTINGS[real], LONGEST, tmp_path)


def test_a_probability_that_is_off_by_more_than_the_band_is_seen(collected: Paths, tmp_path: Path) -> None:
    pair, *tables = collected("llama", LONGEST)
    traces, rounds = replayed(pair, *tables, SETTINGS["constant-3"], LONGEST)
    off = pa.compute.add(traces["p"], pa.scalar(2 * NEAR, pa.float32()))
    wrong = traces.set_column(traces.column_names.index("p"), "p", off)
    with pytest.raises(AssertionError, match="'p'"):
        compared((wrong, rounds), pair, SETTINGS["constant-3"], LONGEST, tmp_path)
