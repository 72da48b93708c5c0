import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from specgap.config import load, parse
from specgap.errors import ConfigError, TableError
from specgap.figures.columns import COLUMNS, KINDS, PAIRS_COLUMNS, SETTINGS_COLUMNS
from specgap.figures.plan import (
    code_files,
    figures_of,
    figures_of_cell,
    figures_of_settings,
    index_name,
    named,
)
from specgap.figures.registry import function_of
from specgap.figures.spec import PLACEHOLDERS, load_specs, specs_from_json
from specgap.layout import ALL_PAIRS, ALL_SETTINGS, Cell
from specgap.names import file_name
from specgap.tables import (
    acceptance,
    best,
    calibration,
    cross_check,
    differences,
    distances,
    distinctive,
    gap_test,
    histograms,
    intervals,
    orders,
    pairs,
    positions,
    schedule_state,
    settings,
    speed,
    surer,
    terms,
    variance,
)
from specgap.tables.names import PAIRS_TABLES, SETTINGS_TABLES
from tests.support.drawing import FIGURES_YAML, SPECS, cell, facts_of, figure

ENTRY = {
    "id": "one",
    "kind": "calibration",
    "title": "One",
    "table": "calibration",
    "columns": ["low"],
    "caption": "Is it right? {mode}",
    "alt": "Points.",
}
STUDIED = [
    {"schedule": "constant", "num_assistant_tokens": [1, 2, 5]},
    {"schedule": "heuristic", "num_assistant_tokens": 5},
    {"schedule": "heuristic", "num_assistant_tokens": 5, "collector": "assisted", "limit": 2},
]
OF_EVERY_SETTING = {"probabilities_accepted", "probabilities_rejected", "probabilities_both"}
NAMED_BY_THE_STUDY = {
    *("probabilities_accepted", "probabilities_rejected", "probabilities_both", "likelihood_difference"),
    *("largest_difference", "forest", "group_differences", "largest_gap", "surer_draft", "term_dots"),
    *("distinctive_tokens", "distributions", "position", "variance", "power", "probabilities_by_group"),
    *("joint_probabilities", "probabilities_by_setting", "calibration", "schedule_sweep"),
    *("best_schedule", "schedule_state", "order_effect", "cross_check", "measured_speed_up"),
    "pairs_overview",
}


def written(tmp_path: Path, *entries: dict[str, object]) -> Path:
    path = tmp_path / "figures.yaml"
    path.write_text(yaml.safe_dump(list(entries)), encoding="utf-8")
    return path


def test_every_figure_of_the_study_is_declared():
    assert set(SPECS) >= NAMED_BY_THE_STUDY


def test_every_caption_begins_with_a_question_and_every_figure_has_an_alt_text():
    for spec in SPECS.values():
        assert "?" in spec.caption.split(". ")[0], spec.id
        assert len(spec.alt) > 40, spec.id


@pytest.mark.parametrize("kind", KINDS)
def test_every_listed_kind_is_registered_by_its_module_and_used(kind):
    assert function_of(kind).__module__ == f"specgap.figures.{KINDS[kind]}"
    assert kind in {spec.kind for spec in SPECS.values()}


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("acceptance", acceptance.COLUMNS),
        ("acceptance_by_position", positions.COLUMNS),
        ("group_differences", differences.COLUMNS),
        ("surer_tokens", surer.COLUMNS),
        ("intervals", intervals.COLUMNS),
        ("gap_test", gap_test.COLUMNS),
        ("gap_null", gap_test.NULL_COLUMNS),
        ("power", gap_test.POWER_COLUMNS),
        ("terms", terms.COLUMNS),
        ("variance", variance.COLUMNS),
        ("distributions", distances.DISTRIBUTION_COLUMNS),
        ("distinctive_tokens", distinctive.COLUMNS),
        ("histograms", histograms.COLUMNS),
        ("joint_histogram", histograms.JOINT_COLUMNS),
        ("calibration", calibration.COLUMNS),
    ],
)
def test_declared_columns_are_those_that_the_tables_are_written_with(table, columns):
    assert COLUMNS[table] <= set(columns)


def test_every_table_that_a_figure_reads_has_its_columns_held_against_those_that_are_written():
    [mark] = test_declared_columns_are_those_that_the_tables_are_written_with.pytestmark
    assert COLUMNS.keys() == {table for table, _ in mark.args[1]}


def test_declared_columns_over_settings_are_those_that_are_written():
    written = {
        "settings": settings.COLUMNS,
        "histograms": settings.HISTOGRAM_COLUMNS,
        "best_schedule": best.COLUMNS,
        "schedule_state": schedule_state.COLUMNS,
        "order_effect": orders.COLUMNS,
        "cross_check": cross_check.COLUMNS,
        "measured_speed_up": speed.COLUMNS,
    }
    assert SETTINGS_COLUMNS.keys() == written.keys()
    for table, columns in SETTINGS_COLUMNS.items():
        assert columns <= set(written[table]), table


