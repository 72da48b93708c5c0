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
    Statistics,
)
from specgap.consistency import OVERALL, check_counts, check_names, check_settings
from specgap.errors import ConfigError
from specgap.names import plain_path
from specgap.served import of_counts
from specgap.settings import (
    Block,
    Decoding,
    Model,
    Pair,
    PromptFormat,
    Setting,
    StudyCollector,
    expanded,
)
from specgap.validation import read_yaml, validated

Auto = Literal["auto"]
#: Settings that have figures where the config names none and has more: those of the original study.
_DRAWN = ("heuristic-5", "constant-5", "constant-20")


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
    collector: StudyCollector = Field(
        "replay",
        description="How traces are collected: `replay` counts every setting from one pass over target "
        "paths, `assisted` is transformers' own generation, `batched` real rounds of many prompts at once; "
        "`counts` traces nothing and takes each pair's `counts`.",
    )
    tails: Literal["none", "counts", "full"] = Field(
        "counts",
        description="`replay`: what is computed of discarded tokens: nothing, their number with q, or p too. "
        "Settings with figures keep records and always have all of it.",
    )
    batch: int = Field(
        256,
        ge=1,
        le=65_536,
        description="`replay` and `batched`: prompts computed at once, halved where memory runs out; "
        "in float32 no token depends on it.",
    )
    cost_ratio: float | None = Field(
        None,
        gt=0,
        description="Cost of a draft call / of a target call, for the modelled speed-up; the ratio of the "
        "models' parameters, embeddings included, when left out.",
    )
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
    statistics: Statistics = Field(default_factory=Statistics, description="How groups are compared.")
    bins: Bins = Field(default_factory=Bins, description="Grids of the histograms.")
    over_confident_ratio: float = Field(
        2.0, ge=1, description="A token is over-confident where q ≥ ratio · p."
    )
    figures: FigureChoice = Field(default_factory=FigureChoice, description="What is drawn.")
    bundled: bool = Field(
        False, description="Set in the config of an unpacked bundle: counts are there, nothing is traced."
    )
    partial: bool = Field(
        False,
        description="Count the whole shards there are so far, trace nothing; in `partial/` under `results`.",
    )
    absent: list[str] = Field(
        default_factory=list, description="Set with `partial`: cells without a shard, which have no figures."
    )

    @field_validator("partial", mode="before")
    @classmethod
    def _is_said_on_a_command_line(cls, value: Any) -> Any:
        # Snakemake's `--config partial=true` is a text.
        return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
            raise ValueError(f"{value!r} is no device; wanted auto, cpu, mps, cuda or cuda:N")
        return value

    @field_validator("settings", mode="before")
    @classmethod
    def _takes_lists_apart(cls, value: Any) -> Any:
        return expanded(value)

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
        return of_counts(value) if value.get("collector") == "counts" else value

    @model_validator(mode="after")
    def _consistent(self) -> "Study":
        check_names(self)
        check_settings(self)
        check_counts(self)
        return self

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
        """Return the settings traced under a decoding, in the config's order.

        A replay that carries γ through all prompts has no value for some of them, so none where `partial`.
        """
        chosen = self.decodings[decoding].settings
        traced = [setting for setting in self.settings if chosen is None or setting.name in chosen]
        if not self.partial:
            return traced
        return [one for one in traced if not (one.carry_state and self.collector_of(one) == "replay")]

    def figure_settings_of(self, decoding: str) -> list[Setting]:
        """Return the settings that have figures under a decoding; the main one comes first."""
        traced = self.settings_of(decoding)
        by_name = {setting.name: setting for setting in traced}
        chosen = self.figures.settings
        if chosen is None:
            if len(traced) <= len(_DRAWN):
                return traced
            chosen = [name for name in _DRAWN if name in by_name] or list(by_name)[: len(_DRAWN)]
        return [by_name[name] for name in chosen if name in by_name]

    def whole_settings_of(self, decoding: str) -> list[Setting]:
        """Return those of `figure_settings_of` that have the whole figure set."""
        drawn = self.figure_settings_of(decoding)
        return drawn if self.figures.whole_set == "all" else drawn[:1]

    def collector_of(self, setting: Setting) -> StudyCollector:
        """Return how a setting's records come about."""
        return setting.collector or self.collector

    def replayed_settings_of(self, decoding: str) -> list[Setting]:
        """Return the settings that are replayed over the paths of a decoding."""
        return [s for s in self.settings_of(decoding) if self.collector_of(s) == "replay"]

    def stored_settings_of(self, decoding: str) -> list[Setting]:
        """Return the settings whose traces and rounds are kept: those with figures, and all real rounds."""
        drawn = self.figure_settings_of(decoding)
        return [
            setting
            for setting in self.settings_of(decoding)
            if (collector := self.collector_of(setting)) != "counts"
            and (setting in drawn or collector != "replay")
        ]

    def swept_settings_of(self, decoding: str) -> list[Setting]:
        """Return the settings that are counted as they are replayed, without records."""
        stored = self.stored_settings_of(decoding)
        return [s for s in self.replayed_settings_of(decoding) if s not in stored]

    def tailed_settings_of(self, decoding: str, *, full: bool) -> list[Setting]:
        """Return the replayed settings whose discarded tokens are wanted; `full`: those that want p too."""
        stored = self.stored_settings_of(decoding)
        wanted = self.tails == "full" or (self.tails == "counts" and not full)
        return [s for s in self.replayed_settings_of(decoding) if wanted or s in stored]

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
            cut: dict[tuple[float, str, int | None], list[str]] = {}
            for setting in self.settings_of(name):
                if setting.num_assistant_tokens >= decoding.max_new_tokens - 1 and not setting.carry_state:
                    run = (setting.confidence_threshold, self.collector_of(setting), setting.limit)
                    cut.setdefault(run, []).append(setting.name)
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
    "Statistics",
    "Study",
    "load",
    "parse",
]
