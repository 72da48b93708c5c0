"""Changes that a user makes to a finished study, what runs again after each, and the docs' table of them.

The study is the tiny one of `tests/workflow/conftest.py`. `tests/workflow/test_what_reruns.py` makes every
change and holds Snakemake's dry run against `reruns`; `docs/change_one_thing.md` shows the documented ones.
`python -m tests.support.changes` (`make docs`) writes the page's table.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.sandbox import ROOT, Sandbox

PAGE = ROOT / "docs/change_one_thing.md"
FIRST, LAST = "<!-- made by `make docs` from tests/support/changes.py: begin -->\n", "<!-- end -->\n"
#: Rules by what they cost, dearest first; all others are bookkeeping.
STAGES = {
    "models": ("collect_paths", "collect_tails", "collect_traces", "measure_prompts"),
    "counts": ("replay_records", "replay", "aggregate", "aggregate_part"),
    "tables": ("tabulate_",),
    "figures": ("draw_", "write_report"),
}

Jobs = Mapping[str, int]

FIGURES: Jobs = {"draw_figures": 1, "draw_figures_greedy": 1, "draw_settings_figures": 1, "write_report": 1}
SETTINGS_FIGURES: Jobs = {"draw_settings_figures": 1, "write_report": 1}
#: What follows from new counts in all four cells: three with records and one that is only counted.
TABLES: Jobs = {
    "tabulate_cell": 3,
    "tabulate_surer_tokens": 3,
    "tabulate_swept": 1,
    "tabulate_settings": 1,
    "tabulate_cross_check": 1,
}
#: Tables over settings that come from rounds and from paths; the greedy cell has one setting.
ROWS: Jobs = {"tabulate_schedule_state": 1, "tabulate_order_effect": 1}
COUNTS: Jobs = {"aggregate": 3, "replay": 1, **TABLES, **FIGURES}
#: What runs a model, but for the measures of the prompts.
MODELS: Jobs = {"collect_paths": 3, "collect_tails": 3, "collect_traces": 2}
#: One job of records for each sample of the sampled cell, one for the greedy one.
RECORDS: Jobs = {"replay_records": 3}
#: Of two cells that are counted again, of four.
TWO_CELLS: Jobs = {"aggregate": 2, "tabulate_cell": 2, "tabulate_surer_tokens": 2}
ONE_CELL: Jobs = {"aggregate": 1, "tabulate_cell": 1, "tabulate_surer_tokens": 1, "tabulate_settings": 1}
#: Other groups: prompts are read again, everything is counted, nothing is traced.
GROUPS: Jobs = {"prepare_prompts": 1, "tabulate_prompts": 1, **COUNTS, **ROWS}


def but(jobs: Jobs, *rules: str) -> Jobs:
    return {rule: count for rule, count in jobs.items() if rule not in rules}


@dataclass(frozen=True)
class Change:
    """An edit of a file (`old` for `new`) or of the config, and the jobs that run again after it.

    `documented` is what the docs' table calls it; `targets` are asked for in place of everything.
    """

    what: str
    reruns: Jobs
    file: str = ""
    old: str = ""
    new: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    documented: str = ""
    targets: Sequence[str] = ()

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


def changes(study: Mapping[str, Any]) -> list[Change]:
    """Return all changes; `study` is the tiny study's config."""
    return [*_code(), *_config(study), *_settings(study), *_prompts()]


def _code() -> list[Change]:
    def edited(what: str, file: str, reruns: Jobs, documented: str = "") -> Change:
        return Change(what, reruns, file, old='"""', new='"""Edited. ', documented=documented)

    caption, title = "caption: >-\n", "title: Probabilities of accepted tokens"
    return [
        Change(
            *("a caption redraws figures alone", FIGURES, "config/figures.yaml", caption),
            new=f"{caption}    Edited.\n",
            documented="a caption",
        ),
        Change(
            *("the title of one cell's figure leaves figures over settings alone",),
            *(but(FIGURES, "draw_settings_figures"), "config/figures.yaml", title),
            new=f"{title}, edited",
        ),
        edited(
            *("a colour redraws figures alone", "src/specgap/figures/style.py", FIGURES),
            documented="a colour, the style of all figures",
        ),
        edited(
            *("a figure's function redraws figures alone", "src/specgap/figures/calibration.py", FIGURES),
            documented="how one kind of figure is drawn",
        ),
        edited(
            *("the page writes the report alone", "src/specgap/report/page.py", {"write_report": 1}),
            documented="the page of the report",
        ),
        edited(
            *("a table's function tabulates and draws", "src/specgap/tables/differences.py"),
            {**TABLES, **ROWS, "tabulate_prompts": 1, **FIGURES},
            documented="how a table is computed",
        ),
        edited(
            *("code that traces is not followed", "src/specgap/trace/paths.py", {}),
            documented="how rows are traced",
        ),
        Change(
            *("a library's version runs nothing again without conda", {}),
            *("envs/trace.yaml", "pytorch >=2.5", "pytorch >=2.6"),
            documented="a library's version, in `envs/trace.yaml`",
        ),
    ]