def test_declared_columns_over_pairs_are_those_that_are_written():
    assert PAIRS_COLUMNS["pairs_overview"] <= set(pairs.COLUMNS)
    assert PAIRS_COLUMNS["pair_differences"] <= set(pairs.DIFFERENCE_COLUMNS)
    assert PAIRS_COLUMNS.keys() == set(PAIRS_TABLES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "radar"}, "no figure of kind 'radar'"),
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"columns": ["hight"]}, "no column 'hight'"),
        ({"table": "forest"}, "no table 'forest'"),
        ({"alt": ""}, "alt is ''"),
        ({"caption": "Why {reason}?"}, "placeholder {reason}"),
        ({"caption": "Why {mode!r}?"}, "placeholder {mode}"),
        ({"caption": "Why {group}?"}, "placeholder {group}"),
        ({"id": "../one"}, "a figure is named '../one'"),
        ({"scope": "page"}, "scope is 'page'"),
        ({"timing": "yes"}, "timing is 'yes'"),
        (
            {"every_setting": True, "scope": "settings", "table": "settings", "columns": ["setting"]},
            "every_setting with scope settings",
        ),
    ],
)
def test_a_wrong_entry_is_refused_in_one_sentence_that_names_file_and_figure(tmp_path, change, said):
    path = written(tmp_path, {**ENTRY, **change})
    with pytest.raises(ConfigError) as caught:
        load_specs(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert repr({**ENTRY, **change}["id"]) in str(caught.value)


def test_an_entry_without_an_alt_text_and_one_given_twice_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="alt is missing"):
        load_specs(written(tmp_path, {key: ENTRY[key] for key in ENTRY if key != "alt"}))
    with pytest.raises(ConfigError, match="two figures with id 'one'"):
        load_specs(written(tmp_path, ENTRY, ENTRY))


@pytest.mark.parametrize("text", ["", "- [", "id: one", "- 3"])
def test_a_file_that_is_no_list_of_figures_is_refused(tmp_path, text):
    path = tmp_path / "figures.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"figures\.yaml"):
        load_specs(path)


def test_entries_survive_the_way_through_a_parameter():
    text = "[" + ",".join(spec.model_dump_json() for spec in SPECS.values()) + "]"
    assert specs_from_json(text) == load_specs(FIGURES_YAML)


def drawn(study, setting, decoding="sampled", **options):
    """Return the file names of the figures of one setting, of a study with ten groups."""
    groups = [f"g{number}" for number in range(10)]
    return set(figures_of(SPECS.values(), study, Cell("demo", decoding, setting), groups, **options))


def test_the_original_study_draws_its_nineteen_figures():
    study = load(FIGURES_YAML.parent / "examples/original.yaml")
    names = ("heuristic-5", "constant-5", "constant-20")
    assert [setting.name for setting in study.figure_settings_of("sampled")] == list(names)
    main, *others = (drawn(study, name) for name in names)
    original = OF_EVERY_SETTING | {f"likelihood_difference_g{number}" for number in range(10)}
    assert len(original) + 2 * len(OF_EVERY_SETTING) == 19
    assert original < main
    assert others == [OF_EVERY_SETTING, OF_EVERY_SETTING]


def test_every_setting_has_the_whole_set_where_the_config_says_so():
    few, all_of_them = (
        parse(
            {"settings": STUDIED, "figures": {"settings": ["heuristic-5", "constant-2"], **more}}, source="t"
        )
        for more in ({}, {"whole_set": "all"})
    )
    assert drawn(few, "constant-2") == OF_EVERY_SETTING
    cell = Cell("demo", "sampled", "constant-2")
    assert index_name(few, cell) != index_name(all_of_them, cell)  # else no run would see what changed
    assert drawn(all_of_them, "constant-2") == drawn(few, "heuristic-5") > OF_EVERY_SETTING


def test_the_main_setting_of_a_decoding_is_the_first_that_it_has():
    greedy = {"mode": "greedy", "settings": ["constant-2", "constant-5"]}
    study = parse(
        {
            "settings": STUDIED,
            "decodings": {"sampled": {}, "greedy": greedy},
            "figures": {"settings": ["heuristic-5", "constant-2", "constant-5"]},
        },
        source="test",
    )
    assert drawn(study, "constant-2") == OF_EVERY_SETTING
    assert "forest" in drawn(study, "constant-2", "greedy")
    assert drawn(study, "constant-5", "greedy") == OF_EVERY_SETTING


