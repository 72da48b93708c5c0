"""A chat template that writes more than messages and kwargs is refused with the key that pins it."""

import pytest

from specgap.errors import ModelError
from specgap.models.templates import check_template
from specgap.settings import PromptFormat
from tests.support.tiny_models import word_tokenizer

pytestmark = pytest.mark.slow

TURNS = "{% for m in messages %}{{ m.role }} {{ m.content }} {% endfor %}"
#: As Llama 3.1 asks for the date, beside other variables that it only tests.
LLAMA = (
    "{% if not date_string is defined %}{% if strftime_now is defined %}"
    '{% set date_string = strftime_now("%d %b %Y") %}'
    '{% else %}{% set date_string = "26 Jul 2024" %}{% endif %}{% endif %}'
    "{% if not tools_in_user_message is defined %}{% set tools_in_user_message = true %}{% endif %}"
    "{% if builtin_tools is defined %}tools{% endif %}Today Date: {{ date_string }} " + TURNS
)
#: As Mistral does it: only where the config has no system message.
MISTRAL = '{% if messages[0].role != "system" %}Today is {{ strftime_now("%Y-%m-%d") }}. {% endif %}' + TURNS
TWO_PARTS = (
    "{{ day | default(strftime_now('%d'), true) }} {{ month | default(strftime_now('%B'), true) }} " + TURNS
)


def check(template: str, **keys: object) -> None:
    tokenizer = word_tokenizer()
    tokenizer.chat_template = template
    check_template(tokenizer, PromptFormat(kind="chat", **keys))


def refused(template: str, **keys: object) -> str:
    with pytest.raises(ModelError) as caught:
        check(template, **keys)
    return str(caught.value)


@pytest.mark.parametrize("prefill", [True, False])
def test_a_template_that_asks_the_clock_is_refused_with_the_kwarg_that_pins_it(prefill: bool) -> None:
    said = refused(LLAMA, prefill=prefill)
    assert "asks the clock" in said
    assert "expected 'date_string' in prompt_format.template_kwargs" in said
    check(LLAMA, prefill=prefill, template_kwargs={"date_string": "26 Jul 2024"})


def test_a_date_in_the_templates_own_system_message_is_pinned_by_another() -> None:
    assert "expected prompt_format.system" in refused(MISTRAL)
    check(MISTRAL, system="Be brief.")


def test_a_date_of_two_kwargs_needs_both() -> None:
    assert "expected 'day' and 'month' in prompt_format" in refused(TWO_PARTS)
    assert "expected 'month' in prompt_format" in refused(TWO_PARTS, template_kwargs={"day": 3})
    check(TWO_PARTS, template_kwargs={"day": 3, "month": "May"})


def test_a_date_that_no_key_pins_needs_another_template() -> None:
    said = refused("{{ strftime_now('%Y') }}" + TURNS, system="Be brief.")
    assert "expected a copy of the model's folder with a template that has the date written out" in said


def test_a_clock_that_is_asked_and_not_written_changes_nothing() -> None:
    check("{% set today = strftime_now('%Y') %}" + TURNS)
    check("{% if strftime_now('%Y') | int > 2000 %}new{% endif %}" + TURNS)


def test_a_variable_that_is_written_and_given_by_nothing_is_refused() -> None:
    said = refused("Today is {{ today }}. " + TURNS)
    assert "writes 'today', which nothing gives; expected it in prompt_format.template_kwargs" in said
    check("Today is {{ today }}. " + TURNS, template_kwargs={"today": "Monday"})


@pytest.mark.parametrize(
    "template",
    [
        "{% if enable_thinking is defined and not enable_thinking %}no thinking {% endif %}",
        "{% if thinking %}think {% endif %}{% if tools %}tools{% endif %}{% if documents %}texts{% endif %}",
        "{{ language | default('English') }} ",
        "{{ bos_token }}{% set ns = namespace(found=false) %}{{ ns.found }}{{ add_generation_prompt }}",
    ],
    ids=["defined", "truth", "default", "transformers' own"],
)
def test_variables_that_are_only_tested_may_be_absent(template: str) -> None:
    check(template + TURNS)


def test_raw_prompts_and_base_models_have_no_template_to_check() -> None:
    tokenizer = word_tokenizer()
    check_template(tokenizer, PromptFormat(kind="chat"))
    tokenizer.chat_template = LLAMA
    check_template(tokenizer, PromptFormat())
