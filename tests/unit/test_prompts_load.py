"""Loading prompts: layouts, slot, groups, notices."""

import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import specgap.prompts
from specgap.errors import PromptError
from specgap.prompts import load_prompts, prompt_id
from tests.support.prompt_files import csv, honest, jsonl, loaded, study


def test_only_text_and_group_are_needed(tmp_path: Path) -> None:
    prompts = loaded(tmp_path, csv("she was,female", "he was,male"))
    assert [row.text for row in prompts.rows] == ["she was", "he was"]
    assert prompts.members("group") == {
        "female": {prompt_id("she was"): None},
        "male": {prompt_id("he was"): None},
    }
    assert (prompts.unit, prompts.block, prompts.pilot, prompts.notices) == (None, None, None, ())


@pytest.mark.parametrize("name", ["p.csv", "p.tsv", "p.jsonl"])
def test_every_format_gives_the_same_prompts(tmp_path: Path, name: str) -> None:
    contents = {
        "p.csv": csv("she was,female,she", header="text,group,term"),
        "p.tsv": "text\tgroup\tterm\nshe was\tfemale\tshe\n",
        "p.jsonl": jsonl({"text": "she was", "group": "female", "term": "she"}),
    }
    (row,) = loaded(tmp_path, contents[name], name=name).rows
    assert (row.text, row.groups, row.term) == ("she was", {"group": ("female",)}, "she")


def test_source_is_file_and_line(tmp_path: Path) -> None:
    prompts = loaded(tmp_path, csv('"two\nlines",a', "one,a"))
    assert [row.source for row in prompts.rows] == ["p.csv:2", "p.csv:4"]


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    (row,) = loaded(tmp_path, "group,extra,text\nfemale,x,she was\n").rows
    assert (row.text, row.groups) == ("she was", {"group": ("female",)})


def test_honest_layout_names_its_own_columns(tmp_path: Path) -> None:
    content = honest(("the woman", "[I] found work as a [M]", "singular", "female"))
    prompts = loaded(tmp_path, content, name="p.tsv", strata=["number", "type"])
    (row,) = prompts.rows
    assert (prompts.groupings, prompts.unit, prompts.block) == (("category",), "identity", "raw")
    assert (row.text, row.term) == ("the woman found work as a", "the woman")
    assert (row.template, row.stratum) == ("[I] found work as a [M]", "singular / occupation")


def test_two_honest_files_may_order_their_columns_differently(tmp_path: Path) -> None:
    header, row = honest(("she", "[I] is a [M]", "singular", "female")).splitlines()
    order = [0, 1, 2, 4, 3, 5]
    swapped = ["\t".join(line.split("\t")[i] for i in order) for line in (header, row.replace("she", "xe"))]
    (tmp_path / "a.tsv").write_text(f"{header}\n{row}\n")
    (tmp_path / "b.tsv").write_text("\n".join(swapped) + "\n")
    prompts = load_prompts(study("a.tsv", "b.tsv", groupings=["category", "number"]), root=tmp_path)
    assert {row.groups["number"] for row in prompts.rows} == {("singular",)}
    assert prompts.groups_of("category") == ("female",)


def test_unit_and_block_can_be_switched_off(tmp_path: Path) -> None:
    content = csv("a,g,t1,s1", header="text,group,term,template")
    (row,) = loaded(tmp_path, content, unit=None, block=None).rows
    assert (row.term, row.template) == (None, None)


def test_a_generic_file_may_name_its_own_columns(tmp_path: Path) -> None:
    content = csv("she was,f,y", header="sentence,gender,old")
    keys = {"prompts": {"text": "sentence"}, "groupings": ["gender", "old"], "unit": "gender"}
    (row,) = loaded(tmp_path, content, **keys).rows
    assert (row.groups, row.term) == ({"gender": ("f",), "old": ("y",)}, "f")


@pytest.mark.parametrize(
    "text",
    ["the woman should work as a [M].", "the woman should work as a [M]", "the woman should work as a  [M]!"],
)
def test_a_slot_at_the_end_is_cut_with_what_trails_it(tmp_path: Path, text: str) -> None:
    (row,) = loaded(tmp_path, csv(f"{text},female")).rows
    assert row.text == "the woman should work as a"


def test_a_slot_in_the_middle_is_cut_when_the_config_says_so(tmp_path: Path) -> None:
    (row,) = loaded(tmp_path, csv("she is [M] now,f"), prompts={"truncate_at_slot": True}).rows
    assert row.text == "she is"


def test_another_slot_can_be_named(tmp_path: Path) -> None:
    (row,) = loaded(tmp_path, csv("she is ___,f"), prompts={"slot": "___"}).rows
    assert row.text == "she is"


def test_a_text_without_slot_stays_as_it_is(tmp_path: Path) -> None:
    prompts = loaded(tmp_path, csv('"she is: ",f'))
    assert prompts.rows[0].text == "she is: "
    assert prompts.notices == ("the text of 1 row ends in white space, which is kept",)


def test_a_repeated_text_counts_once_and_stays_in_the_rows(tmp_path: Path) -> None:
    prompts = loaded(tmp_path, csv("a,f,first", "a,f,second", "b,f,third", header="text,group,term"))
    assert len(prompts.rows) == 3
    assert prompts.members("group") == {"f": {prompt_id("a"): "first", prompt_id("b"): "third"}}
    assert prompts.notices == ("1 row of f repeats a text of that group: each text counts once",)


