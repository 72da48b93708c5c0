"""The configuration of a study: every key, its default and what it means, in one place.

`load` reads a YAML file, `parse` a mapping that is already loaded (as Snakemake has it). Both return a
`Study` or raise a `ConfigError` of one sentence. No model and no prompt file is opened here.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from specgap.blocks import (
    EMBEDDED_PROMPTS,
    Aggregate,
    Bins,
    FigureChoice,
    Grouping,
    Prompts,
    Resources,
    Shards,
)
from specgap.errors import ConfigError
from specgap.names import check_name, plain_path
from specgap.settings import Block, Decoding, Model, Pair, PromptFormat, Setting
from specgap.validation import read_yaml, validated

#: Grouping that every study has: all prompts, each once.
OVERALL = "overall"

Auto = Literal["auto"]


class Study(Block):
    """A whole study."""

    results: str = Field("results", min_length=1, description="Folder for everything computed.")
    resources_folder: str = Field(
        "resources", min_length=1, description="Folder for models and downloads, shared between studies."
    )
    seed: int = Field(20_241_124, ge=0, lt=2**63, description="Seed of every draw.")
    samples: int = Field(
        1, ge=1, le=65_000, description="Continuations per prompt when sampling; greedy has one."
    )
    device: str = Field("auto", description="`auto` (CUDA, MPS, CPU), `cpu`, `cuda`, `cuda:N` or `mps`.")
    resources: Resources = Field(default_factory=Resources, description="What a trace job is given.")
    collector: Literal["assisted"] = Field("assisted", description="How traces are collected.")
    prompts: Prompts = Field(default_factory=Prompts, description="A path, several paths, or a block.")
    prompt_format: PromptFormat = Field(
        default_factory=PromptFormat, description="`raw`, `chat`, or a block."
    )
    limit: int | None = Field(
        None, ge=1, description="Prompts per group for a pilot, spread over terms and templates."
    )
    groupings: list[Grouping] | Auto = Field(
        "auto",
        description="Columns, or maps of columns; the first is the main one. `auto`: `category` or `group`.",
    )
    unit: str | None = Field(
        "auto",
        description="Column of the identity term, the unit of claims. `auto`: `identity` or `term`.",
    )
    block: str | None = Field("auto", description="Column of the template. `auto`: `raw` or `template`.")
    strata: list[str] = Field(
        default_factory=list, description="Columns whose values are compared only within."
    )
    pairs: dict[str, Pair] = Field(
        default_factory=lambda: {"demo": "demo"},
        validate_default=True,
        description="Name to pair of models.",
    )
    decodings: dict[str, Decoding] = Field(
        default_factory=lambda: {"sampled": Decoding()}, description="Name to decoding."
    )
    settings: list[Setting] = Field(
        default_factory=lambda: [
            Setting(schedule="heuristic", num_assistant_tokens=5),
            Setting(schedule="constant", num_assistant_tokens=5),
            Setting(schedule="constant", num_assistant_tokens=20),
        ],
        description="Schedule settings.",
    )
    shards: Shards = Field(default_factory=Shards, description="How a trace is cut.")
    aggregate: Aggregate = Field(default_factory=Aggregate, description="How rows are counted.")
    bins: Bins = Field(default_factory=Bins, description="Grids of the histograms.")
    over_confident_ratio: float = Field(
        2.0, ge=1, description="A token is over-confident where q ≥ ratio · p."
    )
    figures: FigureChoice = Field(default_factory=FigureChoice, description="What is drawn.")

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
            raise ValueError(f"{value!r} is no device; wanted auto, cpu, mps, cuda or cuda:N")
        return value

    @field_validator("results", "resources_folder")
    @classmethod
    def _is_a_path(cls, value: str) -> str:
        return plain_path(value)

    @model_validator(mode="before")
    @classmethod
    def _shorthands(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        value = dict(value)
        if isinstance(value.get("prompt_format"), str):
            value["prompt_format"] = {"kind": value["prompt_format"]}
        pairs = value.get("pairs", {"demo": "demo"})
        if isinstance(pairs, Mapping):
            folder = f"{value.get('resources_folder', 'resources')}/models/demo"
            if not folder.startswith(("/", "./", "../", "~")):
                folder = f"./{folder}"  # a path, so that no hub id can be meant
            demo = {"target": f"{folder}/target", "draft": f"{folder}/draft"}
            value["pairs"] = {name: demo if pair == "demo" else pair for name, pair in pairs.items()}
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "Study":
        self._check_names()
        self._check_settings()
        return self

    def _check_names(self) -> None:
        for what, names in (("a pair", self.pairs), ("a decoding", self.decodings)):
            if not names:
                raise ValueError(f"no {what[2:]}s; wanted at least one")
            for name in names:
                check_name(name, what=what)
        for setting in self.settings:
            check_name(setting.name, what="a setting")
        if isinstance(self.groupings, list):
            names_seen = [grouping.name for grouping in self.groupings]
            for name in names_seen:
                check_name(name, what="a grouping")
                if names_seen.count(name) > 1 or name == OVERALL:
                    raise ValueError(
                        f"a grouping named {name!r}, twice or taken; wanted each once, and not {OVERALL!r}"
                    )
            if not names_seen:
                raise ValueError("no groupings; wanted at least one")

    def _check_settings(self) -> None:
        names = [setting.name for setting in self.settings]
        if not names:
            raise ValueError("no settings; wanted at least one")
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two settings named {name!r}; wanted each name once")
        listed = [(f"decodings.{key}.settings", d.settings or []) for key, d in self.decodings.items()]
        if self.results == self.resources_folder:
            raise ValueError(f"results and resources_folder are both {self.results!r}; wanted two folders")
        for key, chosen in [*listed, ("figures.settings", self.figures.settings or [])]:
            for name in chosen:
                if chosen.count(name) > 1:
                    raise ValueError(f"{key} lists {name!r} twice; wanted each setting once")
                if name not in names:
                    raise ValueError(f"{key} lists {name!r}; wanted one of {', '.join(names)}")

    # What follows from the keys ------------------------------------------------------------------

    def setting(self, name: str) -> Setting:
        """Return the setting of this name."""
        for setting in self.settings:
            if setting.name == name:
                return setting
        raise ConfigError(
            f"there is no setting {name!r}; wanted one of {', '.join(s.name for s in self.settings)}"
        )

    def settings_of(self, decoding: str) -> list[Setting]:
        """Return the settings traced under a decoding, in the config's order."""
        chosen = self.decodings[decoding].settings
        return [setting for setting in self.settings if chosen is None or setting.name in chosen]

    def figure_settings_of(self, decoding: str) -> list[Setting]:
        """Return the settings that get the full figure set under a decoding; the main one comes first."""
        traced = self.settings_of(decoding)
        if self.figures.settings is None:
            return traced
        by_name = {setting.name: setting for setting in traced}
        return [by_name[name] for name in self.figures.settings if name in by_name]

    def samples_of(self, decoding: str) -> int:
        """Return the number of continuations per prompt: greedy decoding has one."""
        return 1 if self.decodings[decoding].mode == "greedy" else self.samples

    def trains(self, model: Model) -> bool:
        """Return whether the workflow trains this model itself, as half of the pair called `demo`."""
        return Path(model.source).parent == Path(self.resources_folder) / "models" / "demo"

    def settings_that_cannot_differ(self) -> list[tuple[str, list[str]]]:
        """Return (decoding, settings) where the length limit makes several settings the same run.

        A round drafts at most `max_new_tokens − 1` tokens less those emitted. γ that starts there or above
        never falls below, since it shrinks by at most 1 a round, in which at least one token is emitted.
        """
        same = []
        for name, decoding in self.decodings.items():
            cut: dict[tuple[float, str | None], list[str]] = {}
            for setting in self.settings_of(name):
                if setting.num_assistant_tokens >= decoding.max_new_tokens - 1 and not setting.carry_state:
                    cut.setdefault((setting.confidence_threshold, setting.collector), []).append(setting.name)
            same += [(name, settings) for settings in cut.values() if len(settings) > 1]
        return same


def load(path: Path) -> Study:
    """Read a study's configuration from a YAML (or JSON) file."""
    return parse(read_yaml(path), source=str(path))


def parse(raw: Any, *, source: str) -> Study:
    """Validate a mapping as a study; `source` is the file that errors name."""
    return validated(Study, raw, source=source)


__all__ = [
    "EMBEDDED_PROMPTS",
    "OVERALL",
    "Aggregate",
    "Bins",
    "Decoding",
    "Grouping",
    "Model",
    "Pair",
    "PromptFormat",
    "Prompts",
    "Setting",
    "Shards",
    "Study",
    "load",
    "parse",
]