def test_any_figure_of_any_setting_may_be_asked_for_by_name():
    study = parse({"settings": STUDIED, "figures": {"settings": ["heuristic-5", "constant-2"]}}, source="t")
    assert drawn(study, "constant-2", by_name=True) == drawn(study, "heuristic-5")


def test_calibration_is_not_drawn_under_greedy_decoding():
    sampled, greedy = (figures_of_cell(SPECS.values(), ["a"], mode) for mode in ("sampled", "greedy"))
    assert set(sampled) - set(greedy) == {"calibration"}
    assert set(figures_of_settings(SPECS.values(), "greedy")) == {
        spec.id for spec in SPECS.values() if spec.scope == "settings"
    }


def test_figures_over_settings_are_those_whose_tables_the_study_has():
    by_tables = figures_of_settings(SPECS.values(), "sampled", SETTINGS_TABLES)
    assert set(by_tables) == {"probabilities_by_setting", "schedule_sweep", "best_schedule"}
    study = parse({"settings": STUDIED}, source="test")
    cell = Cell("demo", "sampled", ALL_SETTINGS)
    more = figures_of(SPECS.values(), study, cell, ["a"])
    assert set(more) - set(by_tables) == {"schedule_state", "order_effect", "cross_check"}


def test_figures_over_pairs_are_drawn_where_there_are_two_at_the_main_setting():
    pair = {"target": "./big", "draft": "./small"}
    two = parse({"pairs": {"a": pair, "b": pair}, "settings": STUDIED}, source="test")
    main = Cell(ALL_PAIRS, "sampled", two.figure_settings_of("sampled")[0].name)
    assert set(figures_of(SPECS.values(), two, main, ["a"])) == {"pairs_overview"}
    assert figures_of(SPECS.values(), two, replace(main, setting="constant-2"), ["a"]) == {}
    assert "pairs_overview" not in figures_of(SPECS.values(), two, replace(main, pair="a"), ["a"])
    one = parse({"pairs": {"a": pair}, "settings": STUDIED}, source="test")
    nothing = figures_of(SPECS.values(), one, main, ["a"])
    with pytest.raises(ConfigError, match="this study has none there"):
        named(nothing, "pairs_overview")


def test_figures_of_measured_times_are_drawn_only_when_they_are_asked_for():
    study = parse({"settings": STUDIED}, source="test")
    cell = Cell("demo", "sampled", ALL_SETTINGS)
    plans = [figures_of(SPECS.values(), study, cell, ["a"], by_name=by_name) for by_name in (False, True)]
    assert set(plans[1]) - set(plans[0]) == {"measured_speed_up"}


def test_figures_of_groups_with_hostile_names_have_safe_file_names():
    groups = ["../..", "a/b", "a b", "two\nlines"]
    stems = set(figures_of_cell(SPECS.values(), groups, "sampled"))
    for group in groups:
        assert f"likelihood_difference_{file_name(group)}" in stems
    assert not any("/" in stem or "\n" in stem for stem in stems)


def test_reading_the_figure_file_loads_neither_matplotlib_nor_pandas():
    code = (
        "import sys; from pathlib import Path; from specgap.figures import plan, spec; "
        f"spec.load_specs(Path({str(FIGURES_YAML)!r})); "
        "assert not {'matplotlib', 'pandas', 'numpy', 'pyarrow', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_files_of_a_kind_are_there_and_hold_its_module(kind):
    files = code_files(kind)
    assert all(file.is_file() for file in files)
    assert f"{KINDS[kind]}.py" in {file.name for file in files}
    # What it imports of these decides the picture too.
    (own,) = [file for file in files if file.parts[-2:] == ("figures", f"{KINDS[kind]}.py")]
    pattern = r"^from specgap\.(tables|figures|stats)(?: import |\.)(\w+)"
    imported = re.findall(pattern, own.read_text(), flags=re.MULTILINE)
    assert {(folder, f"{name}.py") for folder, name in imported} <= {file.parts[-2:] for file in files}


def test_placeholders_are_all_filled_in(tmp_path):
    tables = cell(tmp_path, {"only": (3, 3)})
    from specgap.figures.facts import fill

    text = " ".join(f"{{{name}}}" for name in sorted(PLACEHOLDERS))
    assert "{" not in fill(text, facts_of(tables), "only")


def test_a_table_that_lacks_a_column_is_refused_by_name(tmp_path):
    tables = cell(tmp_path, {"only": (3, 3)})
    path = tables / "calibration.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("band_low", "lower"), encoding="utf-8")
    with pytest.raises(TableError, match=r"calibration\.csv has no column 'band_low'"):
        figure("calibration", tables)
