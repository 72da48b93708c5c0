"""Counts of a server: read whole, or refused in one sentence that names the row."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specgap.config import Study, parse
from specgap.errors import ConfigError, PromptError
from specgap.prompts import load_prompts, prompt_id, read_counts
from specgap.tables.served import served_counts

HEADER = "prompt,group,unit,block,accepted,judged,rounds,emitted"
ROW = "p1,a,u,b,3,4,2,5"


def counts_study(*files: str, **more: object) -> Study:
    pairs = {f"pair{n}": {"target": "big", "draft": "small", "counts": file} for n, file in enumerate(files)}
    return parse({"collector": "counts", "pairs": pairs, **more}, source="c.yaml")


def written(folder: Path, *rows: str, header: str = HEADER, name: str = "c.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


REFUSED = {
    "a missing column": (("p1,a,3,4,2",), "prompt,group,accepted,judged,rounds", "no column 'emitted'"),
    "no whole number": (("p1,a,u,b,3.5,4,2,5",), HEADER, "row 1 (line 2): 'accepted' is '3.5'"),
    "less than nothing": (("p1,a,u,b,-3,4,2,5",), HEADER, "'accepted' is '-3'"),
    "an empty cell": ((ROW, "p2,a,u,b,3,,2,5"), HEADER, "row 2 (line 3): 'judged' is ''"),
    "more than float64 adds exactly": (("p1,a,u,b,3,9999999999999,2,5",), HEADER, "'judged' is"),
    "a Unicode digit": (("p1,a,u,b,3,४,2,5",), HEADER, "'judged' is"),
    "accepted but not judged": (("p1,a,u,b,5,4,2,6",), HEADER, "5 accepted of 4 judged"),
    "two rejections in a round": (
        ("p1,a,u,b,1,4,2,5",),
        HEADER,
        "3 rejected tokens (judged − accepted) in 2",
    ),
    "accepted but not emitted": (("p1,a,u,b,3,4,2,2",), HEADER, "2 emitted of 3 accepted"),
    "judged but not drafted": (("p1,a,u,b,3,4,2,5,3",), f"{HEADER},drafted", "3 drafted of 4 judged"),
    "a row twice": ((ROW, ROW), HEADER, "row 2 (line 3): 'p1' a second time"),
    "a row twice, told apart by nothing known": (
        ("p1,a,u,b,3,4,2,5,mon", "p1,a,u,b,3,4,2,5,tue"),
        f"{HEADER},day",
        "row 2 (line 3): 'p1' a second time",
    ),
    "other counts in another group": ((ROW, "p1,b,u,b,2,4,2,5"), HEADER, "'p1' has other counts"),
    "one sample here and another there": (
        ("p1,a,u,b,3,4,2,5,1", "p1,b,u,b,2,4,2,5,2"),
        f"{HEADER},sample",
        "row 2 (line 3): 'p1' has sample '2' here and not in group a",
    ),
    "accepted without a round": (("p1,a,u,b,3,3,0,3",), HEADER, "3 accepted tokens in 0 rounds"),
    "many more emitted than accepted": (
        ("p1,a,u,b,3,4,2,5000",),
        HEADER,
        "5000 emitted tokens of 3",
    ),
    "semicolons": (("p1;a",), "prompt;group", "one whose name holds semicolons; wanted commas"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_counts_that_cannot_be_are_refused(tmp_path: Path, case: str) -> None:
    rows, header, message = REFUSED[case]
    path = written(tmp_path, *rows, header=header)
    with pytest.raises(PromptError, match=re.escape(message)) as caught:
        read_counts(path, name="c.csv", groupings=["group"])
    assert str(caught.value).startswith("c.csv")


def test_a_prompt_of_two_groups_is_counted_once(tmp_path: Path) -> None:
    path = written(tmp_path, ROW, "p1,b,u,b,3,4,2,5", "p2,b,v,b,0,0,0,0")
    found = served_counts(read_counts(path, name="c.csv", groupings=["group"]))
    assert found.prompts[prompt_id("p1")].accepted == 3
    assert len(found.prompts) == 2
    assert found.discarded == "unknown"
    prompts = load_prompts(counts_study(str(path)))
    assert prompts.groups_of("group") == ("a", "b")
    assert prompts.distinct == (prompt_id("p1"), prompt_id("p2"))
    assert (prompts.unit, prompts.block) == ("unit", "block")


def test_a_prompt_may_be_an_id_with_a_slot_and_pairs_share_prompts(tmp_path: Path) -> None:
    one = written(tmp_path, "[M] 7,a,u,b,3,4,2,5", "8,a,u,b,3,4,2,5", name="one.csv")
    two = written(tmp_path, "8,a,u,b,1,1,1,2", "9,c,w,b,1,1,1,2", name="two.csv")
    prompts = load_prompts(counts_study(str(one), str(two)))
    assert list(prompts.texts.values()) == ["[M] 7", "8", "9"]
    assert len(prompts.rows) == 3
    assert not prompts.notices


def test_pairs_that_disagree_about_a_prompt_are_refused(tmp_path: Path) -> None:
    one = written(tmp_path, ROW, name="one.csv")
    two = written(tmp_path, "p1,a,other,b,1,1,1,2", name="two.csv")
    with pytest.raises(
        PromptError, match=r"two\.csv:2: 'p1' has unit, block and stratum \('other', 'b', None\)"
    ):
        load_prompts(counts_study(str(one), str(two)))


samples = st.tuples(
    st.integers(0, 50), st.integers(0, 30), st.integers(0, 20), st.integers(0, 40), st.integers(0, 9)
)


@given(
    st.lists(
        st.tuples(st.sampled_from("pqrs"), st.integers(0, 3), samples),
        max_size=12,
        min_size=1,
        unique_by=lambda row: row[:2],
    )
)
def test_samples_are_added_up(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, tuple[int, ...]]]
) -> None:
    lines, sums = [], Counter[tuple[str, str]]()
    for prompt, sample, (accepted, rejected, more_rounds, more_drafted, more_emitted) in rows:
        counted = {
            "accepted": accepted,
            "judged": accepted + rejected,
            "rounds": (rounds := rejected + more_rounds + 1),
            "emitted": accepted + min(more_emitted, 2 * rounds),
            "drafted": accepted + rejected + more_drafted,
        }
        lines.append(",".join(map(str, [prompt, "g", sample, *counted.values()])))
        sums.update({(prompt, name): value for name, value in counted.items()})
    header = "prompt,group,sample,accepted,judged,rounds,emitted,drafted"
    path = written(tmp_path_factory.mktemp("counts"), *lines, header=header)
    found = served_counts(read_counts(path, name="c.csv", groupings=["group"]))
    for prompt in {row[0] for row in rows}:
        n = found.prompts[prompt_id(prompt)]
        for name in ("accepted", "judged", "rounds", "emitted", "drafted"):
            assert getattr(n, name) == sums[prompt, name]
        assert len(found.samples[prompt_id(prompt)]) == sum(row[0] == prompt for row in rows)
    assert found.discarded == "counted"


CONFIGS: dict[str, tuple[dict[str, object], str]] = {
    "a pair without counts": ({"pairs": {"p": {"target": "a", "draft": "b"}}}, "pairs.p has no counts"),
    "two decodings": ({"decodings": {"a": {}, "b": {}}}, "2 decodings (a, b) with collector counts"),
    "prompts of its own": ({"prompts": "p.csv"}, "prompts with collector counts"),
    "a partial study": ({"partial": True}, "partial with collector counts"),
    "counts with another collector": ({"collector": "replay"}, "pairs.p.counts with collector replay"),
    "a collector of a setting": (
        {"settings": [{"schedule": "constant", "num_assistant_tokens": 5, "collector": "assisted"}]},
        "has a collector or a limit with collector counts",
    ),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_what_counts_cannot_have_is_refused(case: str) -> None:
    change, message = CONFIGS[case]
    raw = {"collector": "counts", "pairs": {"p": {"target": "a", "draft": "b", "counts": "c.csv"}}}
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse({**raw, **change}, source="c.yaml")


def test_a_study_of_counts_reads_back_as_itself() -> None:
    study = counts_study("one.csv", "two.csv", "one.csv")
    assert parse(study.model_dump(mode="json"), source="config.json") == study
    assert study.prompts.files == ["one.csv", "two.csv"]
    assert [setting.name for setting in study.settings] == ["served"]
