"""One entry of `config/figures.yaml`: what is drawn, from which columns and under which words. Light."""

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from specgap.errors import ConfigError
from specgap.figures.columns import COLUMNS, KINDS, PAIRS_COLUMNS, SETTINGS_COLUMNS
from specgap.names import check_name
from specgap.validation import read_yaml, validated

Mode = Literal["sampled", "greedy"]

#: What a caption or an alt text may name in braces; `facts.fill` fills them in.
PLACEHOLDERS = frozenset(
    {
        *("pair", "target", "draft", "decoding", "mode", "setting", "grouping", "group"),
        *("n_prompts", "n_judged", "acceptance_rate", "over_confident_ratio"),
    }
)


class Spec(BaseModel):
    """A figure's entry. `columns` are those of `table`; `beside` names further tables with theirs."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: str = Field(min_length=1)
    kind: str
    title: str = Field(min_length=1)
    table: str
    columns: list[str] = Field(min_length=1)
    beside: dict[str, list[str]] = Field(default_factory=dict)
    verdicts: list[Literal["accepted", "rejected"]] = Field(default=["accepted", "rejected"], min_length=1)
    modes: list[Mode] = Field(default=["sampled", "greedy"], min_length=1)
    scope: Literal["cell", "group", "settings", "pairs"] = "cell"
    every_setting: bool = False
    timing: bool = False
    needs_tokens: bool = False
    caption: str = Field(min_length=1)
    alt: str = Field(min_length=1)

    @property
    def tables(self) -> dict[str, list[str]]:
        """Every table the figure reads, with the columns it needs."""
        return {self.table: self.columns, **self.beside}

    @field_validator("id")
    @classmethod
    def _is_a_file_name(cls, value: str) -> str:
        return check_name(value, what="a figure")

    @field_validator("kind")
    @classmethod
    def _is_registered(cls, value: str) -> str:
        if value not in KINDS:
            raise ValueError(f"no figure of kind {value!r}; wanted one of {', '.join(KINDS)}")
        return value

    @field_validator("title", "caption", "alt")
    @classmethod
    def _names_known_placeholders(cls, value: str) -> str:
        text = " ".join(value.split())
        for _, name, form, conversion in Formatter().parse(text):
            if name is not None and (name not in PLACEHOLDERS or form or conversion):
                raise ValueError(f"placeholder {{{name}}}; wanted one of {', '.join(sorted(PLACEHOLDERS))}")
        return text

    @model_validator(mode="after")
    def _columns_are_declared(self) -> "Spec":
        known = {"settings": SETTINGS_COLUMNS, "pairs": PAIRS_COLUMNS}.get(self.scope, COLUMNS)
        for table, columns in self.tables.items():
            name = table.split("--")[0]
            if name not in known:
                raise ValueError(
                    f"no table {table!r} for scope {self.scope}; wanted one of {', '.join(known)}"
                )
            for column in columns:
                if column not in known[name]:
                    raise ValueError(
                        f"table {table!r} has no column {column!r}; it has {', '.join(sorted(known[name]))}"
                    )
        if self.every_setting and self.scope not in ("cell", "group"):
            raise ValueError(f"every_setting with scope {self.scope}; expected scope cell or group")
        if self.scope != "group" and "{group}" in self.caption + self.alt:
            raise ValueError("placeholder {group}; wanted it with scope group only")
        return self


def load_specs(path: Path) -> tuple[Spec, ...]:
    """Read the list of figures; a `ConfigError` names the file, the figure and what is wrong with it."""
    raw = read_yaml(path, what="figure file")
    if not isinstance(raw, list) or not raw:
        raise ConfigError(f"figure file {path} holds {type(raw).__name__}; wanted a list of figures")
    specs: dict[str, Spec] = {}
    for place, entry in enumerate(raw, start=1):
        spec = validated(Spec, entry, source=f"{path}, figure {_name(entry, place)}")
        if spec.id in specs:
            raise ConfigError(f"{path}: two figures with id {spec.id!r}; wanted each id once")
        specs[spec.id] = spec
    return tuple(specs.values())


def specs_as_json(specs: Iterable[Spec], scopes: Collection[str]) -> str:
    """Return the entries of these scopes as JSON, for a workflow to pass on as a parameter."""
    return json.dumps([spec.model_dump() for spec in specs if spec.scope in scopes])


def specs_from_json(text: str) -> tuple[Spec, ...]:
    """Read entries back from the JSON list that a workflow passes on as a parameter."""
    return tuple(validated(Spec, entry, source="figures") for entry in json.loads(text))


def _name(entry: Any, place: int) -> str:
    return repr(entry["id"]) if isinstance(entry, Mapping) and "id" in entry else f"number {place}"
