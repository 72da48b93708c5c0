"""methods.md and references.bib: sentences for a paper, with citations that exist."""

import re

from specgap.config import Study, parse
from specgap.layout import Cell
from specgap.report.methods import methods
from specgap.report.references import ENTRIES, references
from specgap.trace.done import Done
from tests.support.records import prompt_set, row

MODEL = {
    "source": "./resources/models/demo/target",
    "revision": "sha256:abc",
    "architecture": "LlamaForCausalLM",
    "n_parameters": 1234,
    "dtype": "float32",
    "head": {"from": 640, "to": 512},
    "trust_remote_code": False,
    "allow_pickle": False,
}
FACTS = {
    "target": MODEL,
    "draft": {**MODEL, "source": "./resources/models/demo/draft", "head": None},
    "vocabulary_size": 512,
    "context_length": 128,
    "end_taken_off": None,
    "device_name": "CPU",
    "torch": "2.15.0",
    "transformers": "5.23.0",
    "sklearn_importable": False,
}
PROMPTS = prompt_set(
    row("they", "a|b", "say `x`"), *(row(f"{n}", "a|b", term=f"t{n}") for n in range(3)), pilot=20
)
TWO_DRAFTS = parse(
    {"pairs": {"a": {"target": "gpt2", "draft": "x"}, "b": {"target": "gpt2", "draft": "y"}}}, source="test"
)


def text(study: Study | None = None, **facts: object) -> str:
    done = Done(
        "j", Cell("demo", "sampled", "heuristic-5"), "sampled", "assisted", 1, FACTS | facts, {}, {}, {}, ()
    )
    return methods(study or Study(), PROMPTS, [done])


def test_models_stand_with_revisions_types_and_versions() -> None:
    written = text()
    assert "`./resources/models/demo/target` (LlamaForCausalLM, 1234 parameters, float32, revision" in written
    assert "`sha256:abc`, its head cut from 640 to 512 rows" in written
    assert "transformers 5.23.0 [@wolf2020] and torch 2.15.0 on CPU" in written
    assert "scikit-learn was not importable" in written


def test_each_collector_that_is_used_is_described_and_no_other() -> None:
    replayed = text(parse({"tails": "none"}, source="test"))
    assert "Replayed settings share one pass" in replayed
    assert "Discarded tokens were not collected but for settings with figures of their own." in replayed
    assert "generate(assistant_model=…)" not in replayed
    checked = {"schedule": "heuristic", "num_assistant_tokens": 5, "collector": "assisted", "limit": 6}
    both = text(parse({"settings": [{**checked, "collector": None, "limit": None}, checked]}, source="test"))
    assert "Replayed settings share one pass" in both
    assert "`generate(assistant_model=…)`" in both
    assert "`heuristic-5-assisted`: γ starts at 5" in both
    assert "; assisted; on at most 6 prompts per group." in both


def test_the_cost_of_a_draft_call_is_said() -> None:
    assert "the draft's number of parameters / the target's, embeddings included" in text()
    assert "in target calls: 0.2, as the config says" in text(parse({"cost_ratio": 0.2}, source="test"))


def test_remote_code_and_pickle_are_owned_up_to() -> None:
    written = text(draft={**MODEL, "trust_remote_code": True, "allow_pickle": True})
    assert (
        "Code that comes with the models was run. Weights that are not safetensors were allowed." in written
    )
    assert "No code of theirs was run" in text()


def test_an_end_of_text_that_was_taken_off_prompts_is_owned_up_to() -> None:
    written = text(end_taken_off="<|endoftext|>")
    assert "tokenizer puts `<|endoftext|>`, an end of text, after every text; it was taken off" in written
    assert "taken off" not in text()


def test_decodings_and_schedules_stand_in_sentences() -> None:
    study = parse(
        {
            "decodings": {
                "cool": {"temperature": 0.7, "top_k": 40, "max_new_tokens": 10},
                "greedy": {"mode": "greedy"},
            },
            "samples": 3,
            "settings": [
                {"schedule": "heuristic", "num_assistant_tokens": 5, "carry_state": True},
                {"schedule": "constant", "num_assistant_tokens": 7, "confidence_threshold": 0.25},
            ],
        },
        source="test",
    )
    written = text(study)
    assert "temperature 0.7, top-k 40" in written
    assert "There are 3 continuations of up to 10 new tokens" in written
    assert "`greedy` is greedy" in written
    assert "There is one continuation of up to 48 new tokens" in written
    assert "γ is carried from prompt to prompt" in written
    assert "γ stays at 7; drafting stops after a token with q below 0.25" in written


def test_the_table_of_prompts_keeps_its_columns_whatever_a_group_is_called() -> None:
    lines = [line for line in text().splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {7}
    assert any(r"a\|b" in line and "| 4 | 4 | 1 |" in line for line in lines)


def test_caveats_name_the_demonstration_the_one_term_groups_and_the_pilot() -> None:
    written = text()
    assert "demonstration" in written
    assert "pilot of at most 20 prompts per group" in written
    assert r"list them apart: say \`x\`" in written
    assert "A gap is not yet about identity" in written


def test_another_pair_is_no_demonstration() -> None:
    study = parse({"pairs": {"demo": {"target": "gpt2", "draft": "distilgpt2"}}}, source="test")
    assert "is a demonstration" not in text(study)


def test_how_drafts_are_compared_is_said_where_a_study_has_several_pairs() -> None:
    assert "*Drafts of one target* are compared" in text(TWO_DRAFTS)
    assert "*Drafts of one target*" not in text()


def test_every_citation_has_an_entry_and_every_entry_balanced_braces() -> None:
    cited = set(re.findall(r"@([a-z]+\d{4})", text() + text(TWO_DRAFTS)))
    assert cited == set(ENTRIES)
    assert references().count("{") == references().count("}")
    assert re.findall(r"^@\w+{(\w+),$", references(), re.M) == sorted(ENTRIES)
