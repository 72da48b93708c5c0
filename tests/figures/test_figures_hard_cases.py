import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from specgap.figures.draw import draw_many
from specgap.figures.groups import MISSING_GLYPHS
from specgap.figures.plan import figures_of_cell, figures_of_settings
from specgap.figures.save import save
from specgap.figures.style import paper_style
from specgap.figures.text import names_of, shown
from tests.support.drawing import SPECS, cell, facts_of, figure, texts
from tests.support.synthetic_tables import HOSTILE
from tests.support.thinned import thinned

pytestmark = pytest.mark.slow

CASES = {
    "one group": {"groups": {"only": (1, 4)}},
    "two groups": {"groups": {"one": (3, 4), "other": (2, 4)}},
    "twenty-five groups": {
        "groups": {f"a group with a rather long name {i}": (i % 4 + 1, 3) for i in range(25)}
    },
    "an empty group": {"groups": {"full": (3, 4), "empty": (3, 4), "one": (1, 4)}, "empty": ["empty"]},
    "nothing judged at all": {"groups": {"one": (3, 4), "other": (1, 4)}, "empty": ["one", "other"]},
    "one token a prompt": {"groups": {"one": (3, 2), "other": (1, 2)}, "per_prompt": 1},
    "hostile names": {"groups": HOSTILE, "empty": ["../.."]},
    "greedy": {"groups": {"one": (3, 9), "other": (2, 9)}, "mode": "greedy"},
}
ONE_OF_A_KIND = {spec.kind: spec.id for spec in SPECS.values()}.values()


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: cell(tmp_path_factory.mktemp("cell"), **how) for name, how in CASES.items()}


def rendered(drawn: Figure) -> Figure:
    with paper_style():
        drawn.draw_without_rendering()
    return drawn


DRAWN = [
    drawn
    for drawn in thinned(CASES, ONE_OF_A_KIND, of=4)
    if CASES[drawn.values[0]].get("mode", "sampled") in SPECS[drawn.values[1]].modes
]


@pytest.mark.parametrize(("case", "identifier"), DRAWN)
def test_every_kind_draws_without_a_warning(cells, case, identifier):
    groups, mode = CASES[case]["groups"], CASES[case].get("mode", "sampled")
    spec = SPECS[identifier]
    group = CASES[case].get("empty", list(groups))[0] if spec.scope == "group" else None
    drawn = rendered(figure(identifier, cells[case], group, mode=mode))
    assert drawn.axes
    assert mode in texts(drawn)


def test_a_hostile_name_is_shown_as_it_is_wherever_groups_are_named(cells):
    for identifier in ("forest", "term_dots", "probabilities_accepted", "group_differences", "position"):
        said = texts(figure(identifier, cells["hostile names"]))
        for name in ("a b/c", 'it\'s "quoted"', "costs $5 or $6_x^2", "_hidden", "two↵lines", "NA"):
            assert name in said, identifier
        assert "<script>alert(1)</script>" in said


def test_a_figure_says_what_a_code_is_where_it_writes_one_and_only_there(cells):
    for identifier in ("forest", "probabilities_accepted", "largest_difference", "largest_gap"):
        assert MISSING_GLYPHS in texts(figure(identifier, cells["hostile names"]))
        assert MISSING_GLYPHS not in texts(figure(identifier, cells["two groups"]))
    party = "party \N{PARTY POPPER} \N{CJK UNIFIED IDEOGRAPH-4E2D}"
    assert MISSING_GLYPHS in texts(figure("likelihood_difference", cells["hostile names"], party))
    assert MISSING_GLYPHS not in texts(figure("likelihood_difference", cells["hostile names"], "_hidden"))


def test_title_caption_and_alt_text_keep_a_name_that_the_font_cannot_show(cells, tmp_path):
    party = "party \N{PARTY POPPER} \N{CJK UNIFIED IDEOGRAPH-4E2D}"
    plan = figures_of_cell([SPECS["likelihood_difference"]], [party], "sampled")
    tables = cells["hostile names"]
    draw_many(plan, tmp_path, tables_folder=tables, facts=facts_of(tables), index=tmp_path / "index.json")
    [entry] = json.loads((tmp_path / "index.json").read_text(encoding="utf-8"))
    for key in ("title", "caption", "alt", "group"):
        assert party in entry[key]
    assert party.encode() in (tmp_path / entry["png"]).read_bytes()


