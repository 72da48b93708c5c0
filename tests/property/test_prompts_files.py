"""Whatever stands in a prompt file comes back: from each format, and from the stored table."""

import csv
import hashlib
import io
import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from specgap.prompts import load_prompts, prompt_id, read_prompts, write_prompts
from specgap.prompts.slots import prompt_text
from tests.support.prompt_files import loaded, study

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0\x1f")
texts = st.text(characters, min_size=1, max_size=30).filter(
    lambda text: not text.isspace() and "[M]" not in text
)
groups = st.sampled_from(["female", "a b", 'quo"te', "com,ma", "tab\tbed", "two\nlines", "é"])
terms = st.sampled_from(["the woman", "she", ""])
rows = st.lists(st.tuples(texts, groups, terms), min_size=1, max_size=12)


def as_csv(rows: list[tuple[str, str, str]], delimiter: str) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "group", "term"), *rows])
    return file.getvalue()


def as_jsonl(rows: list[tuple[str, str, str]]) -> str:
    dicts = [dict(zip(("text", "group", "term"), row, strict=True)) for row in rows]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in dicts)


@given(rows)
def test_csv_tsv_and_json_lines_give_back_what_was_written(rows: list[tuple[str, str, str]]) -> None:
    contents = {"p.csv": as_csv(rows, ","), "p.tsv": as_csv(rows, "\t"), "p.jsonl": as_jsonl(rows)}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in contents.items():
            prompts = loaded(Path(folder), content, name=name)
            found = [(row.text, row.groups["group"][0], row.term or "") for row in prompts.rows]
            assert found == rows
            assert [row.prompt for row in prompts.rows] == [prompt_id(text) for text, _, _ in rows]


@given(rows, st.none() | st.integers(1, 5))
def test_the_stored_table_gives_back_the_prompts(rows: list[tuple[str, str, str]], limit: int | None) -> None:
    family = {"name": "family", "column": "group", "map": {rows[0][1]: ["x", "y"]}}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "p.jsonl").write_text(as_jsonl(rows), encoding="utf-8", newline="")
        config = study("p.jsonl", groupings=["group", family], strata=["group"], limit=limit)
        prompts = load_prompts(config, root=path)
        write_prompts(path / "prompts.parquet", prompts)
        assert read_prompts(path / "prompts.parquet") == prompts


@given(rows)
def test_members_are_a_plain_recount_of_the_rows(rows: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        prompts = loaded(Path(folder), as_jsonl(rows), name="p.jsonl")
    assert list(prompts.texts.values()) == list(dict.fromkeys(text for text, _, _ in rows))
    for group, members in prompts.members("group").items():
        first = {}
        for text, its_group, term in reversed(rows):
            if its_group == group:
                first[prompt_id(text)] = term or None
        assert members == first


@given(st.text(max_size=20), st.text(st.sampled_from(" .,;!?…\n"), max_size=5))
def test_a_cut_prompt_has_no_slot_and_no_space_at_its_end(before: str, after: str) -> None:
    before = "x" + before.replace("[M]", "").encode("utf-8", "ignore").decode().replace("\0", "")
    text = prompt_text(f"{before} [M]{after}", slot="[M]", truncate_at_slot=False, column="text", place="p:1")
    assert text == before.partition("[M]")[0].rstrip()


@given(texts)
def test_an_id_is_the_64_bit_blake2b_of_the_text_read_little_endian(text: str) -> None:
    digest = hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest()
    assert prompt_id(text) == sum(byte << (8 * place) for place, byte in enumerate(digest))


def test_ids_stay_what_they_were() -> None:
    # From `printf 'she was' | b2sum -l 64`, bytes reversed: stored traces rest on these numbers.
    assert prompt_id("she was") == 0xAF52AE468F00D4B0
    assert prompt_id("é") == 3394012004367669963
