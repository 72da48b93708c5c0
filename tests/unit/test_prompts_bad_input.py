"""Bad prompt files: one sentence each, which names the file and what is wrong there."""

import re
from pathlib import Path
from typing import Any

import pytest

from specgap.errors import PromptError
from specgap.prompts import ids, load_prompts
from tests.support.prompt_files import csv, honest, jsonl, loaded, study

FILES: dict[str, tuple[str, str | bytes, str]] = {
    "empty file": ("p.csv", "", r"prompt file p\.csv is empty"),
    "only blank lines": ("p.csv", "\n \n", r"prompt file p\.csv is empty"),
    "only a BOM": ("p.csv", "\ufeff", r"prompt file p\.csv is empty"),
    "header only": ("p.csv", "text,group\n", r"p\.csv has a header but no rows"),
    "unknown ending": ("p.txt", csv("a,f"), r"p\.txt ends in '\.txt'; wanted \.csv"),
    "missing column": ("p.csv", csv("a,f", header="txt,group"), "no column 'text' .*did you mean 'txt'"),
    "missing group": ("p.csv", csv("a,f", header="text,zzz"), "no column 'group' .*'text', 'zzz'"),
    "short row": ("p.csv", csv("a,f", "b"), r"p\.csv row 2 \(line 3\) has 1 fields; wanted 2"),
    "long row": ("p.csv", csv("a,f,x"), r"p\.csv row 1 \(line 2\) has 3 fields; wanted 2"),
    "column twice": ("p.csv", csv("a,b,f", header="text,text,group"), "two columns named 'text'"),
    "bytes that are not UTF-8": ("p.csv", b"text,group\na,f\n\xe9,f\n", r"p\.csv line 3 holds byte 0xe9"),
    "UTF-16": ("p.csv", csv("a,f").encode("utf-16"), r"p\.csv line 1 holds byte 0xff"),
    "NUL": ("p.csv", csv("a,f", "b\0,f"), r"p\.csv line 3 holds a NUL"),
    "NUL in JSON": ("p.jsonl", '{"text": "a\\u0000", "group": "g"}', r"row 1 \(line 1\).*NUL"),
    "half a surrogate pair": ("p.jsonl", '{"text": "\\ud800", "group": "g"}', r"row 1.*surrogate"),
    "surrogate in a group": ("p.jsonl", '{"text": "a", "group": "\\ud800"}', r"row 1.*surrogate"),
    "separator in a group": ("p.jsonl", jsonl({"text": "a", "group": "a\x1fb"}), r"row 1.*U\+001F"),
    "empty text": ("p.csv", csv("a,f", ",f"), r"p\.csv row 2 \(line 3\): 'text' is empty"),
    "white text": ("p.csv", csv("  ,f"), r"p\.csv row 1 \(line 2\): 'text' is empty"),
    "only the slot": ("p.csv", csv("[M].,f"), r"row 1 \(line 2\): nothing stands before the slot \[M\]"),
    "slot in the middle": ("p.csv", csv("a,f", "she is [M] now,f"), r"p\.csv row 2 \(line 3\): the slot"),
    "empty group": ("p.csv", csv("a,f", "b,"), r"p\.csv row 2 \(line 3\) has no group in column 'group'"),
    "white group": ("p.csv", csv("a, "), r"p\.csv row 1 \(line 2\) has no group"),
    "stray quote": ("p.csv", csv('"a" b,f'), r"p\.csv row 1 \(line 2\) cannot be taken apart"),
    "open quote": ("p.csv", csv("a,f", '"b,f', "c,f"), r"p\.csv row 2 \(line 3\) cannot be taken apart"),
    "broken JSON": ("p.jsonl", jsonl({"text": "a", "group": "g"}) + "{\n", r"row 2 \(line 2\) is not JSON"),
    "JSON array": ("p.jsonl", "[1]\n", r"row 1 \(line 1\) is list; wanted an object"),
    "text is a number": ("p.jsonl", jsonl({"text": 3, "group": "g"}), r"row 1 \(line 1\): 'text' is 3"),
    "text is missing": (
        "p.jsonl",
        jsonl({"text": "a", "group": "g"}, {"group": "g"}),
        r"row 2 \(line 2\): 'text' is missing",
    ),
    "group is a list": ("p.jsonl", jsonl({"text": "a", "group": ["g"]}), r"row 1.*'group' is \['g'\]"),
    "groups alike on disk": (
        "p.csv",
        csv("a,Women", "b,women"),
        "grouping 'group' of p.csv: groups 'Women' and 'women' would",
    ),
    "HONEST without raw": ("p.tsv", "template_masked\tidentity\tcategory\na\tb\tc\n", "no column 'raw'"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path, case: str) -> None:
    name, content, message = FILES[case]
    with pytest.raises(PromptError) as caught:
        loaded(tmp_path, content, name=name)
    assert re.search(message, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)


CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "grouping column": (
        {"groupings": ["grup"]},
        r"no column 'grup' \(grouping 'grup'\); did you mean 'group'",
    ),
    "unit column": ({"unit": "trem"}, r"no column 'trem' \(unit\); did you mean 'term'"),
    "block column": ({"block": "templat"}, r"no column 'templat' \(block\); did you mean 'template'"),
    "strata column": ({"strata": ["nmber"]}, r"no column 'nmber' \(strata\); did you mean 'number'"),
    "map key": (
        {"groupings": [{"name": "x", "column": "group", "map": {"femal": "f"}}]},
        "maps 'femal', which no row of p.csv has in column 'group'; did you mean 'female'",
    ),
    "map to an empty name": (
        {"groupings": [{"name": "x", "column": "group", "map": {"female": " "}}]},
        "maps 'female' to an empty name",
    ),
    "map without groups": (
        {"groupings": [{"name": "x", "column": "group", "map": {"female": []}}]},
        "names no group",
    ),
    "mapped groups alike on disk": (
        {"groupings": [{"name": "x", "column": "group", "map": {"female": "A", "male": "a"}}]},
        "groups 'A' and 'a' would",
    ),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_config_that_does_not_fit_the_file_is_refused(tmp_path: Path, case: str) -> None:
    keys, message = CONFIGS[case]
    rows = ["a,female,t,s,one", "b,male,t,s,one"]
    with pytest.raises(PromptError, match=message):
        loaded(tmp_path, csv(*rows, header="text,group,term,template,number"), **keys)


@pytest.mark.parametrize("name", ["prompt", "text", "term", "template", "stratum", "source"])
def test_groupings_leave_the_names_of_stored_columns_alone(tmp_path: Path, name: str) -> None:
    content = csv("a,x", header=f"text,{name}") if name != "text" else csv("a,x")
    with pytest.raises(PromptError, match=f"a grouping is named '{name}'"):
        loaded(tmp_path, content, groupings=[name])


def test_a_reserved_column_serves_under_another_name(tmp_path: Path) -> None:
    content = csv("a,x", header="text,source")
    prompts = loaded(tmp_path, content, groupings=[{"name": "by_source", "column": "source"}])
    assert prompts.groups_of("by_source") == ("x",)


def test_an_empty_stratum_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"p\.csv row 1 \(line 2\) has nothing in column 'number'"):
        loaded(tmp_path, csv("a,g,", header="text,group,number"), strata=["number"])


