"""The report: one HTML file with everything inside, readable without a network and without scripts."""

import base64
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from specgap.errors import TableError
from specgap.figures.facts import CellFacts, rate_text
from specgap.figures.visible import one_line
from specgap.files import read_json, write_text
from specgap.report.images import Picture, picture
from specgap.report.rows import HtmlTable, html_table
from specgap.report.sentences import about_groups, about_pairs, about_settings
from specgap.report.words import DEFINITIONS, OF_TOKENS, caveats
from specgap.tables.csv import read_table

#: Rows of each group and verdict in the tables of surer tokens.
_TOP_TOKENS = 5
_SETTINGS = "all"
_PAIRS = "all"


@dataclass(frozen=True)
class StudyFacts:
    """What the page says of the whole study.

    `facts` are shown as they come (name to value), `pairs` hold those of each pair, `notices` what reading
    the prompts reported. `prompts_table` is `prompts.csv`; `demo_pairs` are pairs that specgap trains itself.
    """

    title: str
    facts: Mapping[str, str]
    pairs: Mapping[str, Mapping[str, str]]
    prompts_table: Path
    demo_pairs: Sequence[str] = ()
    notices: Sequence[str] = ()
    #: False for a study of a server's counts, which knows nothing of p and q.
    has_tokens: bool = True


@dataclass(frozen=True)
class CellPart:
    """One cell of the page: facts, the index of its figures, which lie beside it, the folder of its tables.

    `table_names` are the tables that such a cell has: one of a setting, or that over all settings.
    """

    facts: CellFacts
    index: Path
    tables: Path
    table_names: Sequence[str]


@dataclass(frozen=True)
class _Figure:
    anchor: str
    title: str
    caption: str
    alt: str
    picture: Picture
    link: str


@dataclass(frozen=True)
class _Section:
    """A cell as the template sees it; the first of a pair and decoding stands open."""

    anchor: str
    heading: str
    is_open: bool
    facts: Sequence[tuple[str, str]]
    sentences: Sequence[str]
    figures: Sequence[_Figure]
    by_group: Sequence[_Figure]
    tables: Sequence[HtmlTable]


@dataclass(frozen=True)
class _Chapter:
    """A pair under a decoding; `claim` is what its main setting comes to, "" where none has figures."""

    anchor: str
    heading: str
    setting: str
    claim: str
    sections: Sequence[_Section]