@pytest.mark.parametrize(
    "identifier",
    [
        *("probabilities_both", "probabilities_by_group", "schedule_sweep", "order_effect", "cross_check"),
        *("probabilities_by_setting", "forest", "term_dots", "surer_draft", "distributions"),
        *("group_differences", "largest_gap", "power", "distinctive_tokens", "pairs_overview"),
    ],
)
def test_an_empty_figure_says_why_it_is_empty(cells, identifier):
    tables = cells["nothing judged at all"]
    said = texts(rendered(figure(identifier, tables)))
    assert any(why in said for why in ("nothing judged", "no token was accepted", "with judged tokens"))


def test_a_hostile_name_stands_in_its_own_figure(cells):
    assert "_hidden" in texts(figure("likelihood_difference", cells["hostile names"], "_hidden"))


@pytest.mark.parametrize("case", ["twenty-five groups", "hostile names"])
def test_names_beside_an_axis_do_not_overlap(cells, case):
    axes = rendered(figure("forest", cells[case])).axes[0]
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert not any(one.overlaps(other) for one, other in pairwise(boxes))
    assert min(box.x0 for box in boxes) >= 0


@pytest.mark.parametrize("identifier", thinned(ONE_OF_A_KIND))
def test_no_text_leaves_the_page(cells, identifier):
    spec = SPECS[identifier]
    group = next(iter(HOSTILE)) if spec.scope == "group" else None
    drawn = rendered(figure(identifier, cells["hostile names"], group))
    width, height = drawn.get_size_inches() * drawn.dpi
    for text in _written(drawn):
        box = text.get_window_extent()
        assert box.x0 >= -2, text.get_text()
        assert box.x1 <= width + 2, text.get_text()
        assert box.y0 >= -2, text.get_text()
        assert box.y1 <= height + 2, text.get_text()


def _written(drawn: Figure) -> list[Text]:
    """Return the texts that are drawn; tick labels aside, which may lie outside of an axis' limits."""
    found = list(drawn.texts)
    for axes in drawn.axes:
        found += axes.texts
        found += [axes._left_title] if axes.axison else []
        found += [axes.xaxis.label, axes.yaxis.label] if axes.axison else []
        found += axes.get_legend().get_texts() if axes.get_legend() else []
    return [text for text in found if text.get_visible() and text.get_text()]


def test_names_are_one_line_in_glyphs_that_the_font_has():
    assert shown("two\nlines") == "two↵lines"
    assert shown("\N{PARTY POPPER}") == "⟨U+1F389⟩"
    assert shown("a\x00b") == "a⟨U+0000⟩b"
    assert re.fullmatch(r"a+…a+", shown("a" * 99, longest=21))
    assert len(shown("a" * 99, longest=21)) == 21


def test_names_that_elide_to_the_same_stay_apart():
    long = ["the same beginning " + "x" * 40 + middle + "y" * 40 + " the same end" for middle in "ab"]
    assert names_of(long, longest=20)[0] != names_of(long, longest=20)[1]


def test_all_figures_of_a_cell_have_different_file_names(cells):
    groups = list(HOSTILE)
    plan = figures_of_cell(SPECS.values(), groups, "sampled")
    assert len(plan) == sum(
        len(groups) if spec.scope == "group" else spec.scope == "cell" for spec in SPECS.values()
    )
    over_settings = figures_of_settings(SPECS.values(), "sampled")
    assert len(over_settings) == sum(spec.scope == "settings" for spec in SPECS.values())


def test_alt_text_and_title_stand_in_both_files(cells, tmp_path):
    tables = cells["two groups"]
    drawn = figure("forest", tables)
    png, pdf = tmp_path / "a.png", tmp_path / "a.pdf"
    save(drawn, png, pdf, title="A title", alt="An alt text about rates.")
    assert b"An alt text about rates." in png.read_bytes()
    assert b"An alt text about rates." in pdf.read_bytes()
    assert b"matplotlib" not in png.read_bytes().lower()
    assert b"CreationDate" not in pdf.read_bytes()
    assert b"/Type /Font" in pdf.read_bytes()
    assert b"/CIDFontType2" in pdf.read_bytes(), "TrueType, so that text stays text"
    assert facts_of(tables).n_prompts