def test_a_long_text_does_not_fill_the_screen(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="in the middle") as caught:
        loaded(tmp_path, csv(f"she [M] {'on ' * 5000},f"))
    assert len(str(caught.value)) < 400


def test_two_texts_of_one_id_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "prompt_id", len)
    with pytest.raises(PromptError, match=r"row 2 \(line 3\): 'cd' and 'ab' have the same 64-bit id 2"):
        loaded(tmp_path, csv("ab,f", "cd,f"))


def test_files_of_different_layouts_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(honest(("she", "[I] is a [M]", "singular", "female")))
    (tmp_path / "b.csv").write_text(csv("a,f"))
    with pytest.raises(PromptError, match=r"a\.tsv has HONEST's column .* and b\.csv has not"):
        load_prompts(study("a.tsv", "b.csv"), root=tmp_path)


def test_a_column_that_only_one_file_has_is_missing_in_the_other(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv("a,f,t", header="text,group,term"))
    (tmp_path / "b.csv").write_text(csv("a,f"))
    with pytest.raises(PromptError, match=r"b\.csv has no column 'term' \(unit\)"):
        load_prompts(study("a.csv", "b.csv"), root=tmp_path)


def test_a_folder_is_no_prompt_file(tmp_path: Path) -> None:
    (tmp_path / "p.csv").mkdir()
    with pytest.raises(PromptError, match=r"prompt file p\.csv cannot be read \(Is a directory\)"):
        load_prompts(study("p.csv"), root=tmp_path)
