import base64
import io
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from specgap.errors import TableError
from specgap.figures.draw import draw_many
from specgap.figures.plan import figures_of_cell, figures_of_pairs, figures_of_settings
from specgap.figures.visible import one_line
from specgap.report.images import picture
from specgap.report.page import CellPart, StudyFacts, write_page
from specgap.report.sentences import about_pairs, about_settings
from specgap.tables.csv import read_table, write_table
from specgap.tables.names import PAIRS_TABLES
from tests.support.drawing import SPECS, cell, facts_of, pairs_facts
from tests.support.synthetic_pairs import THREE_PAIRS, write_pairs
from tests.support.synthetic_tables import HOSTILE, without_terms, write_prompts, write_settings

pytestmark = pytest.mark.slow

#: Tables of a cell that the page shows.
SHOWN = ("acceptance", "intervals", "group_differences", "distinctive_tokens", "surer_tokens")


class Page(HTMLParser):
    """What a browser would find: tags with attributes, and the text outside of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._inside):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_a_picture_of_the_page_has_the_colours_of_the_file(tmp_path: Path) -> None:
    # A colour scale, the greys of smooth letters, and the few colours of lines: more than a palette holds.
    scale = (matplotlib.colormaps["cividis"](np.arange(256))[:, :3] * 255).astype(np.uint8)
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    lines = np.array([[230, 159, 0], [86, 180, 233], [0, 158, 115], [213, 94, 0]], dtype=np.uint8)
    image = np.full((300, 300, 3), 255, dtype=np.uint8)
    for place, colours in ((0, scale), (100, greys), (200, lines)):
        image[place : place + 20, : len(colours)] = colours
    Image.fromarray(image).save(tmp_path / "drawn.png")
    made = picture(tmp_path / "drawn.png")
    shown = Image.open(io.BytesIO(base64.b64decode(made.uri.split(",")[1]))).convert("RGB")
    assert shown.getpixel((299, 299)) == (255, 255, 255)
    assert np.abs(np.asarray(shown).astype(int) - image).max() <= 16
    assert (made.width, made.height) == (195, 195)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results")
    tables = cell(root / "tables", HOSTILE)
    chosen = [SPECS[name] for name in ("forest", "likelihood_difference", "schedule_sweep")]
    plans = {"heuristic-5": figures_of_cell(chosen, ["<script>alert(1)</script>"], "sampled")}
    plans["all"] = figures_of_settings(chosen, "sampled")
    for setting, plan in plans.items():
        figures = root / "figures" / setting
        source = tables / "all" if setting == "all" else tables
        facts = facts_of(source, setting=setting)
        draw_many(plan, figures, tables_folder=source, facts=facts, index=figures / "index.json")
    write_prompts(root / "prompts.csv", HOSTILE)
    return root


def written(root: Path, **more: object) -> str:
    study = StudyFacts(
        title="A study <b>",
        facts={"seed": "7", "</style>": "<img src=x>"},
        pairs={"demo": {"target": "models/big"}},
        prompts_table=root / "prompts.csv",
        demo_pairs=["demo"],
        notices=["2 duplicates in 'a&b'"],
    )
    cells = [
        CellPart(
            facts_of(root / "tables", **more),
            root / "figures/heuristic-5/index.json",
            root / "tables",
            table_names=SHOWN,
        ),
        CellPart(
            facts_of(root / "tables" / "all", setting="all", **more),
            root / "figures/all/index.json",
            root / "tables" / "all",
            table_names=("settings", "histograms", "best_schedule", "cross_check", "order_effect"),
        ),
    ]
    write_page(root / "report.html", study, cells)
    return (root / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(folder) -> Page:
    return Page(written(folder))


def test_every_picture_is_inside_the_page_and_has_its_alt_text(folder, page):
    pictures = page.all("img")
    assert len(pictures) == 3
    for attributes in pictures:
        assert (attributes["src"] or "").startswith("data:image/png;base64,")
        assert len(attributes["alt"] or "") > 40
    entries = json.loads((folder / "figures" / "heuristic-5" / "index.json").read_text(encoding="utf-8"))
    for entry in entries:
        assert " ".join(entry["caption"].split()) in page.text


def test_nothing_is_fetched_from_anywhere(page):
    links = [
        value or ""
        for _, attributes in page.tags
        for key, value in attributes.items()
        if key in ("src", "href")
    ]
    assert not [link for link in links if "//" in link.removeprefix("data:") and not link.startswith("data:")]
    assert not {"link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.tags}
    (policy,) = [
        one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy


def test_links_lead_to_files_beside_the_page_or_places_in_it(folder, page):
    from urllib.parse import unquote

    places = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    for attributes in page.all("a"):
        target = unquote(attributes["href"] or "")
        assert target[1:] in places if target.startswith("#") else (folder / target).is_file(), target


def test_hostile_names_are_words_and_never_markup(page):
    assert len(page.all("script")) == 1
    assert len(page.all("style")) == 1
    assert not page.all("b") or all(not attributes for attributes in page.all("b"))
    assert "<script>alert(1)</script>" in page.text
    assert "two↵lines" in page.text
    assert "</style>" in page.text
    assert "A study <b>" in page.text


def test_no_attribute_runs_code_or_styles(page):
    assert not [
        key for _, attributes in page.tags for key in attributes if key.startswith("on") or key == "style"
    ]


def test_the_caveats_stand_before_any_number(page):
    text = page.text
    for words in (
        "Its gaps say nothing about people",
        "The greatest of many differences is large by selection",
        "rest on one identity term",
        "Under sampled decoding a token can be rejected only",
    ):
        assert words in text
        assert text.index(words) < text.rindex("What was run")
    assert "pilot" not in text.lower()


def test_the_headline_is_the_first_difference_of_the_table_that_may_be_one(folder, page):
    table = read_table(folder / "tables" / "group_differences.csv")
    first = table[table["headline"]].iloc[0]
    assert "Among groups of 3 or more identity terms the pooled acceptance rate runs from" in page.text
    assert f"{first['difference_pp']:.1f} percentage points" in page.text


def test_the_headline_names_prompts_where_they_are_the_units(folder, tmp_path):
    copied = tmp_path / "results"
    shutil.copytree(folder, copied)
    without_terms(copied / "tables")
    text = Page(written(copied)).text
    assert "Among groups of 3 or more prompts the pooled acceptance rate runs from" in text
    assert "Among groups of 3 or more identity terms" not in text


def test_the_settings_say_what_they_come_to(folder, page):
    check = read_table(folder / "tables" / "all" / "cross_check.csv")
    [row] = check[(check["quantity"] == "acceptance_rate") & (check["grouping"] == "overall")].to_dict(
        "records"
    )
    z = f"{row['z']:+.1f}".replace("-", "−")
    rates = f"{row['replayed_value']:.3f} and {row['checked_value']:.3f} of judged tokens"
    assert (
        f"Live cross-check on {row['n_prompts']:.0f} prompts: heuristic-5 replayed and heuristic-5-assisted "
        f"by real rounds accept {rates}, {z} standard errors apart (by group"
    ) in page.text
    assert "is constant-5 (" in page.text
    assert "it is the best one for every group." in page.text
    assert "the order of the groups alone moves the share of drafted tokens accepted by up to" in page.text
    for title in ("Best setting by group", "Replay beside real rounds"):
        assert title in page.text


def test_who_loses_most_at_the_best_setting_for_all_is_said_with_its_error(tmp_path):
    write_settings(tmp_path, settings=("constant-1", "constant-3", "constant-5", "constant-9"))
    [sentence] = about_settings(tmp_path, ["best_schedule"])
    best = read_table(tmp_path / "best_schedule.csv")
    rows = best[(best["among"] == "constant") & (best["grouping"] != "overall")]
    worst = rows.loc[rows["loss_percent"].idxmax()]
    assert f"at it {worst['group']} loses most of its own best speed-up" in sentence
    assert f"{worst['loss_percent']:.1f} ± {worst['loss_percent_se']:.1f} % (with" in sentence
    write_settings(tmp_path, settings=("constant-1", "constant-3"), discarded="unknown")
    assert about_settings(tmp_path, ["best_schedule"]) == []


def test_a_greedy_cross_check_says_that_all_is_equal_or_how_much_is_not(tmp_path):
    tables = cell(tmp_path, {"a": (3, 4)}, mode="greedy")
    assert about_settings(tables / "all", ["cross_check"])[0].endswith(
        "have the same accepted, rejected and emitted tokens and rounds for every prompt."
    )
    path = tables / "all" / "cross_check.csv"
    frame = read_table(path)
    write_table(path, frame.assign(n_prompts_differ=3))
    assert about_settings(tables / "all", ["cross_check"])[0].endswith("differ for 3 of them.")


def test_tables_that_a_study_has_not_are_not_looked_for(tmp_path):
    assert about_settings(tmp_path, ["settings"]) == []


def test_names_stand_in_the_page_as_they_are(page):
    assert "party \N{PARTY POPPER} \N{CJK UNIFIED IDEOGRAPH-4E2D}" in page.text
    assert one_line("\N{WOMAN}\u200d\N{PERSONAL COMPUTER}") == "\N{WOMAN}\u200d\N{PERSONAL COMPUTER}"
    assert one_line("a\u200db") == "a⟨U+200D⟩b"


def test_a_pilot_is_called_one(folder):
    assert "pilot of at most 4 prompts per group" in Page(written(folder, pilot=4)).text


def test_the_main_setting_is_open_and_the_others_are_folded(page):
    parts = [one for one in page.all("details") if one.get("class") == "cell"]
    assert ["open" in one for one in parts] == [True, False]


def test_main_tables_are_there_with_values_to_sort_by(page):
    for title in (
        "Acceptance by group",
        "Differences between groups",
        "draft is surer",
        "Settings",
        "Prompts by group",
    ):
        assert title in page.text
    values = [one["data-value"] for one in page.all("td") if "data-value" in one]
    assert len(values) > 100
    assert all(float(value or "nan") == float(value or "nan") for value in values)


def test_the_page_is_the_same_when_written_again(folder):
    assert written(folder) == written(folder)


def test_a_missing_index_is_named(folder, tmp_path):
    part = CellPart(facts_of(folder / "tables"), tmp_path / "index.json", folder / "tables", SHOWN)
    study = StudyFacts("t", {}, {}, folder / "prompts.csv")
    with pytest.raises(TableError, match=r"index\.json cannot be read"):
        write_page(tmp_path / "report.html", study, [part])


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables and figure of three pairs, two of which share a target."""
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder / "tables", HOSTILE, THREE_PAIRS)
    return folder


