"""Prompts that name no identity terms: every table of groups says what that leaves out."""

from pathlib import Path

import pandas as pd
import pytest

from specgap.aggregate import aggregate
from specgap.blocks import Statistics
from specgap.config import Bins
from specgap.settings import Pair, Setting
from specgap.tables.csv import read_table
from specgap.tables.from_state import cell_counts, prompt_counts
from specgap.tables.membership import PROMPTS_AS_UNITS
from specgap.tables.names import (
    PAIRS_TABLES,
    SETTINGS_TABLES,
    cell_table_names,
    inference_table_names,
    surer_table_names,
)
from specgap.tables.pairs import Counted
from specgap.tables.write import write_prompts_tables
from specgap.tables.write_cell import write_cell_tables, write_surer_tables
from specgap.tables.write_inference import Compared, write_inference_tables
from specgap.tables.write_pairs import write_pairs_tables
from specgap.tables.write_settings import SettingState, write_settings_tables
from tests.support.records import prompt_set, row, trace, write_shards

PROMPTS = prompt_set(*(row(f"{group} {n}", group, term=None) for group in "abc" for n in range(4)))
#: What a prompt's rounds come to, in turn.
_TEXTS = ("AAR", "AR", "AAAAR", "RRA")
#: Bins of min(1, p/q): of all judged tokens, whatever the group and unit.
KNOWS_NO_UNITS = {"calibration"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """Every table of a cell, over settings and over pairs, by file name."""
    folder = tmp_path_factory.mktemp("study")
    whole = trace("", prompt="a 0")
    for at, text in enumerate(PROMPTS.texts.values()):
        whole += trace(_TEXTS[(at + at // 4) % len(_TEXTS)], prompt=text)
    traces, rounds = write_shards(folder, [whole])
    state = aggregate(traces, rounds, PROMPTS, Bins(), 2.0, threads=1)
    counts, mode = cell_counts(state), "sampled"
    written = write_prompts_tables(folder / "study", PROMPTS)
    written += write_cell_tables(
        folder / "cell", counts=counts, prompts=PROMPTS, mode=mode, ratio=2.0, cost_ratio=0.2
    )
    written += write_surer_tables(
        folder / "cell", state=state, prompts=PROMPTS, vocabulary={7: "seven", 9: "nine"}, trace_files=traces,
        round_files=rounds, mode=mode, ratio=2.0, prior=500.0, seed=1,
    )  # fmt: skip
    study = Compared(PROMPTS, Statistics(permutations=199), 1, {})
    written += write_inference_tables(folder / "cell", counts=counts, study=study, mode=mode)
    setting = SettingState(Setting(schedule="constant", num_assistant_tokens=3), state, "replay", PROMPTS)
    written += write_settings_tables(
        folder / "all", cells=[setting], prompts=PROMPTS, drawn=["constant-3"], mode=mode, cost_ratio=0.2
    )
    pairs = [
        Counted(name, Pair(target="target", draft=name), prompt_counts(state)) for name in ("one", "two")
    ]
    written += write_pairs_tables(folder / "pairs", pairs=pairs, prompts=PROMPTS, mode=mode)
    return {f"{p.parent.name}/{p.stem}": read_table(p) for p in written if p.suffix == ".csv"}


def test_every_row_of_every_table_warns(tables: dict[str, pd.DataFrame]) -> None:
    names = {name.split("/")[1].split("--")[0] for name in tables}
    files = [
        *cell_table_names(["category"]),
        *inference_table_names(["category"]),
        *surer_table_names(["category"]),
    ]
    of_cell = {Path(file).stem.split("--")[0] for file in files}
    assert {"prompts", *SETTINGS_TABLES, *PAIRS_TABLES, *of_cell} == names
    for name, table in tables.items():
        if name.split("/")[1] not in KNOWS_NO_UNITS:
            assert len(table), name
            assert table["note"].str.contains(PROMPTS_AS_UNITS, regex=False).all(), name


def test_the_test_of_all_pairs_takes_prompts_as_units_and_its_sentence_says_so(
    tables: dict[str, pd.DataFrame],
) -> None:
    [found] = tables["cell/gap_test"].to_dict("records")
    assert (found["unit"], found["n_units"]) == ("prompt", 12)
    assert "the prompts name no terms" in found["claim"]
