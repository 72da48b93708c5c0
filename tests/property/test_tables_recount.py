"""Every cell of the tables equals an independent recount of the records, on traces made up by Hypothesis."""

import math
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specgap.aggregate import aggregate
from specgap.config import OVERALL, Bins
from specgap.prompts import PromptSet
from specgap.tables.acceptance import COLUMNS
from specgap.tables.csv import read_table, write_table
from specgap.tables.from_state import cell_counts
from specgap.tables.names import cell_table_names, surer_table_names
from specgap.tables.write_cell import write_cell_tables, write_surer_tables
from tests.support.records import Record, Trace, prompt_set, row, trace, write_shards
from tests.support.recount import judged, members, recount_acceptance

pytestmark = pytest.mark.slow

#: A power of two, so that the recount is exact.
COST_RATIO = 0.25
VOCABULARY = {token: f"token {token}" for token in range(10)}
GROUPS = ('say "a,b"', "two\nlines", "NA")
WORDS = [f"{'A' * a}{tail}{cut}" for a in range(4) for tail in ("", "R", "RD", "RDDD") for cut in ("", "!")]
PROBABILITY = st.one_of(st.sampled_from([0.0, 2**-30, 0.25, 0.5, 0.75, 1.0]), st.floats(0, 1, width=32))
MEASURED = st.one_of(st.just(math.nan), st.floats(0, 1, width=32))


@st.composite
def records(draw: st.DrawFn, text: str, sample: int) -> Trace:
    words = draw(st.lists(st.sampled_from([word or "-" for word in WORDS]), max_size=4))
    plain = trace(" ".join(word if word != "!" else "-!" for word in words), prompt=text, sample=sample)
    changed = [
        replace(
            record,
            token=draw(st.integers(0, 3)),
            p=draw(PROBABILITY),
            q=draw(PROBABILITY),
            overlap=draw(MEASURED),
            entropy=draw(MEASURED),
        )
        for record in plain.records
    ]
    rounds = [
        drawn if drawn.next_token is None else replace(drawn, next_token=draw(st.integers(0, 9)))
        for drawn in plain.rounds
    ]
    return Trace(changed, rounds)


@st.composite
def studies(draw: st.DrawFn) -> tuple[PromptSet, list[Trace]]:
    rows, shards = [], []
    for number in range(draw(st.integers(1, 4))):
        text = f"prompt {number}"
        for _ in range(draw(st.integers(1, 2))):
            groups = draw(st.lists(st.sampled_from(GROUPS), unique=True, max_size=3))
            term = draw(st.sampled_from(["x", "y", "z", None]))
            rows.append(row(text, *groups, term=term, number=("one",)))
        shards += [draw(records(text, sample)) for sample in range(draw(st.integers(0, 2)))]
    return prompt_set(*rows), shards


def tables(study: tuple[PromptSet, list[Trace]], folder: Path, ratio: float = 2.0) -> dict[str, pd.DataFrame]:
    prompts, shards = study
    traces, rounds = write_shards(folder, shards)
    state = aggregate(traces, rounds, prompts, Bins(), ratio, threads=1)
    written = write_cell_tables(
        folder / "tables",
        counts=cell_counts(state),
        prompts=prompts,
        mode="sampled",
        ratio=ratio,
        cost_ratio=COST_RATIO,
    )
    assert [path.name for path in written] == cell_table_names(prompts.groupings)
    surer = write_surer_tables(
        folder / "tables",
        state=state,
        prompts=prompts,
        vocabulary=VOCABULARY,
        trace_files=traces,
        round_files=rounds,
        mode="sampled",
        ratio=ratio,
        prior=500.0,
        seed=1,
    )
    assert [path.name for path in surer] == surer_table_names(prompts.groupings)
    written += surer
    assert sorted(path.name for path in (folder / "tables").iterdir()) == sorted(
        path.name for path in written
    )
    return {path.stem: read_table(path) for path in written if path.suffix == ".csv"}


