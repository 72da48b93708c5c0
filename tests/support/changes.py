"""Changes that a user makes to a finished study, and the docs' table of what runs again after each."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from tests.support.sandbox import Sandbox

#: Rules by what they cost, dearest first; all others are bookkeeping.
STAGES = {
    "models": ("collect_paths", "collect_tails", "collect_traces", "measure_prompts"),
    "counts": ("replay_records", "replay", "aggregate", "aggregate_part"),
    "tables": ("tabulate_",),
    "figures": ("draw_", "write_report"),
}
FIRST, LAST = "<!-- made by tests/workflow/test_docs_change_one_thing.py: begin -->\n", "<!-- end -->\n"


@dataclass(frozen=True)
class Change:
    """An edit of a file, of the prompts, or of the config."""

    what: str
    file: str = ""
    old: str = ""
    new: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)

    @contextmanager
    def made(self, sandbox: Sandbox, study: Mapping[str, Any]) -> Iterator[None]:
        """Make the change for the length of a block."""
        if self.file:
            with sandbox.edited(self.file, self.old, self.new):
                yield
            return
        sandbox.write_config(**{**deepcopy(study), **self.config})
        try:
            yield
        finally:
            sandbox.write_config(**study)


def code(what: str, file: str) -> Change:
    return Change(what, file=file, old='"""', new='"""Edited. ')


def changes(study: Mapping[str, Any]) -> list[Change]:
    """Return the rows of the table; `study` is the tiny study's config."""
    settings = study["settings"]
    swept = {"schedule": "constant", "num_assistant_tokens": 2}
    merged = {"name": "binary", "column": "group", "map": {"women": "binary", "men": "binary"}}
    return [
        Change("a caption", "config/figures.yaml", "caption: >-\n", "caption: >-\n    Edited.\n"),
        code("a colour, the style of all figures", "src/specgap/figures/style.py"),
        code("how one kind of figure is drawn", "src/specgap/figures/calibration.py"),
        code("the page of the report", "src/specgap/report/page.py"),
        code("how a table is computed", "src/specgap/tables/differences.py"),
        Change("`bins`", config={"bins": {"probability": 25}}),
        Change("one more grouping", config={"groupings": ["group", merged]}),
        Change("a group's name", "prompts.csv", "women", "everyone"),
        Change("one prompt's text", "prompts.csv", "they dreamt of", "they thought of"),
        Change("one more sample", config={"samples": study["samples"] + 1}),
        Change("one more schedule to be counted", config={"settings": [*settings, swept]}),
        Change(
            "one more schedule of real rounds",
            config={"settings": [*settings, {**swept, "collector": "assisted"}]},
        ),
        Change("`seed`", config={"seed": 2}),
        Change("`batch`", config={"batch": 3}),
        code("how rows are traced", "src/specgap/trace/paths.py"),
        Change(
            "a library's version, in `envs/trace.yaml`", "envs/trace.yaml", "pytorch >=2.5", "pytorch >=2.6"
        ),
    ]


def table(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Return the table as Markdown; `counts` gives each change's jobs by rule."""
    lines = ["| you change | " + " | ".join(STAGES) + " |", "|---" * (len(STAGES) + 1) + "|"]
    for what, jobs in counts.items():
        cells = [_cell(jobs, prefixes) for prefixes in STAGES.values()]
        lines.append(f"| {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(jobs: Mapping[str, int], prefixes: Sequence[str]) -> str:
    rules = [
        rule for rule in jobs if any(rule == p or (p[-1] == "_" and rule.startswith(p)) for p in prefixes)
    ]
    return ", ".join(f"`{rule}` {jobs[rule]}" for rule in sorted(rules)) or "—"
