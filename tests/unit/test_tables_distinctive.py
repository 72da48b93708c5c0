"""distances.csv, distributions.csv and distinctive_tokens.csv, from what a state holds to rows and notes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from specgap.aggregate import aggregate
from specgap.config import Bins
from specgap.errors import TableError
from specgap.prompts import PromptSet, Row, prompt_id
from specgap.tables import distances as distance_tables
from specgap.tables import distinctive as distinctive_tables
from specgap.tables.csv import read_table, write_table
from specgap.tables.distances import distances, distributions
from specgap.tables.distinctive import Choice, distinctive_tokens
from specgap.tables.keys import group_key, unit_key
from specgap.tables.membership import Group, groups_in
from tests.support.records import prompt_set, row, trace, write_shards

TEXTS = {7: "␣seven", 8: "␣eight", 9: "␣nine"}
NO_TOKEN = "no token in ≥ 3 prompts and ≥ 2 terms"


def study(*names: str, n_terms: int = 2, n_templates: int = 2) -> PromptSet:
    """Prompts of each group named: terms × templates."""
    return prompt_set(
        *(
            row(f"{name} {term} {template}", name, term=f"{name}{term}", template=str(template))
            for name in names
            for term in range(n_terms)
            for template in range(n_templates)
        )
    )


def histograms(*cells: tuple[str, str, str, str, int, int]) -> pd.DataFrame:
    """Rows of group, term, verdict, quantity, bin, count as a state has them."""
    rows = [
        (unit_key("category", group, term, 0), group_key("category", group), *rest)
        for group, term, *rest in cells
    ]
    return pd.DataFrame(rows, columns=["unit", "group", "verdict", "quantity", "bin", "count"])


def everywhere(group: str, term: str, at: int, n: int = 1, verdict: str = "accepted") -> list[tuple]:
    return [(group, term, verdict, quantity, at, n) for quantity in ("p", "q", "difference")]


def groups(prompts: PromptSet) -> list[Group]:
    return groups_in(prompts, "category")


def distance_table(frame: pd.DataFrame, prompts: PromptSet) -> pd.DataFrame:
    return distances(frame, "category", groups(prompts), mode="sampled", seed=1, permutations=99)


def tokens(*cells: tuple[str, str, int, int, int]) -> pd.DataFrame:
    """Rows of group, term, token, n_surer_rejected, n_prompts_rejected; half as many were accepted."""
    names = ("token", "unit", "group", "n_surer_accepted", "n_surer_rejected")
    rows = [
        (token, unit_key("category", group, term, 0), group_key("category", group), n // 2, n, seen, 0, seen)
        for group, term, token, n, seen in cells
    ]
    return pd.DataFrame(rows, columns=[*names, "n_prompts", "n_prompts_accepted", "n_prompts_rejected"])


def token_table(frame: pd.DataFrame, prompts: PromptSet, choice: Choice | None = None) -> pd.DataFrame:
    return distinctive_tokens(
        frame, "category", groups(prompts), vocabulary=TEXTS, mode="sampled", seed=1, choice=choice
    )


def notes(frame: pd.DataFrame, **where: str) -> list[str]:
    for name, value in where.items():
        frame = frame[frame[name] == value]
    return frame["note"].tolist()


# Distances and distributions --------------------------------------------------------------------------


def test_distances_of_a_state_are_those_of_its_judged_tokens(tmp_path: Path) -> None:
    prompts = study("a", "b", n_templates=1)
    whole = trace("AARDD", prompt="a 0 0") + trace("A", prompt="a 1 0") + trace("AAAR", prompt="b 0 0")
    traces, rounds = write_shards(tmp_path, [whole + trace("RD", prompt="b 1 0")])
    state = aggregate(traces, rounds, prompts, Bins(), 2.0, threads=1)
    frame = pa.table(state.unit_histograms()).to_pandas()
    edges = dict(zip(distance_tables.RANGES, distance_tables._EDGES, strict=True))
    for cell in frame.itertuples():
        assert (edges[cell.quantity][cell.bin], edges[cell.quantity][cell.bin + 1]) == (cell.low, cell.high)
    table = distance_table(frame, prompts)
    # Accepted p is .75, rejected .125; a's units have shares of 2/3 and 1 accepted, b's of 3/4 and 0.
    apart = (2 / 3 + 1) / 2 - (3 / 4 + 0) / 2
    p = table[table["quantity"] == "p"].iloc[0]
    assert p["ks"] == pytest.approx(apart, abs=1e-12)
    assert p["wasserstein"] == pytest.approx(apart * (0.75 - 0.125), abs=1e-12)
    shares = distributions(frame, "category", groups(prompts), mode="sampled")
    b = shares[(shares["group"] == "b") & (shares["quantity"] == "p") & (shares["share"] > 0)]
    assert b["low"].tolist() == [0.125, 0.75]
    assert b["share"].tolist() == [0.625, 0.375]


def test_every_pair_and_quantity_has_a_row_and_survives_the_csv(tmp_path: Path) -> None:
    prompts = study("a", "b", "c")
    frame = histograms(
        *(cell for at, g in enumerate("abc") for t in range(2) for cell in everywhere(g, f"{g}{t}", at + t))
    )
    table = distance_table(frame, prompts)
    assert len(table) == 9
    assert table.columns.tolist() == list(distance_tables.COLUMNS)
    write_table(tmp_path / "distances.csv", table)
    assert (
        read_table(tmp_path / "distances.csv")["wasserstein"].tolist()
        == table["wasserstein"].astype(float).tolist()
    )


def test_a_group_with_nothing_judged_says_so_and_has_no_numbers() -> None:
    prompts = study("a", "b")
    frame = histograms(*everywhere("a", "a0", 3), *everywhere("b", "b0", 3, verdict="discarded"))
    table = distance_table(frame, prompts)
    assert table["wasserstein"].tolist() == [None] * 3
    assert all("nothing judged (b)" in note for note in notes(table))
    assert table["n_units_b"].tolist() == [0] * 3
    bins = distributions(frame, "category", groups(prompts), mode="greedy")
    assert bins[bins["group"] == "b"]["share"].tolist() == [None] * 3
    assert len(bins) == 3 * 64 + 3
    assert all("nothing judged" in note for note in notes(bins, group="b"))


def test_groups_of_other_strata_have_a_distance_and_no_p_value() -> None:
    rows = [
        Row(prompt_id(name), name, {"category": (name,)}, name, "t", stratum, "f:1")
        for name, stratum in (("a", "one"), ("b", "many"))
    ]
    frame = histograms(*everywhere("a", "a", 3), *everywhere("b", "b", 5))
    table = distance_table(frame, prompt_set(*rows))
    assert table["p_ks"].tolist() == [None] * 3
    assert table["ks"].tolist() == [1.0] * 3
    assert all("share no stratum" in note for note in notes(table))


def test_a_unit_counts_in_the_stratum_of_most_of_its_prompts() -> None:
    rows = [
        Row(prompt_id(f"a{at}"), f"a{at}", {"category": ("a",)}, "man", "t", stratum, "f:1")
        for at, stratum in enumerate(("plural", "singular", "plural"))
    ]
    (group,) = groups(prompt_set(*rows))
    assert list(distance_tables._strata_of(group, "category").values()) == ["plural"]


def test_one_group_has_no_pairs() -> None:
    frame = histograms(*everywhere("a", "a0", 3))
    assert distance_table(frame, study("a")).shape == (0, len(distance_tables.COLUMNS))
    assert len(distributions(frame, "category", groups(study("a")), mode="sampled")) == 3 * 64


def test_an_empty_state_gives_notes() -> None:
    table = distance_table(histograms(), study("a", "b"))
    assert len(table) == 3
    assert all("nothing judged (a); nothing judged (b)" in note for note in notes(table))


def test_relabelled_groups_and_shuffled_rows_change_no_distance() -> None:
    rng = np.random.default_rng(1)
    drawn = {t: rng.integers(0, 64, 9) for t in range(10)}

    def table(names: Sequence[str]) -> pd.DataFrame:
        prompts = prompt_set(
            *(row(f"{t}", names[t % 2], term=f"{t}", template="x") for t in range(10)),
        )
        cells = [
            cell
            for t in rng.permutation(10)
            for at in drawn[t]
            for cell in everywhere(names[t % 2], str(t), at)
        ]
        return distance_table(histograms(*cells), prompts)

    columns = ["wasserstein", "ks", "p_wasserstein", "p_ks"]
    pd.testing.assert_frame_equal(table(["a", "b"])[columns], table(["z", "c"])[columns])


# Distinctive tokens -----------------------------------------------------------------------------------


def test_a_token_of_one_group_leads_and_a_token_of_all_does_not() -> None:
    shared = [(g, f"{g}{t}", 7, 90, 2) for g in "ab" for t in range(3)]
    frame = tokens(*shared, ("a", "a0", 8, 20, 2), ("a", "a1", 8, 30, 1), ("b", "b1", 9, 50, 2))
    table = token_table(frame, study("a", "b", n_terms=3))
    first = table[(table["group"] == "a") & (table["verdict"] == "rejected")].iloc[0]
    assert (first["token"], first["text"], first["count"], first["n_prompts"], first["n_terms"]) == (
        8,
        "␣eight",
        50,
        3,
        2,
    )
    assert first["low"] < first["log_odds"] < first["high"]
    assert first["note"].endswith("exploratory")
    # Token 9 is b's alone, but of one term.
    assert 9 not in table["token"].tolist()


def test_a_verdict_without_a_token_has_one_row_that_says_so() -> None:
    # n_prompts_accepted is 0.
    table = token_table(tokens(("a", "a0", 7, 9, 2), ("a", "a1", 7, 9, 2)), study("a", "b"))
    assert table["verdict"].tolist() == ["rejected", "accepted"] * 2
    assert [note.split("; ")[-1] for note in notes(table)] == [distinctive_tables.NO_REST, *[NO_TOKEN] * 3]
    assert table["z"].tolist() == [None] * 4
    assert table["text"].tolist() == [None] * 4


def test_an_empty_state_gives_a_row_and_note_for_every_group_and_verdict() -> None:
    table = token_table(tokens(), study("a", "b"))
    assert len(table) == 4
    assert all(note.endswith(NO_TOKEN) for note in notes(table))


def test_a_token_in_too_few_prompts_or_terms_is_left_out() -> None:
    rest = ("b", "b0", 7, 9, 2)
    for few in ([("a", "a0", 8, 9, 4)], [("a", "a0", 8, 9, 1), ("a", "a1", 8, 9, 1)]):
        table = token_table(tokens(rest, *few), study("a", "b"))
        assert NO_TOKEN in notes(table, group="a", verdict="rejected")[0]
    table = token_table(tokens(rest, *few), study("a", "b"), Choice(least_prompts=2))
    assert table["token"].tolist()[0] == 8


def test_one_group_has_nothing_to_be_compared_with() -> None:
    table = token_table(tokens(("a", "a0", 7, 9, 2), ("a", "a1", 7, 9, 2)), study("a"))
    assert len(table) == 2
    assert all(distinctive_tables.ONE_GROUP in note for note in notes(table))


def test_one_token_alone_and_equal_groups_have_no_rows() -> None:
    one = [(g, f"{g}{t}", 7, 9, 2) for g in "ab" for t in range(2)]
    assert distinctive_tables.ONE_TOKEN in notes(token_table(tokens(*one), study("a", "b")))[0]
    two = [*one, *((g, f"{g}{t}", 8, 5, 2) for g in "ab" for t in range(2))]
    assert distinctive_tables.NONE_ABOVE in notes(token_table(tokens(*two), study("a", "b")))[0]


def test_a_group_of_two_units_has_no_interval_and_a_note() -> None:
    shared = [(g, f"{g}{t}", 7, 90, 2) for g in "ab" for t in range(2)]
    frame = tokens(*shared, ("a", "a0", 8, 20, 2), ("a", "a1", 8, 30, 1))
    first = token_table(frame, study("a", "b")).iloc[0]
    assert (first["token"], first["low"], first["high"]) == (8, None, None)
    assert first["note"].endswith(distinctive_tables.FEW_UNITS)


def test_a_rest_of_one_unit_gives_no_interval_and_a_note() -> None:
    rows = [row(f"a{at}", "a", term=f"a{at}") for at in range(3)]
    prompts = prompt_set(*rows, row("b", "b", term="b0"))
    frame = tokens(*(("a", f"a{at}", 8, 9, 1) for at in range(3)), ("b", "b0", 7, 9, 1))
    first = token_table(frame, prompts).iloc[0]
    assert (first["token"], first["low"], first["high"]) == (8, None, None)
    assert first["note"].endswith(distinctive_tables.FEW_UNITS)


def test_no_more_rows_than_wanted_and_the_greatest_z_first() -> None:
    names = range(7, 60)
    frame = tokens(
        *(("a", f"a{t}", token, token, 2) for token in names for t in range(2)),
        *(("b", f"b{t}", 6, 900, 2) for t in range(2)),
    )
    texts = {token: str(token) for token in (6, *names)}
    table = distinctive_tokens(
        frame, "category", groups(study("a", "b")), vocabulary=texts, mode="sampled", seed=1
    )
    shown = table[(table["group"] == "a") & (table["verdict"] == "rejected")]
    assert shown["token"].tolist() == list(range(59, 29, -1))
    assert shown["z"].is_monotonic_decreasing


def test_a_token_outside_the_vocabulary_is_named() -> None:
    frame = tokens(*(("a", f"a{t}", 99, 9, 2) for t in range(2)), ("b", "b0", 7, 9, 1))
    with pytest.raises(TableError, match="token 99 of the counts is not in the vocabulary of 3 tokens"):
        token_table(frame, study("a", "b"))


def test_tokens_of_a_state_are_counted_by_verdict(tmp_path: Path) -> None:
    prompts = study("a", "b")
    shards = [trace("R R", prompt=f"a {t} {k}", token=7) for t in range(2) for k in range(2)]
    shards += [trace("R", prompt=f"b {t} {k}", token=8 + 100 * t) for t in range(2) for k in range(2)]
    whole = shards[0]
    for shard in shards[1:]:
        whole = whole + shard
    traces, rounds = write_shards(tmp_path, [whole])
    state = aggregate(traces, rounds, prompts, Bins(), 2.0, threads=1)
    frame = pa.table(state.tokens()).to_pandas()
    table = token_table(frame, prompts)
    first = table.iloc[0]
    assert (first["group"], first["token"], first["n_prompts"], first["n_terms"]) == ("a", 7, 4, 2)
    assert notes(table, group="a", verdict="accepted")[0].endswith(NO_TOKEN)
