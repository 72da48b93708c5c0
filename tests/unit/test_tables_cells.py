"""Tables of a cell and over settings, written from real aggregates."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import binom

import rust_agg
from specgap.aggregate import aggregate, grids, groups_of, load, save
from specgap.config import Bins
from specgap.errors import TableError, TraceError
from specgap.prompts import prompt_id
from specgap.schema import PATHS, TAILS, VOCABULARY
from specgap.settings import Setting
from specgap.tables.calibration import CalibrationBin, binomial_band, calibration
from specgap.tables.csv import read_table
from specgap.tables.from_state import cell_counts, counted_prompts
from specgap.tables.names import (
    cell_table_names,
    prompts_table_names,
    settings_table_names,
    surer_table_names,
    swept_table_names,
)
from specgap.tables.settings import emitted_if_independent
from specgap.tables.vocabulary import read_vocabulary
from specgap.tables.write import write_acceptance_tables, write_prompts_tables
from specgap.tables.write_cell import write_cell_tables, write_surer_tables
from specgap.tables.write_inference import write_intervals
from specgap.tables.write_settings import SettingState, write_settings_tables
from tests.support.records import Trace, prompt_set, row, trace, write_shards

PROMPTS = prompt_set(row("they", "female", "male"), row("he", "male", term="man"))
VOCABULARY_TEXTS = {7: "␣seven", 9: "␣nine"}


def state_of(folder: Path, whole: Trace) -> tuple[rust_agg.State, list[Path], list[Path]]:
    traces, rounds = write_shards(folder, [whole])
    return aggregate(traces, rounds, PROMPTS, Bins(), 2.0, threads=1), traces, rounds


def cell(folder: Path, whole: Trace, *, with_records: bool = True) -> dict[str, pd.DataFrame]:
    state, traces, rounds = state_of(folder, whole)
    written = write_cell_tables(
        folder / "tables",
        counts=cell_counts(state),
        prompts=PROMPTS,
        mode="sampled",
        ratio=2.0,
        cost_ratio=0.25,
    )
    assert [path.name for path in written] == cell_table_names(["category"])
    surer = write_surer_tables(
        folder / "tables",
        state=state,
        prompts=PROMPTS,
        vocabulary=VOCABULARY_TEXTS,
        trace_files=traces if with_records else None,
        round_files=rounds if with_records else None,
        mode="sampled",
        ratio=2.0,
        prior=500.0,
        seed=1,
    )
    assert [path.name for path in surer] == surer_table_names(["category"])
    written += surer
    return {path.stem: read_table(path) for path in written if path.suffix == ".csv"}


def test_edges_are_exact_and_span_their_axes() -> None:
    edges = grids(Bins())
    assert edges.probability[:2] == [0.0, 1 / 50]
    assert 0.0 in edges.difference
    assert edges.joint[:2] == [0.0, 1e-6]
    assert {1e-5, 1e-4, 0.001, 0.01, 0.1, 1.0} <= set(edges.joint)
    assert len(edges.joint) == 1 + 6 * 8 + 1


def test_groups_hold_all_groupings_and_all_prompts_with_a_unit_each() -> None:
    groups = groups_of(
        prompt_set(row("they", "a", "b", number=("one",)), row("he", "a", term=None, number=()))
    )
    assert groups.group_names == ["category\x1fa", "category\x1fb", "number\x1fone", "overall\x1fall prompts"]
    assert "category\x1fa\x1fterm" in groups.unit_names
    assert any(name.rsplit("\x1f", 1)[1].isdecimal() for name in groups.unit_names)


def test_names_with_the_separator_in_them_stay_apart() -> None:
    groups = groups_of(prompt_set(row("1", "a", term="b\x1fc"), row("2", "a\x1fb", term="c")))
    assert groups.unit_names.count("category\x1fa\x1fb\x1fc") == 2


def test_a_saved_state_comes_back_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    state, *_ = state_of(tmp_path, trace("AAR", prompt="they"))
    save(state, tmp_path / "state")
    assert load(tmp_path / "state") == state
    (tmp_path / "state").write_bytes(b"no state")
    with pytest.raises(TraceError, match="state"):
        load(tmp_path / "state")
    with pytest.raises(TraceError, match="missing"):
        load(tmp_path / "missing")


def test_rows_of_a_prompt_that_the_study_no_longer_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        TraceError, match="2 rows of the 1 shards belong to prompts that are not in the study"
    ):
        state_of(tmp_path, trace("A", prompt="gone"))


def test_an_impossible_probability_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"s0\.parquet.*column p"):
        state_of(tmp_path, trace("A", prompt="he").with_values(p=1.5))


def test_a_cell_without_records_has_every_file_and_counts_only(tmp_path: Path) -> None:
    tables = cell(tmp_path, trace("AAR", prompt="they"), with_records=False)
    surer = tables["surer_tokens"]
    assert surer["count"].tolist() == [1, 1]
    assert surer["mean_p"].isna().all()
    assert surer["note"].str.contains("no records").all()


def test_a_cell_where_nothing_was_recorded_has_every_file(tmp_path: Path) -> None:
    tables = cell(tmp_path, Trace())
    assert tables["acceptance"]["note"].str.contains("nothing judged").all()
    assert tables["surer_tokens"].empty
    assert tables["calibration"]["note"].tolist() == ["nothing judged"] * 21


def test_no_cell_reads_nan_or_inf(tmp_path: Path) -> None:
    cell(tmp_path, trace("AAR R A", prompt="they").with_values(p=0.0) + trace("-", prompt="he"))
    for file in (tmp_path / "tables").glob("*.csv"):
        words = set(file.read_text().lower().replace("\n", ",").split(","))
        assert not words & {"nan", "inf", "-inf", "none", "<na>"}, file.name


def test_histograms_hold_every_token_of_the_group_once(tmp_path: Path) -> None:
    histograms = cell(tmp_path, trace("AARD", prompt="they") + trace("A", prompt="he"))["histograms"]
    counts = histograms.groupby(["group", "verdict", "quantity"])["count"].sum()
    assert counts["male", "accepted", "p"] == 3
    assert counts["female", "discarded", "difference"] == 1
    assert counts["female", "rejected", "log_ratio"] == 1


def test_joint_cells_are_where_p_and_q_lie(tmp_path: Path) -> None:
    [only] = cell(tmp_path, trace("A", prompt="he"))["joint_histogram"].to_dict("records")
    assert only["p_low"] <= 0.75 < only["p_high"]
    assert only["q_low"] <= 0.5 < only["q_high"]


def test_every_table_names_its_mode(tmp_path: Path) -> None:
    for name, table in cell(tmp_path, trace("AAR", prompt="they")).items():
        assert set(table["mode"]) <= {"sampled"}, name


def test_the_band_is_the_exact_binomial_one() -> None:
    for n, probability in ((1, 0.5), (10, 0.3), (1000, 0.975), (7, 1.0), (7, 0.0)):
        low, high = binomial_band(n, probability)
        assert binom.cdf(round(low * n), n, probability) >= 0.025
        assert binom.cdf(round(low * n) - 1, n, probability) < 0.025
        assert binom.cdf(round(high * n), n, probability) >= 0.975
        assert binom.cdf(round(high * n) - 1, n, probability) < 0.975


def test_a_right_instrument_lies_within_the_band_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(5)
    n, runs = 400, 2000
    ratios = rng.uniform(0.55, 0.6, size=n)
    realised = (rng.random((runs, n)) < ratios).mean(axis=1)
    low, high = binomial_band(n, float(ratios.mean()))
    inside = float(((realised >= low) & (realised <= high)).mean())
    print(f"inside the 95 % band: {inside:.3f}, wanted .94 to .975")
    assert 0.94 <= inside <= 0.975


def test_the_atom_at_one_has_no_slack_and_greedy_no_band() -> None:
    bins = [CalibrationBin(0.5, 0.55, 3, 6, 3.1), CalibrationBin(1.0, 1.0, 8, 8, 8.0)]
    sampled = calibration(bins, mode="sampled", pilot=None)
    assert sampled[["band_low", "band_high"]].iloc[1].tolist() == [1.0, 1.0]
    assert sampled["mean_min_ratio"].iloc[0] == 3.1 / 6
    greedy = calibration(bins, mode="greedy", pilot=None)
    assert greedy["band_low"].tolist() == [None, None]
    assert "argmaxes" in greedy["note"].iloc[0]


def over_settings(
    folder: Path, *cells: SettingState, drawn: tuple[str, ...] = (), cost_ratio: float | None = 0.25
) -> dict[str, pd.DataFrame]:
    drawn = drawn or (cells[0].setting.name,)
    written = write_settings_tables(
        folder, cells=cells, prompts=PROMPTS, drawn=drawn, mode="sampled", cost_ratio=cost_ratio
    )
    assert [path.name for path in written] == settings_table_names()
    return {path.stem: read_table(path) for path in written if path.suffix == ".csv"}


def counted(folder: Path, text: str, prompt: str = "they", **setting: Any) -> SettingState:
    made = Setting(**{"schedule": "constant", "num_assistant_tokens": 3, **setting})
    state = state_of(folder / made.name, trace(text, prompt=prompt))[0]
    return SettingState(made, state, made.collector or "replay", PROMPTS)


def test_settings_hold_the_rates_of_each_setting_and_shares_that_add_up(tmp_path: Path) -> None:
    cells = [counted(tmp_path, "AAR"), counted(tmp_path, "AAAAA", num_assistant_tokens=5)]
    tables = over_settings(tmp_path / "all", *cells, drawn=("constant-3", "constant-5"))
    table = tables["settings"]
    assert table["group"].tolist() == ["female", "male", "all prompts"] * 2
    assert table[table["grouping"] == "overall"]["acceptance_rate"].tolist() == [2 / 3, 1.0]
    assert table["collector"].tolist() == ["replay"] * 6
    shares = tables["histograms"].groupby(["setting", "verdict", "quantity"])["share"]
    assert set(shares.sum(min_count=1).dropna()) == {1.0}
    assert shares.sum(min_count=1).isna()["constant-5", "rejected", "p"]


def test_only_settings_with_figures_have_histograms_over_settings(tmp_path: Path) -> None:
    cells = [counted(tmp_path, "AAR"), counted(tmp_path, "A", num_assistant_tokens=1)]
    tables = over_settings(tmp_path / "all", *cells, drawn=("constant-1",))
    assert set(tables["histograms"]["setting"]) == {"constant-1"}
    assert set(tables["settings"]["setting"]) == {"constant-3", "constant-1"}


def test_what_constant_drafts_would_emit_is_the_summed_powers_of_the_groups_own_rate_at_constant_1(
    tmp_path: Path,
) -> None:
    cells = [
        counted(tmp_path, "AAR", prompt="he"),
        counted(tmp_path, "A A R", prompt="he", num_assistant_tokens=1),
        counted(tmp_path, "A", prompt="he", confidence_threshold=0.4),
        counted(tmp_path, "A", prompt="he", schedule="heuristic"),
    ]
    table = over_settings(tmp_path / "all", *cells)["settings"]
    found = table[table["grouping"] == "overall"]["block_efficiency_independent"].tolist()
    assert found[0] == pytest.approx(sum((2 / 3) ** power for power in range(4)))
    assert found[1] == pytest.approx(1 + 2 / 3)
    assert np.isnan(found[2:]).all()
    assert np.isnan(table["block_efficiency_independent"][0]), "nothing judged of `female`"
    assert emitted_if_independent(1.0, 7) == 8


def test_without_constant_1_nothing_says_what_constant_drafts_would_emit(tmp_path: Path) -> None:
    table = over_settings(tmp_path / "all", counted(tmp_path, "AAR"))["settings"]
    assert table["block_efficiency_independent"].isna().all()


def test_settings_that_share_a_schedule_or_have_fewer_prompts_are_not_compared(tmp_path: Path) -> None:
    fewer = SettingState(
        Setting(schedule="constant", num_assistant_tokens=9, collector="assisted", limit=1),
        state_of(tmp_path / "fewer", trace("A", prompt="he"))[0],
        "assisted",
        prompt_set(row("he", "male", term="man")),
    )
    twin = counted(tmp_path, "R", name="twin", collector="assisted")
    tables = over_settings(tmp_path / "all", counted(tmp_path, "AAR"), twin, fewer)
    compared = tables["settings"].groupby("setting", sort=False)["compared"].first()
    assert compared.to_dict() == {"constant-3": True, "twin": False, "constant-9-assisted": False}
    assert set(tables["best_schedule"]["n_settings"]) == {1}


def test_a_swept_setting_has_acceptance_equal_to_that_of_a_whole_cell_and_intervals(tmp_path: Path) -> None:
    whole = trace("AAR", prompt="they") + trace("RD", prompt="he")
    tables = cell(tmp_path, whole)
    counts, about = (
        counted_prompts(state_of(tmp_path / "again", whole)[0]),
        {"prompts": PROMPTS, "mode": "sampled"},
    )
    written = write_acceptance_tables(tmp_path / "swept", counts=counts, cost_ratio=0.25, **about)
    for path in written:
        if path.suffix == ".csv":
            assert path.read_bytes() == (tmp_path / "tables" / path.name).read_bytes()
    assert tables["acceptance"]["modelled_speed_up"].notna().all()
    written += write_intervals(tmp_path / "swept", counts=counts, **about)
    assert sorted(path.name for path in written) == sorted(swept_table_names(["category"]))
    rates = read_table(tmp_path / "swept/intervals.csv").query("quantity == 'acceptance_rate'")
    pooled = rates[rates["weight"] == "pooled"]
    assert list(pooled["value"]) == list(tables["acceptance"]["acceptance_rate"])


def replayed(*, tails: str) -> rust_agg.State:
    """The state of constant-3 over a text of four tokens, of whose proposals the second and third fail."""
    prompt = prompt_id("they")
    kept = {"token": 7, "proposal": 7, "fate": 1, "proposal_p": 0.75, "proposal_q": 0.5}
    failed = {"token": 7, "proposal": 8, "fate": 0, "proposal_p": 0.125, "proposal_q": 0.625}
    shared = {"prompt": prompt, "sample": 0, "p": 0.75, "q": 0.5, "overlap": 0.6, "entropy": 1.5}
    fates = [kept, failed, failed, kept]
    paths = pa.Table.from_pylist([shared | one | {"offset": n} for n, one in enumerate(fates)], schema=PATHS)
    p = math.nan if tails == "counts" else 0.25
    rows = [(prompt, 0, start, offset, 8, 0.5, p) for start, offset in ((1, 2), (1, 3), (2, 3))]
    columns = zip(*rows, strict=True)
    continued = pa.table([pa.array(c, f.type) for c, f in zip(columns, TAILS, strict=True)], schema=TAILS)
    return rust_agg.replay(
        paths,
        {"constant-3": rust_agg.Replay("constant", 3)},
        groups_of(PROMPTS),
        max_new_tokens=4,
        eos=[],
        tails=None if tails == "none" else continued,
        grids=grids(Bins()),
    )["constant-3"]


@pytest.mark.parametrize(("tails", "known"), [("none", "unknown"), ("counts", "counted"), ("full", "full")])
def test_tables_say_of_a_replay_what_its_tails_told(tmp_path: Path, tails: str, known: str) -> None:
    state = replayed(tails=tails)
    assert state.discarded == known
    setting = Setting(schedule="constant", num_assistant_tokens=3)
    made = over_settings(tmp_path / "all", SettingState(setting, state, "replay", PROMPTS))
    [row_] = made["settings"][made["settings"]["grouping"] == "overall"].to_dict("records")
    # The first round drafts three and keeps one, the second has one place left and fails there.
    assert (row_["n_accepted"], row_["n_rejected"], row_["n_rounds"]) == (1, 2, 3)
    unknown = known == "unknown"
    assert math.isnan(row_["draft_acceptance_rate"]) == math.isnan(row_["modelled_speed_up"]) == unknown
    assert ("discarded tokens not collected (tails: none)" in row_["note"]) == unknown
    assert unknown or (row_["n_drafted"], row_["n_discarded"]) == (4, 1)
    assert made["best_schedule"]["best_setting"].eq("").all() == unknown
    assert ("discarded" in set(made["histograms"]["verdict"])) == (known == "full")


def test_groups_of_one_term_are_noted_in_every_table_of_groups(tmp_path: Path) -> None:
    tables = cell(tmp_path, trace("AAR", prompt="they"))
    for name in ("acceptance", "acceptance_by_position", "surer_tokens", "histograms", "joint_histogram"):
        rows = tables[name][tables[name]["group"] == "female"]
        assert len(rows) > 0
        assert rows["note"].str.contains("one identity term").all(), name
    settings = over_settings(tmp_path / "all", counted(tmp_path, "AAR"))["settings"]
    assert "one identity term" in settings["note"][0]


def test_the_prompts_table_has_its_files(tmp_path: Path) -> None:
    written = write_prompts_tables(tmp_path, PROMPTS)
    assert [path.name for path in written] == prompts_table_names()
    assert read_table(tmp_path / "prompts.csv")["n_shared"].tolist() == [1, 1, 0]


def test_a_vocabulary_is_read_and_something_else_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"token": [7], "text": ["␣x"]}, schema=VOCABULARY), tmp_path / "v.parquet")
    assert read_vocabulary(tmp_path / "v.parquet") == {7: "␣x"}
    (tmp_path / "w.parquet").write_text("no")
    with pytest.raises(TableError, match="vocabulary"):
        read_vocabulary(tmp_path / "w.parquet")
