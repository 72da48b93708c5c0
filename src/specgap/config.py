"""The configuration of a study: every key, its default and what it means, in one place.

`load` reads a YAML file, `parse` a mapping that is already loaded (as Snakemake has it). Both return a
`Study` or raise a `ConfigError` of one sentence. No model and no prompt file is opened here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from specgap.errors import ConfigError
from specgap.names import check_name
from specgap.settings import Block, Decoding, Model, Pair, PromptFormat, Setting
from specgap.validation import read_yaml, validated

#: Grouping that every study has: all prompts, each once.
OVERALL = "overall"
#: The repository's own prompts.
EMBEDDED_PROMPTS = "config/prompts/identities.tsv"

Auto = Literal["auto"]


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Prompts(Block):
    """Where the prompts come from. One file or dataset, or several of the same columns."""

    files: Annotated[list[str] | None, BeforeValidator(_one_or_many)] = Field(
        None,
        description=f"Prompt files: HONEST TSV, CSV, TSV or JSONL; else `{EMBEDDED_PROMPTS}`.",
    )
    dataset: str | None = Field(
        None,
        description="Hugging Face dataset id or folder, instead of `files` (needs the `datasets` extra).",
    )
    name: str | None = Field(None, description="Configuration of the dataset, where it has several.")
    split: str = Field("train", description="Split of the dataset.")
    revision: str | None = Field(None, description="Revision of the dataset.")
    fetch: Literal["honest"] | None = Field(
        None,
        description="`honest`: a rule downloads HONEST's two files and checks their SHA-256.",
    )
    local: str | None = Field(None, description="With `fetch`: a folder that holds the two files already.")
    format: Literal["auto", "honest", "csv", "tsv", "jsonl"] = Field(
        "auto", description="`auto` goes by the ending, and by HONEST's column `template_masked`."
    )
    text: str = Field(
        "auto", description="Column with the prompt; `auto`: `template_masked` in HONEST, else `text`."
    )
    slot: str = Field("[M]", min_length=1, description="The slot to fill; cut from a prompt's end.")
    truncate_at_slot: bool = Field(
        False, description="Cut a prompt at a slot in its middle too, instead of refusing the row."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_paths(cls, value: Any) -> Any:
        return {"files": value} if isinstance(value, str | list) else value

    @model_validator(mode="after")
    def _one_source(self) -> "Prompts":
        given = [key for key in ("files", "dataset", "fetch") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} together; wanted one of files, dataset, fetch")
        if not given:
            object.__setattr__(self, "files", [EMBEDDED_PROMPTS])
        if self.files == []:
            raise ValueError("no files; wanted at least one")
        if self.local and not self.fetch:
            raise ValueError("local without fetch; wanted `fetch: honest` beside it")
        return self


class Grouping(Block):
    """A way to put prompts into groups: a column of the prompt file, its values mapped or not."""

    column: str = Field(min_length=1, description="Column of the prompt file.")
    name: str = Field("", description="Name of the grouping; the column's name when left out.")
    map: dict[str, str | list[str]] | None = Field(
        None, description="Value to group, or to several groups; values that are not named are in no group."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_column(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _named(self) -> "Grouping":
        if not self.name:
            object.__setattr__(self, "name", self.column)
        return self


class Shards(Block):
    """How a trace is cut into shards and jobs; no number depends on it."""

    number: int = Field(8, ge=1, le=100_000, description="Shards per sample: prompt id modulo this.")
    per_job: int = Field(8, ge=1, description="Shards that one Snakemake job computes.")
    threads: int = Field(1, ge=1, description="CPU threads of one trace job.")


class Bins(Block):
    """Numbers of bins of equal width (`joint`: equal steps of log10 from 1e-6 to 1, and one bin below)."""

    probability: int = Field(50, ge=2, le=10_000, description="Bins of p and of q on [0, 1].")
    difference: int = Field(
        80, ge=2, le=10_000, description="Bins of p − q on [−1, 1]; even, so that 0 is an edge."
    )
    joint_per_decade: Literal[1, 2, 4, 8] = Field(
        8, description="Bins per decade and axis of the p × q histogram."
    )

    @field_validator("difference")
    @classmethod
    def _zero_is_an_edge(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"{value} bins of p − q; wanted an even number, so that 0 is an edge")
        return value


class Resources(Block):
    """What the machine gives a trace job."""

    gpu: int = Field(
        0, ge=0, description="GPUs per trace job; with one given, `device: auto` never falls back to CPU."
    )


class FigureChoice(Block):
    """Which settings get the full figure set."""

    settings: list[str] | None = Field(
        None,
        description="Settings with the full figure set, the main one first; all when left out.",
    )


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
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="`auto` (CUDA, MPS, CPU), `cpu`, `cuda`, `cuda:N` or `mps`.",
    )
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
    bins: Bins = Field(default_factory=Bins, description="Grids of the histograms.")
    over_confident_ratio: float = Field(
        2.0, ge=1, description="A token is over-confident where q ≥ ratio · p."
    )
    figures: FigureChoice = Field(default_factory=FigureChoice, description="What is drawn.")

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
                        f"two groupings named {name!r}; wanted each name once ({OVERALL!r} is taken)"
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
        for key, chosen in [*listed, ("figures.settings", self.figures.settings or [])]:
            for name in chosen:
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
        """Return (decoding, settings) where the length limit makes several constant settings the same run.

        A round drafts at most `max_new_tokens − 1` tokens, so constant settings at or above it coincide.
        """
        same = []
        for name, decoding in self.decodings.items():
            longest = decoding.max_new_tokens - 1
            cut: dict[tuple[float, str | None], list[str]] = {}
            for setting in self.settings_of(name):
                if setting.schedule == "constant" and setting.num_assistant_tokens >= longest:
                    cut.setdefault((setting.confidence_threshold, setting.collector), []).append(setting.name)
            same += [(name, settings) for settings in cut.values() if len(settings) > 1]
        return same


def load(path: Path) -> Study:
    """Read a study's configuration from a YAML (or JSON) file."""
    return parse(read_yaml(path), source=str(path))


def parse(raw: Any, *, source: str) -> Study:
    """Validate a mapping as a study; `source` is the file that errors name."""
    return validated(Study, {} if raw is None else raw, source=source)


__all__ = [
    "OVERALL",
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
