"""Whether a chat template writes messages and kwargs alone: the date would change prompts from day to day."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Any

from jinja2 import Undefined
from jinja2.exceptions import TemplateError
from jinja2.meta import find_undeclared_variables

from specgap.errors import ModelError
from specgap.models.encoding import PROBE, chat_of
from specgap.settings import PromptFormat

#: Two times that differ in everything that a format can ask for.
_DAYS = (datetime(2001, 2, 3, 4, 5, 6), datetime(2097, 11, 28, 21, 58, 47))
#: What transformers gives every template.
_GIVEN = frozenset({"messages", "tools", "documents", "add_generation_prompt"})


def check_template(tokenizer: Any, prompt_format: PromptFormat) -> None:
    """Refuse a chat template that writes the date, or a variable that nothing gives, where one is used.

    A variable that is only tested (`is defined`, `if`, `default`) writes nothing, and is left to its absence.
    Raises `ModelError` that names the kwarg by which the config says what is written.
    """
    if prompt_format.kind != "chat" or not getattr(tokenizer, "chat_template", None):
        return
    template = _Template(tokenizer, prompt_format)
    for name in template.unknown:
        if template.writes(name):
            raise ModelError(
                f"the chat template of {tokenizer.name_or_path} writes {name!r}, which nothing gives; "
                f"expected it in prompt_format.template_kwargs"
            )
    if template.asks_the_clock():
        raise ModelError(
            f"the chat template of {tokenizer.name_or_path} asks the clock, so prompts differ between days; "
            f"expected {template.remedy()}"
        )


class _Template:
    """A tokenizer's chat template with messages as a prompt's."""

    def __init__(self, tokenizer: Any, prompt_format: PromptFormat) -> None:
        # Not `apply_chat_template`, which lets neither a clock nor an undefined variable through.
        from transformers.utils.chat_template_utils import _compile_jinja_template

        source = tokenizer.get_chat_template()
        self._compiled: Any = _compile_jinja_template(source)
        self._messages, turn = chat_of(PROBE, prompt_format)
        self._has_system = bool(prompt_format.system)
        given = {**tokenizer.special_tokens_map, **prompt_format.template_kwargs}
        prompted = turn.get("add_generation_prompt", False)
        self._variables = {"tools": None, "documents": None, "add_generation_prompt": prompted, **given}
        environment = self._compiled.environment
        asked = find_undeclared_variables(environment.parse(source))
        #: Names that neither transformers nor the config gives, in order.
        self.unknown = sorted(asked - _GIVEN - given.keys() - {*tokenizer.SPECIAL_TOKENS_ATTRIBUTES})

    def writes(self, name: str) -> bool:
        """Say whether the template writes a variable that has no value."""
        absent = _Absent(name=name)
        self._rendered(_DAYS[0], {name: absent})
        return absent.is_written

    def asks_the_clock(self, more: Mapping[str, Any] | None = None, *, system: str | None = None) -> bool:
        """Say whether what is written depends on the time."""
        return len({self._rendered(day, more or {}, system=system) for day in _DAYS}) > 1

    def remedy(self) -> str:
        """Return what the config has to say so that the time has no effect."""
        for names in chain(([name] for name in self.unknown), [self.unknown]):
            if names and not self.asks_the_clock(dict.fromkeys(names, "26 Jul 2024")):
                kwargs = " and ".join(f"{name!r}" for name in names)
                return f"{kwargs} in prompt_format.template_kwargs, a date as the template would write it"
        if not self._has_system and not self.asks_the_clock(system="x"):
            return "prompt_format.system, in place of the template's own system message"
        return "a copy of the model's folder with a template that has the date written out"

    def _rendered(self, day: datetime, more: Mapping[str, Any], *, system: str | None = None) -> str | None:
        messages = self._messages if system is None else list(_with_system(self._messages, system))
        try:
            return str(
                self._compiled.render(
                    messages=messages, strftime_now=day.strftime, **{**self._variables, **more}
                )
            )
        except (TemplateError, TypeError, ValueError):
            # A value that the template does not take is no remedy; what it never takes, `encode` refuses.
            return f"{day}" if more or system else None


class _Absent(Undefined):
    """A variable without a value that notices when it is written."""

    is_written = False

    def __str__(self) -> str:
        self.is_written = True
        return ""


def _with_system(messages: list[dict[str, str]], system: str) -> Iterator[dict[str, str]]:
    yield {"role": "system", "content": system}
    yield from messages
