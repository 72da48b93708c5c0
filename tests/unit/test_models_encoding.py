"""Texts become ids once, with one BOS; ids become texts that a reader can see."""

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from specgap.errors import ModelError
from specgap.models import encode, token_texts
from specgap.models.encoding import end_taken_off, render
from specgap.models.readable import visible
from specgap.settings import PromptFormat
from tests.support.tiny_models import bpe_tokenizer, word_tokenizer

pytestmark = pytest.mark.slow

RAW = PromptFormat()
CHAT = PromptFormat(kind="chat")

TEMPLATE = (
    "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }} [end] {% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + TEMPLATE
)
THINKING = TEMPLATE + "{% if enable_thinking %}thinking{% endif %}"


def chat_tokenizer(template: str | None = TEMPLATE, *, adds_bos: bool = True):
    """A WordLevel tokenizer of the words these tests use, which puts `<s>` before a text."""
    words = "<unk> <s> </s> [system] [user] [assistant] [end] she likes to Complete the sentence. Be kind "
    words += "thinking"
    backend = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(words.split())}, unk_token="<unk>")
    )
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if adds_bos:
        backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    tokenizer.chat_template = template
    return tokenizer


def words(tokenizer, text: str, prompt_format: PromptFormat) -> str:
    return " ".join(tokenizer.convert_ids_to_tokens(encode(tokenizer, text, prompt_format)))


# Raw ----------------------------------------------------------------------------------------------


def test_raw_text_gets_the_tokenizers_own_special_tokens():
    assert words(chat_tokenizer(), "she likes to", RAW) == "<s> she likes to"


def test_raw_text_stays_bare_where_the_tokenizer_adds_nothing():
    assert words(chat_tokenizer(adds_bos=False), "she likes to", RAW) == "she likes to"
    assert bpe_tokenizer().decode(encode(bpe_tokenizer(), "The woman", RAW)) == "The woman"


def test_a_bos_written_in_the_text_is_not_doubled():
    assert words(chat_tokenizer(), "<s> she likes to", RAW) == "<s> she likes to"


def test_a_text_without_tokens_is_refused():
    with pytest.raises(ModelError, match="has no tokens"):
        encode(word_tokenizer(), "", RAW)


# An EOS that the tokenizer appends ----------------------------------------------------------------


def ending_tokenizer(*, single: str = "<s> $A </s>", eos: str | None = "</s>"):
    """`chat_tokenizer` with what its post-processor puts around a text, and what it calls its EOS."""
    tokenizer = chat_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=single, special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    tokenizer.eos_token = eos
    return tokenizer


def test_an_eos_that_the_tokenizer_appends_is_taken_off():
    assert words(ending_tokenizer(), "she likes to", RAW) == "<s> she likes to"
    assert end_taken_off(ending_tokenizer(), "she", RAW) == "</s>"


def test_an_eos_that_the_text_has_stays():
    assert words(ending_tokenizer(), "she likes </s>", RAW) == "<s> she likes </s>"
    assert words(chat_tokenizer(), "she likes </s>", RAW) == "<s> she likes </s>"
    assert end_taken_off(chat_tokenizer(), "she likes </s>", RAW) is None


def test_an_eos_that_the_chat_template_writes_stays():
    tokenizer = ending_tokenizer()
    tokenizer.chat_template = TEMPLATE + "{{ eos_token }}"
    prompt_format = PromptFormat(kind="chat", prefill=False)
    assert words(tokenizer, "she", prompt_format).endswith("[assistant] </s>")
    assert end_taken_off(tokenizer, "she", prompt_format) is None


def test_an_end_that_only_the_target_knows_is_taken_off_too():
    tokenizer = ending_tokenizer(eos=None)
    assert encode(tokenizer, "she likes", RAW, eos=[2]) == encode(chat_tokenizer(), "she likes", RAW)
    assert encode(tokenizer, "she likes", RAW)[-1] == 2


def test_a_bos_that_is_the_eos_as_well_stays_before_the_text():
    tokenizer = ending_tokenizer(single="</s> $A </s>")
    tokenizer.bos_token = "</s>"
    assert words(tokenizer, "she likes to", RAW) == "</s> she likes to"
    assert words(tokenizer, "</s>", RAW) == "</s>"


def test_a_text_without_tokens_is_refused_though_an_eos_is_appended():
    with pytest.raises(ModelError, match="has no tokens"):
        encode(ending_tokenizer(single="$A </s>"), "", RAW)


# Chat ---------------------------------------------------------------------------------------------


def test_a_chat_completes_the_prompt_in_the_assistants_turn():
    assert words(chat_tokenizer(), "she likes to", CHAT) == (
        "<s> [user] Complete the sentence. [end] [assistant] she likes to"
    )


def test_without_prefill_the_prompt_is_the_users_turn():
    prompt_format = PromptFormat(kind="chat", prefill=False)
    assert (
        words(chat_tokenizer(), "she likes to", prompt_format) == "<s> [user] she likes to [end] [assistant]"
    )


