"""What is traced: models, decodings, schedule settings (the blocks of the config that a trace depends on)."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from specgap.names import check_path, plain_path

Schedule = Literal["constant", "heuristic", "heuristic_transient"]
Collector = Literal["replay", "assisted", "batched"]
#: A study may also have counts of somebody else's in place of traces.
StudyCollector = Literal["replay", "assisted", "batched", "counts"]
#: Keys of a setting that may be lists in the config.
LISTED = ("num_assistant_tokens", "confidence_threshold")


class Block(BaseModel):
    """A block of the config: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Model(Block):
    """A causal language model: a hub id or a local folder."""

    source: str = Field(
        min_length=1, description="Hub id (`gpt2`) or folder (`./models/mine`, `/data/mine`)."
    )
    revision: str | None = Field(None, description="Branch, tag or commit of a hub model.")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        "auto", description="Number type of the weights; `auto` keeps what the checkpoint stores."
    )
    model_kwargs: dict[Literal["device_map", "attn_implementation"], str] = Field(
        default_factory=dict,
        description="For `from_pretrained`; only `device_map` and `attn_implementation`.",
    )
    trust_remote_code: bool = Field(
        False, description="Run Python code that comes with the model; the trace says so."
    )
    allow_pickle: bool = Field(
        False, description="Load weights that are not safetensors (pickle can run code); the trace says so."
    )

    @field_validator("source")
    @classmethod
    def _may_be_a_path(cls, value: str) -> str:
        return check_path(value)

    @property
    def name(self) -> str:
        """What a reader calls the model: a hub id as it is, a folder by its last two names."""
        is_folder = self.source.startswith(("/", ".", "~"))
        return "/".join(Path(self.source).parts[-2:]) if is_folder else self.source

    @model_validator(mode="before")
    @classmethod
    def _from_source(cls, value: Any) -> Any:
        return {"source": value} if isinstance(value, str) else value


class Pair(Block):
    """A target model p with its draft model q; the word `demo` stands for the pair specgap trains itself."""

    target: Model = Field(description="The model that verifies (p): a hub id, a folder, or a block.")
    draft: Model = Field(description="The model that drafts (q; Hugging Face: assistant).")
    counts: str | None = Field(
        None,
        min_length=1,
        description="`collector: counts`: CSV of what a server counted for each prompt under this pair, "
        "whose models are named and never loaded.",
    )

    @property
    def models(self) -> tuple[Model, ...]:
        """The models that are run: none where a server's counts are given."""
        return () if self.counts else (self.target, self.draft)

    @field_validator("counts")
    @classmethod
    def _is_a_path(cls, value: str | None) -> str | None:
        return None if value is None else plain_path(value)


class Decoding(Block):
    """How tokens are drawn: mode, warpers and length."""

    mode: Literal["sampled", "greedy"] = Field(
        "sampled",
        description="`sampled` draws from p, `greedy` takes the argmax; every figure and table names it.",
    )
    temperature: float = Field(1.0, gt=0, description="Softmax temperature, the same for target and draft.")
    top_k: int = Field(0, ge=0, description="Keep the k likeliest tokens; 0 keeps all.")
    top_p: float = Field(
        1.0, gt=0, le=1, description="Keep the smallest set of tokens with this mass; 1 keeps all."
    )
    max_new_tokens: int = Field(48, ge=1, le=65_000, description="Length of a continuation in tokens.")
    settings: list[str] | None = Field(
        None,
        min_length=1,
        description="Names of the settings traced under this decoding; all of them when left out.",
    )

    @model_validator(mode="after")
    def _greedy_has_no_warpers(self) -> "Decoding":
        warped = (self.temperature, self.top_k, self.top_p) != (1.0, 0, 1.0)
        if self.mode == "greedy" and warped:
            raise ValueError("greedy decoding with a temperature, top_k or top_p; wanted none of the three")
        return self


def _or_a_list(schema: dict[str, Any]) -> None:
    """Say in the JSON schema that a list may stand in a number's place, as `expanded` has it."""
    number = {key: schema.pop(key) for key in list(schema) if key not in ("default", "description", "title")}
    schema["anyOf"] = [number, {"type": "array", "items": number, "minItems": 1}]


