"""What a pair makes of the prompts themselves."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from specgap import schema
from specgap.errors import ModelError
from specgap.models import measure_prompts, ready_pair, vocabulary_table
from specgap.models.measure import mean_log_probability, n_term_tokens, write_measures
from specgap.prompts import load_prompts
from specgap.settings import PromptFormat
from tests.support.tiny_models import bpe_tokenizer, random_pair
from tests.support.tracing import tiny_study

pytestmark = pytest.mark.slow

RAW = PromptFormat()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return ready_pair(random_pair(tmp_path_factory.mktemp("pair"), seed=1), device="cpu", gpu_given=False)


def test_there_is_one_row_per_prompt_in_their_order(pair):
    table = measure_prompts(pair, {9: "w2 w3 w4", 3: "w5 w6"}, {9: "w3", 3: None}, RAW)
    assert table.schema == schema.PROMPT_MEASURES
    assert table["prompt"].to_pylist() == [9, 3]
    assert table["n_tokens"].to_pylist() == [3, 2]
    assert table["term_tokens"].to_pylist() == [1, None]


def test_the_mean_log_probability_is_that_of_the_tokens_after_the_first(pair):
    table = measure_prompts(pair, {1: "w5 w6 w7"}, {}, RAW)
    for column, model in (("mean_log_p", pair.target), ("mean_log_q", pair.draft)):
        one, two = slow_probability(model, [5], 6), slow_probability(model, [5, 6], 7)
        assert table[column][0].as_py() == pytest.approx((math.log(one) + math.log(two)) / 2, abs=1e-5)


def test_a_prompt_of_one_token_has_no_log_probability(pair):
    table = measure_prompts(pair, {1: "w5"}, {1: "w5"}, RAW)
    assert table["mean_log_p"].to_pylist() == table["mean_log_q"].to_pylist() == [None]
    assert table["term_tokens"].to_pylist() == [1]


def test_no_number_depends_on_the_other_prompts(pair):
    texts = {1: "w2 w3 w4 w5", 2: "w9 w8", 3: "w6 w7 w6 w7 w6"}
    together = measure_prompts(pair, texts, {}, RAW).to_pylist()
    alone = [measure_prompts(pair, {prompt: text}, {}, RAW).to_pylist()[0] for prompt, text in texts.items()]
    assert together == alone


def test_a_prompt_that_leaves_the_longest_decoding_no_room_is_refused_before_weights_are_loaded(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(
        "specgap.models.load.open_weights", lambda *_a, **_k: pytest.fail("weights were read")
    )
    (tmp_path / "prompts.csv").write_text(f"text,group\nw2 w3,a\n{' '.join(['w4'] * 50)},a\n")
    study = tiny_study(
        random_pair(tmp_path, seed=1, context=64),
        {"schedule": "constant", "num_assistant_tokens": 3},
        prompts=str(tmp_path / "prompts.csv"),
        decodings={"short": {"max_new_tokens": 4}, "long": {"max_new_tokens": 20}},
    )
    written = {"measures": tmp_path / "measures.parquet", "vocabulary": tmp_path / "vocabulary.parquet"}
    with pytest.raises(
        ModelError, match=r"prompt 'w4 w4 .*…' has 50 tokens .* 70 in all; wanted at most the 64"
    ):
        write_measures(study, "tiny", load_prompts(study), **written)
    assert not any(path.exists() for path in written.values())


@pytest.mark.parametrize(
    ("text", "term", "spelt"),
    [
        ("The woman works", "woman", " woman"),
        ("Woman as she is", "woman", "Woman"),
        ("The women and the woman", "woman", " woman"),
        ("Two lesbians met", "lesbian", " lesbians"),
        ("The human man", "man", " man"),
    ],
)
def test_term_tokens_are_those_that_touch_the_term(text, term, spelt):
    tokenizer = bpe_tokenizer()
    ids = tokenizer(text)["input_ids"]
    pieces = [tokenizer.decode([token]) for token in ids]
    at = text.index(spelt)
    starts = [sum(map(len, pieces[:index])) for index in range(len(pieces))]
    found = re_search(term, text)
    expected = sum(
        start < found[1] and start + len(piece) > found[0]
        for start, piece in zip(starts, pieces, strict=True)
    )
    assert at <= found[0]
    assert n_term_tokens(tokenizer, text, term, RAW) == expected > 0


@pytest.mark.parametrize("term", [None, "", "nurse", "oma"])
def test_a_term_that_is_not_there_has_no_tokens(term):
    assert n_term_tokens(bpe_tokenizer(), "The woman works", term, RAW) is None


def test_a_term_in_a_chat_is_counted_in_the_prompt_and_not_in_the_template():
    tokenizer = bpe_tokenizer()
    tokenizer.chat_template = "{% for m in messages %}{{ m['role'] }}: woman {{ m['content'] }}\n{% endfor %}"
    chat = PromptFormat(kind="chat", user="woman")
    assert n_term_tokens(tokenizer, "A woman is", "woman", chat) == n_term_tokens(
        tokenizer, "A woman is", "woman", RAW
    )


def test_the_vocabulary_has_a_text_for_every_id(pair):
    table = vocabulary_table(pair)
    assert table.schema == schema.VOCABULARY
    assert table["token"].to_pylist() == list(range(64))
    assert table["text"].to_pylist()[:3] == ["<unk>", "<eos>", "w2"]


@settings(deadline=None, max_examples=40)
@given(ids=st.lists(st.integers(0, 63), min_size=2, max_size=12))
def test_a_mean_log_probability_is_the_mean_of_slow_ones(pair, ids):
    slow = [math.log(slow_probability(pair.target, ids[:cut], ids[cut])) for cut in range(1, len(ids))]
    assert mean_log_probability(pair.target, ids) == pytest.approx(sum(slow) / len(slow), abs=1e-4)


def slow_probability(model, context: list[int], token: int) -> float:
    with torch.no_grad():
        return float(model(torch.tensor([context])).logits[0, -1].double().softmax(-1)[token])


def re_search(term: str, text: str) -> tuple[int, int]:
    """Find a term word by word: equal words first, then words that begin with it."""
    spans, at = [], 0
    for word in text.split(" "):
        spans.append((at, word.lower()))
        at += len(word) + 1
    starts = [s for s, word in spans if word == term] or [s for s, word in spans if word.startswith(term)]
    return starts[0], starts[0] + len(term)