def test_pairs_side_by_side_are_the_last_chapter_with_figure_tables_and_a_claim(folder, beside):
    tables, figures = beside / "tables", beside / "figures"
    facts = pairs_facts(tables, targets=2, drafts=3)
    plan = figures_of_pairs(SPECS.values(), "sampled")
    draw_many(plan, figures, tables_folder=tables, facts=facts, index=figures / "index.json")
    cells = [
        CellPart(
            facts_of(folder / "tables"), folder / "figures/heuristic-5/index.json", folder / "tables", SHOWN
        )
    ]
    cells.append(CellPart(facts, figures / "index.json", tables, PAIRS_TABLES))
    study = StudyFacts("t", {}, {}, folder / "prompts.csv")
    write_page(beside / "report.html", study, cells)
    page = Page((beside / "report.html").read_text(encoding="utf-8"))
    [sentence] = about_pairs(tables)
    assert page.text.count(" ".join(sentence.split())) == 2, "at the top, and in its chapter"
    assert "Pairs side by side, sampled decoding" in page.text
    assert page.text.rindex("Pairs side by side") > page.text.rindex("Pair demo, sampled")
    assert "3: 2 targets, 3 drafts" in page.text
    for title in ("Pairs by group", "Drafts of one target"):
        assert title in page.text
    assert len(page.all("img")) == 3