def _config(study: Mapping[str, Any]) -> list[Change]:
    merged = {"name": "binary", "column": "group", "map": {"women": "binary", "men": "binary"}}
    figure = "results/figures/tiny/sampled/heuristic-3/likelihood_difference_women.pdf"
    sample = {"collect_paths": 1, "collect_tails": 1, "replay_records": 1, "collect_traces": 1}
    return [
        Change("a finished study has nothing to do", {}),
        Change(
            *("another bin grid counts again and traces nothing", COUNTS),
            config={"bins": {"probability": 25}},
            documented="`bins`",
        ),
        Change(
            # The greedy cell has one trace job, so one part: it stays. What is swept is counted in one pass.
            "another number of counting jobs counts again and traces nothing",
            {
                **but(COUNTS, "replay", "tabulate_swept", "draw_figures_greedy"),
                **TWO_CELLS,
                "aggregate_part": 4,
            },
            config={"aggregate": {"jobs": 2}},
        ),
        Change(
            "another seed traces everything and trains nothing",
            {**MODELS, **RECORDS, **COUNTS, **ROWS},
            config={"seed": 2},
            documented="`seed`",
        ),
        Change(
            "one more sample traces that sample alone",
            {**but(COUNTS, "draw_figures_greedy"), **ROWS, **TWO_CELLS, **sample},
            config={"samples": study["samples"] + 1},
            documented="one more sample",
        ),
        Change("another batch reruns nothing", {}, config={"batch": 3}, documented="`batch`"),
        Change(
            *("a merged grouping beside the first traces nothing", GROUPS),
            config={"groupings": ["group", merged]},
            documented="one more grouping",
        ),
        Change(
            *("a renamed grouping traces nothing", GROUPS),
            config={"groupings": [{"name": "people", "column": "group"}]},
        ),
        Change("one figure by name is redrawn alone", {"draw_figure": 1}, targets=[figure]),
        Change(
            "one figure by name waits for its tables alone",
            {"aggregate": 1, "tabulate_cell": 1, "draw_figure": 1},
            config={"bins": {"difference": 40}},
            targets=[figure],
        ),
    ]


def _settings(study: Mapping[str, Any]) -> list[Change]:
    settings = study["settings"]
    more = {"schedule": "constant", "num_assistant_tokens": 2}
    # Two samples of two settings: new records reach farther, and so do the tails of both.
    second = {
        "collect_tails": 2,
        "replay_records": 4,
        "tabulate_settings": 1,
        "tabulate_cross_check": 1,
        **ROWS,
        **TWO_CELLS,
        "draw_figures": 1,
        **SETTINGS_FIGURES,
    }
    few = {**second, "draw_few_figures": 1}
    both = ["heuristic-3", "constant-4"]
    return [
        Change(
            # Tails go to the end of the text where orders of groups are tried: they suffice for any setting.
            "one more setting to count runs no model",
            {"replay": 1, "tabulate_swept": 1, "tabulate_settings": 1, **SETTINGS_FIGURES},
            config={"settings": [*settings, more]},
            documented="one more schedule to be counted",
        ),
        Change(
            "one more setting with figures replays and draws it",
            {**few, "replay": 1, "tabulate_swept": 1},
            config={"settings": [*settings, more], "figures": {"settings": ["heuristic-3", "constant-2"]}},
        ),
        Change(
            "a second setting with figures has few of them",
            few,
            config={"figures": {"settings": both}},
        ),
        Change(
            "the whole set of all settings draws the second setting's too",
            {**second, "draw_figures": 2},
            config={"figures": {"settings": both, "whole_set": "all"}},
        ),
        Change(
            # constant-4 is none of the greedy settings.
            "each decoding draws the whole set of its own main setting",
            few,
            config={"figures": {"settings": both[::-1]}},
        ),
        Change(
            "one more setting of real rounds traces that setting alone",
            {"collect_traces": 2, **ONE_CELL, **SETTINGS_FIGURES},
            config={"settings": [*settings, {**more, "collector": "assisted"}]},
            documented="one more schedule of real rounds",
        ),
        Change(
            # The greedy paths had no setting without records.
            "without tails only settings with records run the draft again",
            {
                "collect_tails": 2,
                "replay_records": 2,
                "replay": 1,
                "tabulate_swept": 1,
                **ONE_CELL,
                "tabulate_cross_check": 1,
                "tabulate_schedule_state": 1,
                "draw_figures": 1,
                **SETTINGS_FIGURES,
            },
            config={"tails": "none"},
        ),
        Change(
            "a greater limit of a live check traces it alone",
            {"collect_traces": 2, **ONE_CELL, "tabulate_cross_check": 1, **SETTINGS_FIGURES},
            config={"settings": [*settings[:2], {**settings[2], "limit": 2}]},
        ),
    ]


def _prompts() -> list[Change]:
    return [
        Change(
            *("a renamed group traces nothing", GROUPS, "prompts.csv", "women", "everyone"),
            documented="a group's name",
        ),
        Change(
            # Every job has all three shards.
            "another prompt traces the jobs that have it",
            {**GROUPS, **MODELS, **RECORDS, "measure_prompts": 1},
            *("prompts.csv", "they dreamt of", "they thought of"),
            documented="one prompt's text",
        ),
    ]


def table(made: Sequence[Change]) -> str:
    """Return the docs' table as Markdown: a row for each documented change, its jobs by rule and stage."""
    lines = ["| you change | " + " | ".join(STAGES) + " |", "|---" * (len(STAGES) + 1) + "|"]
    for change in made:
        if change.documented:
            cells = [_cell(change.reruns, prefixes) for prefixes in STAGES.values()]
            lines.append(f"| {change.documented} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(jobs: Jobs, prefixes: Sequence[str]) -> str:
    rules = [
        rule for rule in jobs if any(rule == p or (p[-1] == "_" and rule.startswith(p)) for p in prefixes)
    ]
    return ", ".join(f"`{rule}` {jobs[rule]}" for rule in sorted(rules)) or "—"


def page(study: Mapping[str, Any], text: str) -> str:
    """Return the docs' page with the table that the changes give."""
    return f"{text.split(FIRST)[0]}{FIRST}{table(changes(study))}{LAST}{text.split(LAST)[1]}"


def main() -> None:
    from tests.workflow.conftest import STUDY

    PAGE.write_text(page(STUDY, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"specgap: {PAGE.relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
