import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from specgap.errors import TableError
from specgap.figures.columns import KINDS
from specgap.figures.draw import Outcome, draw_many, draw_one
from specgap.figures.plan import Plan, figures_of_cell
from specgap.files import sha256
from tests.support.drawing import SPECS, cell, facts_of
from tests.support.synthetic_tables import HONEST_LIKE

pytestmark = pytest.mark.slow

GROUPS = {"one": (3, 4), "other one": (3, 4)}
CHOSEN = ("forest", "group_differences")


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return cell(tmp_path / "tables", GROUPS)


def plan(**captions: str) -> Plan:
    chosen = [
        SPECS[name].model_copy(update={"caption": captions[name]} if name in captions else {})
        for name in CHOSEN
    ]
    return figures_of_cell(chosen, list(GROUPS), "sampled")


def drawn(tmp_path: Path, tables: Path, what: Plan, **facts: object) -> Outcome:
    folder = tmp_path / "figures"
    return draw_many(
        what, folder, tables_folder=tables, facts=facts_of(tables, **facts), index=folder / "index.json"
    )


def test_a_second_call_keeps_every_figure(tmp_path, tables):
    first = drawn(tmp_path, tables, plan())
    assert set(first.drawn) == set(plan())
    assert drawn(tmp_path, tables, plan()) == Outcome((), first.drawn)


def test_a_changed_caption_redraws_its_figure_alone(tmp_path, tables):
    drawn(tmp_path, tables, plan())
    again = drawn(tmp_path, tables, plan(group_differences="How far apart?"))
    assert again.drawn == ("group_differences",)
    index = json.loads((tmp_path / "figures" / "index.json").read_text(encoding="utf-8"))
    assert {entry["id"]: entry for entry in index}["group_differences"]["caption"] == "How far apart?"


def test_a_changed_table_redraws_what_is_drawn_from_it(tmp_path, tables):
    drawn(tmp_path, tables, plan())
    path = tables / "group_differences.csv"
    path.write_text(
        path.read_text(encoding="utf-8").replace("not distinguishable", "different"), encoding="utf-8"
    )
    assert drawn(tmp_path, tables, plan()).drawn == ("group_differences",)


def test_changed_facts_redraw_everything_and_a_missing_file_its_figure(tmp_path, tables):
    drawn(tmp_path, tables, plan())
    assert set(drawn(tmp_path, tables, plan(), pilot=3).drawn) == set(plan())
    (tmp_path / "figures" / "forest.pdf").unlink()
    assert drawn(tmp_path, tables, plan(), pilot=3).drawn == ("forest",)


def test_kept_files_are_touched_so_that_they_are_newer_than_their_tables(tmp_path, tables):
    drawn(tmp_path, tables, plan())
    old = tmp_path / "figures" / "group_differences.png"
    os.utime(old, (1, 1))
    drawn(tmp_path, tables, plan())
    assert old.stat().st_mtime > 1


def test_a_figure_drawn_by_itself_is_kept_afterwards(tmp_path, tables):
    folder = tmp_path / "figures"
    spec, group = plan()["forest"]
    draw_one("forest", spec, group, folder, tables_folder=tables, facts=facts_of(tables))
    assert "forest" in drawn(tmp_path, tables, plan()).kept


def test_a_damaged_sidecar_only_costs_drawing_again(tmp_path, tables):
    drawn(tmp_path, tables, plan())
    (tmp_path / "figures" / ".fingerprints.json").write_text("{", encoding="utf-8")
    assert set(drawn(tmp_path, tables, plan()).drawn) == set(plan())


def test_the_index_has_caption_alt_text_and_files_of_every_figure(tmp_path, tables):
    drawn(tmp_path, tables, plan(), pilot=7)
    folder = tmp_path / "figures"
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    assert [entry["stem"] for entry in index] == list(plan())
    for entry in index:
        assert entry["caption"].endswith("Pilot of at most 7 prompts per group.")
        assert "{" not in entry["caption"] + entry["alt"] + entry["title"]
        assert (folder / entry["png"]).is_file()
        assert (folder / entry["pdf"]).is_file()


def test_a_missing_table_is_named(tmp_path, tables):
    (tables / "group_differences.csv").unlink()
    with pytest.raises(TableError, match=r"group_differences\.csv is not there"):
        drawn(tmp_path, tables, plan())


_DRAW_ALL = """
import sys
from pathlib import Path
from specgap.figures.columns import KINDS
from specgap.figures.draw import draw_many
from specgap.figures.plan import figures_of_cell, figures_of_pairs, figures_of_settings
from tests.support.drawing import SPECS, facts_of, pairs_facts

tables, folder = Path(sys.argv[1]), Path(sys.argv[2])
for setting, source in (("heuristic-5", tables), ("all", tables / "all")):
    plan = figures_of_settings if setting == "all" else lambda *of: figures_of_cell(of[0], ["female"], of[1])
    what = plan({spec.kind: spec for spec in SPECS.values()}.values(), "sampled")
    facts = facts_of(source, setting=setting)
    draw_many(what, folder, tables_folder=source, facts=facts, index=folder / "index.json")
what, source = figures_of_pairs(SPECS.values(), "sampled"), tables / "pairs"
draw_many(what, folder, tables_folder=source, facts=pairs_facts(source), index=folder / "index.json")
"""


@pytest.mark.landing
def test_two_processes_write_equal_bytes_whatever_the_users_own_style(tmp_path):
    tables = cell(tmp_path / "tables", HONEST_LIKE)
    (tmp_path / "matplotlibrc").write_text("font.size: 20\naxes.facecolor: black\n", encoding="utf-8")
    own_style = {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    running = []
    for name, more in (("a", {"PYTHONHASHSEED": "1"}), ("b", own_style)):
        command = [sys.executable, "-W", "error", "-c", _DRAW_ALL, str(tables), str(tmp_path / name)]
        running.append(subprocess.Popen(command, cwd=Path(__file__).parents[2], env={**os.environ, **more}))
    assert [process.wait() for process in running] == [0, 0]
    files = sorted(path.name for path in (tmp_path / "a").iterdir() if path.suffix in (".png", ".pdf"))
    assert len(files) == 2 * len(KINDS)
    assert [name for name in files if sha256(tmp_path / "a" / name) != sha256(tmp_path / "b" / name)] == []