def write_page(path: Path, study: StudyFacts, cells: Sequence[CellPart]) -> None:
    """Write the report. Cells come in the order they are shown: the main setting of a decoding first."""
    environment = Environment(
        loader=PackageLoader("specgap.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    style, script = (_source(environment, name) for name in ("page.css", "page.js"))
    html = environment.get_template("page.html.j2").render(
        study=study,
        chapters=list(_chapters(cells, path.parent)),
        prompts=html_table(
            study.prompts_table,
            "prompts",
            title="Prompts by group",
            link=_link(study.prompts_table, path.parent),
        ),
        caveats=caveats(
            demo_pairs=study.demo_pairs,
            one_term_groups=_one_term_groups(study.prompts_table, cells),
            modes=[cell.facts.mode for cell in cells] if study.has_tokens else [],
            pilot=next((cell.facts.pilot for cell in cells), None),
            partial=any(cell.facts.partial for cell in cells),
        ),
        definitions=[one for one in DEFINITIONS if study.has_tokens or one[0] not in OF_TOKENS],
        style=Markup(style),
        script=Markup(script),
        style_digest=_digest(style),
        script_digest=_digest(script),
    )
    write_text(path, html)


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _one_term_groups(prompts_table: Path, cells: Sequence[CellPart]) -> list[str]:
    table = read_table(prompts_table)
    main = {cell.facts.grouping for cell in cells}
    rows = table[(table["n_terms"] == 1) & table["grouping"].isin(main)]
    return [one_line(group) for group in dict.fromkeys(rows["group"])]


def _chapters(cells: Sequence[CellPart], home: Path) -> Iterator[_Chapter]:
    by_chapter: dict[tuple[str, str], list[CellPart]] = {}
    for cell in cells:
        by_chapter.setdefault((cell.facts.pair, cell.facts.decoding), []).append(cell)
    for (pair, decoding), of in by_chapter.items():
        mode, setting = of[0].facts.mode, of[0].facts.setting
        shown = decoding if decoding == mode else f"{decoding} ({mode})"
        sections = [_section(cell, home, is_open=place == 0) for place, cell in enumerate(of)]
        claim = (
            "" if setting == _SETTINGS else " ".join(sections[0].sentences[: None if pair == _PAIRS else 1])
        )
        heading = f"{'Pairs side by side' if pair == _PAIRS else f'Pair {pair}'}, {shown} decoding"
        yield _Chapter(f"{pair}--{decoding}", heading, setting, claim, sections)


def _section(cell: CellPart, home: Path, *, is_open: bool) -> _Section:
    facts = cell.facts
    anchor = f"{facts.pair}--{facts.decoding}--{facts.setting}"
    entries = _index(cell.index)
    figures = [_figure(entry, cell.index.parent, anchor, home) for entry in entries]
    of_group = [entry["group"] is not None for entry in entries]
    over_settings = facts.setting == _SETTINGS
    return _Section(
        anchor,
        "All settings" if over_settings else f"{facts.setting}{', the main setting' if is_open else ''}",
        is_open,
        _cell_facts(facts),
        _sentences(cell),
        [figure for figure, one_group in zip(figures, of_group, strict=True) if not one_group],
        [figure for figure, one_group in zip(figures, of_group, strict=True) if one_group],
        list(_tables(cell, home)),
    )


def _sentences(cell: CellPart) -> list[str]:
    if cell.facts.pair == _PAIRS:
        return about_pairs(cell.tables)
    if cell.facts.setting == _SETTINGS:
        return about_settings(cell.tables, cell.table_names)
    return about_groups(cell.tables)


def _index(path: Path) -> list[dict[str, Any]]:
    try:
        entries = read_json(path)
    except (OSError, ValueError) as error:
        raise TableError(f"{path} cannot be read ({error}); wanted the index of a cell's figures") from error
    if not isinstance(entries, list):
        raise TableError(f"{path} holds {type(entries).__name__}; wanted a list of figures")
    return entries


def _figure(entry: Mapping[str, Any], folder: Path, anchor: str, home: Path) -> _Figure:
    return _Figure(
        f"{anchor}--{entry['stem']}",
        one_line(entry["title"]),
        one_line(entry["caption"]),
        one_line(entry["alt"]),
        picture(folder / entry["png"]),
        _link(folder / entry["pdf"], home),
    )


def _cell_facts(facts: CellFacts) -> list[tuple[str, str]]:
    of_one = [("target", facts.target), ("draft", facts.draft)]
    return [
        *([("pairs", f"{facts.n_pairs}: {facts.target}, {facts.draft}")] if facts.pair == _PAIRS else of_one),
        ("mode", facts.mode),
        ("settings" if facts.setting == _SETTINGS else "setting", _setting(facts)),
        ("prompts", f"{facts.n_prompts:,}"),
        ("judged tokens", f"{facts.n_judged:,}"),
        ("acceptance rate", rate_text(facts)),
        *([("pilot", f"at most {facts.pilot} prompts per group")] if facts.pilot is not None else []),
        *([("partial", facts.partial)] if facts.partial else []),
    ]


def _setting(facts: CellFacts) -> str:
    return str(facts.n_settings) if facts.setting == _SETTINGS else facts.setting


def _tables(cell: CellPart, home: Path) -> Iterator[HtmlTable]:
    if cell.facts.pair == _PAIRS:
        return _pairs_tables(cell, home)
    return _settings_tables(cell, home) if cell.facts.setting == _SETTINGS else _cell_tables(cell, home)


def _pairs_tables(cell: CellPart, home: Path) -> Iterator[HtmlTable]:
    for name, title in (("pairs_overview", "Pairs by group"), ("pair_differences", "Drafts of one target")):
        path = cell.tables / f"{name}.csv"
        table = html_table(path, name, title=title, link=_link(path, home))
        if table.rows:
            yield table


def _cell_tables(cell: CellPart, home: Path) -> Iterator[HtmlTable]:
    for name, title, top in (
        ("acceptance", "Acceptance by group", None),
        ("intervals", "Rates with both intervals", None),
        ("group_differences", "Differences between groups", None),
        ("adjusted_differences", "Differences at equal length, log-probability and entropy", None),
        ("distances", "Distances between distributions", None),
        ("standardised_acceptance", "Rates at one mix of draft positions", None),
        ("distinctive_tokens", "Tokens that tell a group from the rest (exploratory)", _TOP_TOKENS),
        ("surer_tokens", "Tokens of which the draft is surer, most frequent first", _TOP_TOKENS),
        ("mixed_model", "Appendix: a mixed model", None),
    ):
        if name in cell.table_names:
            path = cell.tables / f"{name}.csv"
            yield html_table(path, name, title=title, link=_link(path, home), top=top)


def _settings_tables(cell: CellPart, home: Path) -> Iterator[HtmlTable]:
    for name, title in (
        ("settings", "Settings"),
        ("best_schedule", "Best setting by group"),
        ("cross_check", "Replay beside real rounds"),
    ):
        if name in cell.table_names:
            path = cell.tables / f"{name}.csv"
            yield html_table(path, name, title=title, link=_link(path, home))


def _link(path: Path, home: Path) -> str:
    """Return a relative link: the page's only way out, and only within the results."""
    return quote(Path(os.path.relpath(path, home)).as_posix())
