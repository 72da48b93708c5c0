"""surer_tokens.csv: tokens with q > p, counted by the aggregate and described from the records."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from specgap.errors import TableError
from specgap.prompts import PromptSet
from specgap.tables import surer_records
from specgap.tables.membership import groups_in
from specgap.tables.surer import NO_RECORDS, SurerCounts, surer_tokens
from specgap.tables.surer_records import SurerRecords, read_surer
from tests.support.records import Trace, prompt_set, row, trace, write_shards

TEXTS = {7: "␣seven", 8: "␣eight", 9: "␣nine", 10: "␣ten"}
PROMPTS = prompt_set(row("they", "female", "male"), row("he", "male"))


def records(tmp_path: Path, *shards: Trace, prompts: PromptSet = PROMPTS) -> SurerRecords:
    traces, rounds = write_shards(tmp_path, shards)
    return read_surer(traces, rounds, groups_in(prompts, "category"), prompts.distinct)


def counts(*rows: tuple[int, int, int, int, int]) -> SurerCounts:
    """Rows of group, verdict, token, count, n_prompts."""
    return SurerCounts(*np.array(rows, dtype=np.int64).reshape(-1, 5).T)


def table(counted: SurerCounts, recorded: SurerRecords | None) -> pd.DataFrame:
    groups = groups_in(PROMPTS, "category")
    return surer_tokens(counted, recorded, groups, vocabulary=TEXTS, texts=PROMPTS.texts, mode="sampled")


def test_only_judged_tokens_with_q_above_p_are_read(tmp_path: Path) -> None:
    # A has q < p and D is discarded; female is group 0, and R is rejected.
    assert records(tmp_path, trace("AARDD", prompt="they")).count == {(0, 0, 7): 1, (1, 0, 7): 1}


def test_a_prompt_in_two_groups_counts_in_both(tmp_path: Path) -> None:
    found = records(tmp_path, trace("R", prompt="they"), trace("R R", prompt="he"))
    assert found.count == {(0, 0, 7): 1, (1, 0, 7): 3}


def test_means_and_example_come_from_the_records(tmp_path: Path) -> None:
    first, second = trace("R", prompt="he").with_values(p=0.25), trace("R", prompt="they").with_values(q=1.0)
    found = records(tmp_path, first, second)
    assert (found.mean_p[1, 0, 7], found.mean_q[1, 0, 7]) == ((0.25 + 0.125) / 2, 0.75)
    assert (
        PROMPTS.texts[found.example[1, 0, 7]] == "they"
    )  # the first that is listed, not the first that is read


def test_replaced_by_names_the_three_most_frequent_tokens_emitted_instead(tmp_path: Path) -> None:
    whole = Trace()
    for sample, instead in enumerate([10, 9, 9, 8, 8, 8, 7]):
        whole = whole + trace("AR", prompt="he", sample=sample, next_token=instead)
    found = records(tmp_path, whole)
    shown = table(counts((1, 0, 7, 7, 1)), found)
    assert shown["replaced_by"].tolist() == ["␣eight×3; ␣nine×2; ␣seven×1"]


def test_an_accepted_token_was_replaced_by_nothing(tmp_path: Path) -> None:
    found = records(tmp_path, trace("A", prompt="he").with_values(p=0.125))
    shown = table(counts((1, 1, 7, 1, 1)), found)
    assert shown[["verdict", "replaced_by"]].to_numpy().tolist() == [["accepted", ""]]


def test_rows_are_sorted_by_group_verdict_count_and_token() -> None:
    shown = table(
        counts((1, 0, 8, 1, 1), (0, 0, 9, 2, 1), (0, 0, 7, 2, 1), (0, 0, 8, 5, 1), (0, 1, 9, 1, 1)), None
    )
    assert shown[["group", "verdict", "token"]].to_numpy().tolist() == [
        ["female", "accepted", 9],
        ["female", "rejected", 8],
        ["female", "rejected", 7],
        ["female", "rejected", 9],
        ["male", "rejected", 8],
    ]


def test_without_records_there_are_counts_only_and_a_note() -> None:
    [shown] = table(counts((0, 0, 7, 2, 1)), None).to_dict("records")
    assert (shown["count"], shown["mean_p"], shown["replaced_by"], shown["example"]) == (2, None, None, None)
    assert NO_RECORDS in shown["note"]


def test_records_that_are_not_those_of_the_aggregate_are_refused(tmp_path: Path) -> None:
    found = records(tmp_path, trace("R", prompt="he"))
    with pytest.raises(TableError, match="1 times in the records; wanted 2 times"):
        table(counts((1, 0, 7, 2, 1)), found)
    with pytest.raises(TableError, match="the records hold 1"):
        table(counts(), found)


def test_a_rejected_token_without_its_round_is_refused(tmp_path: Path) -> None:
    whole = trace("R", prompt="he")
    with pytest.raises(TableError, match=r"s0\.parquet: no correction token in round 0"):
        records(tmp_path, Trace(whole.records, []))


def test_a_prompt_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="is not among the 2 prompts"):
        records(tmp_path, trace("R", prompt="nobody"))


def test_a_token_without_text_is_refused() -> None:
    with pytest.raises(TableError, match="token 99"):
        table(counts((0, 0, 99, 1, 1)), None)


def many(n: int, rng: np.random.Generator) -> Trace:
    whole = Trace()
    for sample in range(n):
        drawn = trace("AR R ARD", prompt=("they", "he")[sample % 2], sample=sample)
        changed = [replace(r, p=float(np.float32(rng.random()))) for r in drawn.records]
        rounds = [replace(r, next_token=int(rng.integers(7, 11))) for r in drawn.rounds]
        whole = whole + Trace(changed, rounds)
    return whole


@pytest.mark.parametrize("batch", [1, 7, 1 << 20])
def test_batches_and_shards_change_no_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    whole = many(40, np.random.default_rng(1))
    halves: Sequence[Trace] = [
        Trace([r for r in whole.records if r.sample % 3 == n], [r for r in whole.rounds if r.sample % 3 == n])
        for n in (2, 0, 1)
    ]
    together = records(tmp_path / "one", whole)
    monkeypatch.setattr(surer_records, "BATCH", batch)
    assert records(tmp_path / "three", *halves) == together