def test_a_text_in_two_groups_is_traced_once_and_counted_in_both(tmp_path: Path) -> None:
    prompts = loaded(tmp_path, csv("a,female", "a,male", "b,male"))
    assert prompts.distinct == (prompt_id("a"), prompt_id("b"))
    assert [len(members) for members in prompts.members("group").values()] == [1, 2]
    assert prompts.notices == ("1 text stands in both female and male: taken once, counted in both",)


def test_texts_shared_by_many_groups_make_one_line(tmp_path: Path) -> None:
    prompts = loaded(tmp_path, csv("a,x", "a,y", "a,z", "b,x", "b,y", "c,y", "c,x"))
    assert prompts.notices == (
        "2 texts stand in both x and y, 1 text stands in all of x, y and z: taken once, counted in each",
    )


def test_a_map_puts_a_value_into_several_groups_or_none(tmp_path: Path) -> None:
    content = csv("a,trans woman", "b,woman", "c,robot")
    grouping = {
        "name": "family",
        "column": "group",
        "map": {"trans woman": ["queer", "female"], "woman": "female"},
    }
    prompts = loaded(tmp_path, content, groupings=[grouping, "group"])
    assert [row.groups["family"] for row in prompts.rows] == [("queer", "female"), ("female",), ()]
    assert prompts.groups_of("family") == ("queer", "female")
    assert prompts.notices[-1] == "1 row stands in no group of 'family'"


def test_numbers_and_truth_values_of_json_may_be_groups(tmp_path: Path) -> None:
    content = jsonl({"text": "a", "group": 3}, {"text": "b", "group": True}, {"text": "c", "group": "x"})
    assert loaded(tmp_path, content, name="p.jsonl").groups_of("group") == ("3", "true", "x")


def test_rows_without_a_term_are_told(tmp_path: Path) -> None:
    content = jsonl({"text": "a", "group": "g", "term": "t"}, {"text": "b", "group": "g"})
    prompts = loaded(tmp_path, content, name="p.jsonl")
    assert [row.term for row in prompts.rows] == ["t", None]
    assert prompts.notices == ("1 row has no term in column 'term': each text is its own unit",)


@pytest.mark.parametrize("group", ["a b", "a/b", '"', "..", "👩", "two\nlines", "Ünı"])
def test_odd_group_names_are_kept_as_they_are(tmp_path: Path, group: str) -> None:
    content = jsonl({"text": "a", "group": group}, {"text": "b", "group": "plain"})
    assert loaded(tmp_path, content, name="p.jsonl").groups_of("group") == (group, "plain")


def test_notices_stay_on_one_line(tmp_path: Path) -> None:
    content = jsonl({"text": "a", "group": "two\nlines"}, {"text": "a", "group": "b"})
    (notice,) = loaded(tmp_path, content, name="p.jsonl").notices
    assert "\n" not in notice


@pytest.mark.parametrize("name", ["p.csv", "p.jsonl"])
@pytest.mark.parametrize("change", ["bom", "crlf", "blank lines"])
def test_habits_of_other_editors_are_accepted(tmp_path: Path, name: str, change: str) -> None:
    plain = (
        csv("she was,f", "he was,m")
        if name == "p.csv"
        else jsonl({"text": "she was", "group": "f"}, {"text": "he was", "group": "m"})
    )
    changed = {"bom": "\ufeff" + plain, "crlf": plain.replace("\n", "\r\n"), "blank lines": plain + "\n\n"}
    expected = loaded(tmp_path, plain, name=name)
    assert loaded(tmp_path, changed[change], name=name) == expected


def test_a_quoted_field_may_hold_commas_newlines_and_quotes(tmp_path: Path) -> None:
    (row,) = loaded(tmp_path, csv('"""Well,"" she said,\nand was",f')).rows
    assert row.text == '"Well," she said,\nand was'


def test_other_line_separators_do_not_cut_json_lines(tmp_path: Path) -> None:
    content = '{"text": "a\u2028b", "group": "g"}\n'
    assert loaded(tmp_path, content, name="p.jsonl").rows[0].text == "a\u2028b"


def test_a_format_can_be_named_for_a_file_of_any_ending(tmp_path: Path) -> None:
    assert loaded(tmp_path, csv("a,f"), name="p.txt", prompts={"format": "csv"}).rows[0].text == "a"


@pytest.mark.slow
def test_a_large_file_is_read_and_limited(tmp_path: Path) -> None:
    rows = [f"text number {i},g{i % 10},t{i % 997},s{i // 5000}" for i in range(100_000)]
    prompts = loaded(tmp_path, csv(*rows, header="text,group,term,template"), limit=100)
    assert len(prompts.rows) == 1000


def test_importing_the_prompts_stays_light() -> None:
    code = (
        "import sys, specgap.prompts, specgap.config, specgap.layout; "
        "print([m for m in ('pandas', 'pyarrow', 'torch', 'datasets', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_examples_in_the_docstrings_hold() -> None:
    attempted = 0
    for module in pkgutil.iter_modules(specgap.prompts.__path__, "specgap.prompts."):
        results = doctest.testmod(importlib.import_module(module.name))
        assert results.failed == 0
        attempted += results.attempted
    assert attempted >= 2


def test_a_missing_file_is_named() -> None:
    with pytest.raises(PromptError, match=r"prompt file nowhere\.csv cannot be read"):
        load_prompts(study("nowhere.csv"))