def test_the_system_message_and_the_users_turn_are_the_configs():
    prompt_format = PromptFormat(kind="chat", system="Be kind", user="Be")
    assert words(chat_tokenizer(), "she", prompt_format) == (
        "<s> [system] Be kind [end] [user] Be [end] [assistant] she"
    )


@pytest.mark.parametrize("adds_bos", [True, False])
@pytest.mark.parametrize("prompt_format", [CHAT, PromptFormat(kind="chat", prefill=False)])
def test_a_template_that_writes_bos_itself_gives_one(adds_bos, prompt_format):
    tokenizer = chat_tokenizer("{{ bos_token }} " + TEMPLATE, adds_bos=adds_bos)
    assert encode(tokenizer, "she likes", prompt_format).count(tokenizer.bos_token_id) == 1


def test_a_template_without_bos_adds_none_where_the_tokenizer_uses_none():
    assert chat_tokenizer().bos_token_id not in encode(chat_tokenizer(adds_bos=False), "she", CHAT)


def test_template_kwargs_reach_the_template():
    prompt_format = PromptFormat(kind="chat", prefill=False, template_kwargs={"enable_thinking": True})
    assert words(chat_tokenizer(THINKING), "she", prompt_format).endswith("thinking")


def test_a_base_model_without_a_template_is_one_sentence():
    with pytest.raises(ModelError, match="base model without a chat template; wanted prompt_format: raw"):
        encode(chat_tokenizer(None), "she", CHAT)


def test_a_template_that_knows_no_system_role_is_one_sentence():
    with pytest.raises(ModelError, match="no system role"):
        encode(chat_tokenizer(NO_SYSTEM), "she", PromptFormat(kind="chat", system="Be kind"))


def test_the_rendered_chat_ends_with_the_prompt():
    rendered, adds_special = render(chat_tokenizer(), "she likes to", CHAT)
    assert rendered.endswith("[assistant] she likes to")
    assert not adds_special


# Readable tokens ----------------------------------------------------------------------------------


def text_of(tokenizer, token: str) -> str:
    token_id = tokenizer.get_vocab()[token]
    return token_texts(tokenizer, token_id + 1)[token_id]


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("Ġthe", "␣the"),
        ("Ċ", "␊"),
        ("ĉ", "␉"),
        ("Ġ", "␣"),
        ("â", "⟨E2⟩"),
        ("Ģ", "⟨80⟩"),
        ("<|endoftext|>",) * 2,
    ],
)
def test_byte_level_tokens_are_shown_as_text_spaces_and_bytes(token, shown):
    assert text_of(bpe_tokenizer(), token) == shown


def test_a_byte_level_token_of_several_bytes_is_its_character():
    assert text_of(byte_level({"âĤ¬": 0, "Ã©t": 1, "âĤ": 2}), "âĤ¬") == "€"
    assert text_of(byte_level({"âĤ¬": 0, "Ã©t": 1, "âĤ": 2}), "Ã©t") == "ét"
    assert text_of(byte_level({"âĤ¬": 0, "Ã©t": 1, "âĤ": 2}), "âĤ") == "⟨E2⟩⟨82⟩"


@pytest.mark.parametrize(
    ("token", "shown"),
    [("▁she", "␣she"), ("ly", "ly"), ("<0x0A>", "␊"), ("<0xE2>", "⟨E2⟩"), ("</s>", "</s>")],
)
def test_sentence_piece_tokens_are_shown_as_text_spaces_and_bytes(token, shown):
    assert text_of(sentence_piece(), token) == shown


def test_word_level_tokens_are_shown_as_they_are():
    assert token_texts(word_tokenizer(4), 4) == ["<unk>", "<eos>", "w2", "w3"]


def test_a_padded_row_of_the_head_is_shown_as_unused():
    assert token_texts(word_tokenizer(4), 5)[4] == "⟨unused 4⟩"


def test_every_token_is_shown_with_something():
    assert all(text.strip() for text in token_texts(bpe_tokenizer(), 320))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u200b", "⟨U+200B⟩"),
        ("\xa0", "⟨U+00A0⟩"),
        ("\x85", "⟨U+0085⟩"),
        ("\x7f", "␡"),
        ("\u0301", "◌\u0301"),
    ],
)
def test_characters_that_do_not_show_are_named(text, shown):
    assert visible(text) == shown


def byte_level(vocabulary: dict[str, int]):
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend)


def sentence_piece():
    """A tokenizer built as Llama 2's is."""
    tokens = ["<unk>", "</s>", "<0x0A>", "<0xE2>", "▁", "s", "h", "e", "l", "y", "sh", "ly", "she", "▁she"]
    merges = [("s", "h"), ("l", "y"), ("sh", "e"), ("▁", "she")]
    backend = Tokenizer(
        models.BPE({t: i for i, t in enumerate(tokens)}, merges, byte_fallback=True, unk_token="<unk>")
    )
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", eos_token="</s>")