def whole_of(shards: list[Trace]) -> Trace:
    return sum(shards, Trace())


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(studies(), st.sampled_from([1.0, 2.0, 3.5]))
def test_every_cell_of_acceptance_equals_the_recount(
    study: tuple[PromptSet, list[Trace]], ratio: float
) -> None:
    prompts, shards = study
    with tempfile.TemporaryDirectory() as folder:
        found = tables(study, Path(folder), ratio)
    for grouping, name in (("category", ""), ("number", "--number"), (OVERALL, "--overall")):
        table = found[f"acceptance{name}"]
        assert tuple(table.columns) == COLUMNS
        wanted = members(prompts, grouping)
        assert table["group"].tolist() == list(wanted)
        for row_, ids in zip(table.to_dict("records"), wanted.values(), strict=True):
            for column, value in recount_acceptance(whole_of(shards), ids, ratio, COST_RATIO).items():
                if value is None:
                    assert math.isnan(row_[column]), column
                    assert row_["note"]
                elif column == "acceptance_rate_prompt_mean":
                    assert math.isclose(row_[column], value, rel_tol=1e-14)
                else:
                    assert row_[column] == float(value), column


def of_group(table: pd.DataFrame, group: str) -> pd.DataFrame:
    return table[table["group"] == group]


def by_verdict(rows: list[Record], ids: set[int]) -> Counter[str]:
    names = ("rejected", "accepted", "discarded")
    return Counter(names[record.verdict] for record in rows if record.prompt in ids)


@settings(max_examples=20, deadline=None)
@given(studies())
def test_positions_histograms_and_surer_tokens_equal_the_recount(
    study: tuple[PromptSet, list[Trace]],
) -> None:
    prompts, shards = study
    whole = whole_of(shards)
    with tempfile.TemporaryDirectory() as folder:
        found = tables(study, Path(folder))
    for group, ids in members(prompts, "category").items():
        own = [record for record in judged(whole.records) if record.prompt in ids]
        positions = of_group(found["acceptance_by_position"], group)
        assert positions["position"].tolist() == list(range(1, max((r.position for r in own), default=0) + 1))
        for at in positions.to_dict("records"):
            here = [record for record in own if record.position == at["position"]]
            assert (at["n_judged"], at["n_accepted"]) == (len(here), sum(r.verdict for r in here))
            assert at["n_prompts"] == len({r.prompt for r in here})
        histograms = of_group(found["histograms"], group)
        for (verdict, _), part in histograms.groupby(["verdict", "quantity"]):
            assert part["count"].sum() == by_verdict(whole.records, ids)[verdict]
        surer = of_group(found["surer_tokens"], group)
        counted = Counter((r.verdict, r.token) for r in own if r.q > r.p)
        verdicts = (surer["verdict"] == "accepted").astype(int)
        assert dict(zip(zip(verdicts, surer["token"], strict=True), surer["count"], strict=True)) == counted


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(studies(), st.randoms(use_true_random=False))
def test_the_order_of_shards_and_their_number_change_no_byte(
    study: tuple[PromptSet, list[Trace]], random: object
) -> None:
    prompts, shards = study
    shuffled = list(shards)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        tables((prompts, shards), Path(folder) / "a")
        tables((prompts, [whole_of(shuffled)] if shuffled else []), Path(folder) / "b")
        for one in (Path(folder) / "a" / "tables").iterdir():
            assert one.read_bytes() == (Path(folder) / "b" / "tables" / one.name).read_bytes(), one.name


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1),
    st.lists(st.floats(allow_infinity=False, allow_nan=False), min_size=1),
)
def test_any_text_and_any_number_come_back_from_csv(texts: list[str], numbers: list[float]) -> None:
    n = min(len(texts), len(numbers))
    frame = pd.DataFrame({"group": texts[:n], "overlap": np.array(numbers[:n])})
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder) / "t.csv", frame)
        table = read_table(Path(folder) / "t.csv")
    assert table["group"].tolist() == texts[:n]
    assert table["overlap"].tolist() == numbers[:n]
