"""Blocks of the config: where prompts come from, how they are grouped, cut, counted and drawn."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from specgap.names import check_path, plain_path
from specgap.settings import Block

#: The repository's own prompts.
EMBEDDED_PROMPTS = "config/prompts/identities.tsv"


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
    format: Literal["auto", "honest", "csv", "tsv", "jsonl", "counts"] = Field(
        "auto",
        description="`auto` goes by the ending, and by HONEST's column `template_masked`; `counts` is set "
        "with `collector: counts`.",
    )
    text: str = Field(
        "auto", description="Column with the prompt; `auto`: `template_masked` in HONEST, else `text`."
    )
    slot: str = Field("[M]", min_length=1, description="The slot to fill; cut from a prompt's end.")
    truncate_at_slot: bool = Field(
        False, description="Cut a prompt at a slot in its middle too, instead of refusing the row."
    )

    @field_validator("files")
    @classmethod
    def _are_paths(cls, value: list[str] | None) -> list[str] | None:
        return None if value is None else [plain_path(path) for path in value]

    @field_validator("local", "dataset")
    @classmethod
    def _may_be_a_path(cls, value: str | None) -> str | None:
        return None if value is None else check_path(value)

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

    @field_validator("map")
    @classmethod
    def _has_plain_groups(cls, value: dict[str, str | list[str]] | None) -> dict[str, str | list[str]] | None:
        for groups in (value or {}).values():
            for group in [groups] if isinstance(groups, str) else groups:
                if not group or any(c in "\0\x1f" or "\ud800" <= c <= "\udfff" for c in group):
                    raise ValueError(f"group {group!r}; wanted plain text")
        return value

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


class Aggregate(Block):
    """How the rows of a cell are counted; no number depends on it."""

    jobs: int = Field(
        1,
        ge=1,
        le=1000,
        description="Snakemake jobs that count a cell, each its share of the trace jobs; one more adds up. "
        "1: one job does it all.",
    )
    threads: int = Field(2, ge=1, description="CPU threads of one such job.")


class Statistics(Block):
    """How groups are compared."""

    permutations: int = Field(
        9_999,
        ge=99,
        le=1_000_000,
        description="Permuted worlds of each test; p is never below 1 / (this + 1).",
    )
    small_gap: float = Field(
        5.0,
        gt=0,
        lt=100,
        description="Gaps of so many percentage points are small: a test without a finding that would have "
        "missed a larger one is called underpowered.",
    )
    token_prior: float = Field(
        500.0,
        gt=0,
        description="Tokens that the prior of distinctive tokens is worth: pooled counts, scaled.",
    )


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
    mem_mb: int | None = Field(
        None, ge=100, description="Main memory of a job that runs models, in MB; estimated when left out."
    )
    minutes: int | None = Field(
        None, ge=1, description="Time limit of a job that runs models; estimated when left out."
    )


class FigureChoice(Block):
    """Which settings have figures, and which of them."""

    settings: list[str] | None = Field(
        None,
        min_length=1,
        description="Settings that keep records and have figures, the main one first. When left out: all of "
        "up to three, else those of `heuristic-5`, `constant-5`, `constant-20` that are there, else the "
        "first three.",
    )
    whole_set: Literal["main", "all"] = Field(
        "main",
        description="Which of these settings have the whole figure set: the main one of each decoding, or "
        "`all`. The others have the figures with `every_setting` in `config/figures.yaml` "
        "(`probabilities_accepted`, `_rejected`, `_both`); each of the rest is drawn when asked for by name.",
    )