#: What a setting's rounds follow from, whatever its name and collector.
SCHEDULE_KEYS = ("schedule", "num_assistant_tokens", "confidence_threshold", "carry_state")


class Setting(Block):
    """A draft-length schedule with its numbers (transformers' `num_assistant_tokens_schedule` and so on)."""

    schedule: Schedule = Field(description="How γ changes from round to round.")
    num_assistant_tokens: int = Field(
        ge=1,
        le=10_000,
        description="γ of the first round; a list makes a setting of each.",
        json_schema_extra=_or_a_list,
    )
    confidence_threshold: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Drafting stops after a token with q below it; a list makes a setting of each. "
        "transformers' own default is 0.4, which makes `constant` not constant; here it is 0.",
        json_schema_extra=_or_a_list,
    )
    carry_state: bool = Field(
        False,
        description="`heuristic` only: γ goes on from prompt to prompt, as in transformers.",
    )
    collector: Collector | None = Field(None, description="Overrides the study's collector.")
    limit: int | None = Field(
        None,
        ge=1,
        description="`assisted` and `batched`: prompts per group that are traced, spread over terms and "
        "templates; all of the study's when left out.",
    )
    name: str = Field("", description="Folder name; made from the numbers when left out.")

    @model_validator(mode="after")
    def _named(self) -> "Setting":
        if self.carry_state and self.schedule != "heuristic":
            raise ValueError(f"carry_state with schedule {self.schedule}; wanted it with heuristic only")
        if self.carry_state and self.limit is not None:
            raise ValueError(
                "limit with carry_state, where γ comes from all earlier prompts; wanted one of them"
            )
        if not self.name:
            object.__setattr__(self, "name", self._default_name())
        return self

    def _default_name(self) -> str:
        threshold = f"-t{self.confidence_threshold:g}" if self.confidence_threshold else ""
        carried = "-carried" if self.carry_state else ""
        collector = f"-{self.collector}" if self.collector else ""
        return f"{self.schedule}-{self.num_assistant_tokens}{threshold}{carried}{collector}"


def expanded(entries: Any) -> Any:
    """Return a config's settings, each list of numbers in an entry taken apart: every combination, in order.

    >>> [entry["num_assistant_tokens"] for entry in expanded([{"num_assistant_tokens": [1, 2]}])]
    [1, 2]
    """
    return (
        [one for entry in entries for one in _combinations(entry)] if isinstance(entries, list) else entries
    )


def _combinations(entry: Any) -> list[Any]:
    lists = (
        {key: entry[key] for key in LISTED if isinstance(entry.get(key), list)}
        if isinstance(entry, Mapping)
        else {}
    )
    if not lists:
        return [entry]
    for key, values in lists.items():
        if not values:
            raise ValueError(f"{key} is []; wanted at least one number, or the key left out")
    if entry.get("name"):
        raise ValueError(f"the name {entry['name']!r} for several settings; wanted it left out beside a list")
    return [{**entry, **dict(zip(lists, values, strict=True))} for values in product(*lists.values())]


class PromptFormat(Block):
    """How a prompt's text becomes token ids, by the target's tokenizer, the same ids for both models."""

    kind: Literal["raw", "chat"] = Field(
        "raw", description="`raw` text, or a turn of the target's chat template."
    )
    system: str | None = Field(None, description="System message (`chat`).")
    prefill: bool = Field(
        True,
        description="`chat`: the prompt stands at the start of the assistant's turn and is completed; "
        "`false` puts it in the user's turn.",
    )
    user: str = Field(
        "Complete the sentence.", description="The user's turn before a prefilled prompt (`chat`)."
    )
    template_kwargs: dict[str, bool | int | str] = Field(
        default_factory=dict,
        description="Passed to the chat template (`enable_thinking: false`, …); one that writes the date "
        "needs it here (`date_string: 26 Jul 2024` for Llama 3).",
    )