def test_the_sentence_on_drafts_is_that_of_the_largest_tested_difference(beside):
    table = read_table(beside / "tables" / "pair_differences.csv")
    rows = table[(table["grouping"] != "overall") & table["p_adjusted"].notna()]
    row = rows.loc[rows["difference_pp"].abs().idxmax()]
    [sentence] = about_pairs(beside / "tables")
    assert sentence.startswith("Of the drafts of org/big, small and tiny differ most for ")
    assert f"small has {row['difference_pp']:.1f} percentage points more" in sentence
    low, high = (f"{row[f'like_{end}_pp']:+.1f}".replace("-", "−") for end in ("low", "high"))
    assert f"{low} to {high}" in sentence


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (0.049, "adjusted p = 0.049), more than chance; 2 of 2"),
        (0.0501, "adjusted p = 0.050), not distinguishable from chance; 0 of 2"),
        (1e-9, "adjusted p < 0.0001), more than chance"),
    ],
)
def test_the_words_on_drafts_follow_from_the_adjusted_p(tmp_path, p, said):
    write_pairs(tmp_path, {"a": (3, 4), "b": (3, 4)})
    path = tmp_path / "pair_differences.csv"
    write_table(path, read_table(path).assign(p_adjusted=p))
    assert said in about_pairs(tmp_path)[0]


def test_drafts_that_cannot_be_compared_or_tested_say_so_and_targets_of_one_say_nothing(tmp_path):
    write_pairs(tmp_path, {"a": (3, 4), "b": (3, 4)}, unjudged=["tiny"])
    assert "no prompt was judged under both" in about_pairs(tmp_path)[0]
    write_pairs(tmp_path, {"a": (1, 4), "b": (1, 4)})
    assert "there is no test of it (one identity term; no outer interval" in about_pairs(tmp_path)[0]
    write_pairs(tmp_path, {"a": (3, 4)}, {"one": ("x", "y"), "other": ("z", "y")})
    assert about_pairs(tmp_path) == []
