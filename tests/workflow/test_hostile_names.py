"""Hostile names and texts: through a whole study as data, or refused; never a command, never markup."""

from pathlib import Path
from typing import Any

import html5lib
import pytest

from specgap.config import parse
from specgap.errors import ConfigError
from specgap.names import file_name
from tests.support.sandbox import Sandbox, make_sandbox
from tests.support.tiny_models import gpt2_shaped_pair
from tests.workflow.conftest import STUDY, write_prompts

pytestmark = pytest.mark.slow

#: Each would leave a file named `ran` if a shell or a browser took it for more than a name.
HOSTILE = (
    "; touch ran #",
    "$(touch ran)",
    "`touch ran`",
    "a' || touch ran '",
    'a" && touch ran "',
    "two\nlines; touch ran",
    "../../ran",
    "x" * 300,
    "\u202egnp.elif",
    "<script>document.title='ran'</script>",
    "<svg onload=\"document.title='ran'\"><image href='https://example.org/x.png'/></svg>",
    '" onmouseover="document.title=\'ran\'" x="',
    "{{ 7 * 7 }}{% for x in y %}",
    "{wildcards.pair} {params.config}",
    "-rf",
)
#: Names that stand in paths: refused, whatever of `HOSTILE` they are.
NAMED: dict[str, Any] = {
    "pair": lambda name: {"pairs": {name: STUDY["pairs"]["tiny"]}},  # type: ignore[index]
    "decoding": lambda name: {"decodings": {name: {"max_new_tokens": 10}}},
    "setting": lambda name: {"settings": [{"name": name, "schedule": "constant", "num_assistant_tokens": 4}]},
}
PROMPT_FILE = 'it\'s a "$(touch ran)"; touch ran #.csv'
MODELS = "my models; $(touch ran) `touch ran`"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """A study of hostile groups, terms and texts, in files of hostile names, run to its end."""
    sandbox = make_sandbox(tmp_path_factory.mktemp("hostile") / "study")
    gpt2_shaped_pair(sandbox.folder / MODELS)
    rows = [
        (f"{who} said {name[:40]}", name, f"{who} {name[:20]}", name)
        for name in HOSTILE
        for who in ("the woman", "the man")
    ]
    write_prompts(sandbox.folder / PROMPT_FILE, rows)
    sandbox.write_config(
        prompts=PROMPT_FILE,
        groupings=["group"],
        pairs={"tiny": {"target": f"./{MODELS}/target", "draft": f"./{MODELS}/draft"}},
        decodings={"sampled": {"max_new_tokens": 6}},
        settings=[{"schedule": "heuristic", "num_assistant_tokens": 3}],
    )
    sandbox.draw_few({"forest", "likelihood_difference", "group_differences"})
    run = sandbox.snakemake()
    assert run.code == 0, run.output
    return sandbox


def test_no_name_ran_as_a_command(hostile: Sandbox) -> None:
    around = hostile.folder.parent
    assert [path for path in around.rglob("*") if path.name == "ran"] == []
    outside = {path.name for path in around.iterdir()}
    assert outside == {"study"}


@pytest.mark.parametrize("name", HOSTILE)
def test_every_hostile_group_has_its_figure_within_the_folder(hostile: Sandbox, name: str) -> None:
    folder = hostile.results / "figures/tiny/sampled/heuristic-3"
    assert (folder / f"likelihood_difference_{file_name(name)}.png").stat().st_size > 5_000


def elements(hostile: Sandbox) -> list[Any]:
    """Return the elements of the report as a browser's parser makes them."""
    page = (hostile.results / "report.html").read_bytes()
    return [node for node in html5lib.parse(page, namespaceHTMLElements=False).iter() if node.tag != ""]


def test_the_report_has_no_script_but_its_own_and_no_attribute_that_runs(hostile: Sandbox) -> None:
    found = [node for node in elements(hostile) if isinstance(node.tag, str)]
    scripts = [node for node in found if node.tag.endswith("script")]
    assert len(scripts) == 1
    own = Path(__file__).parents[2] / "src/specgap/report/templates/page.js"
    assert scripts[0].text.strip() == own.read_text(encoding="utf-8").strip()
    attributes = {name.lower() for node in found for name in node.attrib}
    assert not {name for name in attributes if str(name).startswith("on")}
    assert not {"svg", "image", "iframe", "object", "embed", "base", "form", "link"} & {
        node.tag.rsplit("}", 1)[-1] for node in found
    }


def test_the_report_fetches_nothing_and_its_policy_says_so(hostile: Sandbox) -> None:
    found = [node for node in elements(hostile) if isinstance(node.tag, str)]
    for node in found:
        for name in ("src", "href", "srcset", "action", "poster", "data", "background", "xlink:href"):
            value = str(node.attrib.get(name, ""))
            assert value.startswith("data:image/png;base64,") or "//" not in value, value
            assert ":" not in value.split("/")[0] or value.startswith("data:image/png"), value
    (policy,) = [
        node.attrib["content"]
        for node in found
        if node.tag == "meta" and node.attrib.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_hostile_texts_are_words_of_the_report(hostile: Sandbox) -> None:
    page = (hostile.results / "report.html").read_bytes()
    words = "".join(html5lib.parse(page, namespaceHTMLElements=False).itertext())
    for shown in ("<script>document.title='ran'</script>", "{{ 7 * 7 }}", "$(touch ran)"):
        assert shown in words


def study_named(kind: str, name: str) -> dict[str, Any]:
    """Return a study with a hostile name where names stand in paths."""
    if kind == "setting" and name == "-rf":
        name = "--rf"
    study = {key: value for key, value in STUDY.items() if key != "figures"}
    if kind == "setting":
        study["decodings"] = {"sampled": {"max_new_tokens": 10}}
    return study | NAMED[kind](name)


@pytest.mark.parametrize("kind", NAMED)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_that_would_stand_in_a_path_is_refused(kind: str, name: str) -> None:
    with pytest.raises(ConfigError, match="wanted letters, digits"):
        parse(study_named(kind, name), source="study.yaml")


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return make_sandbox(tmp_path_factory.mktemp("untouched") / "study")


@pytest.mark.full
@pytest.mark.parametrize("kind", NAMED)
@pytest.mark.parametrize("name", HOSTILE)
def test_snakemake_refuses_it_in_one_sentence_and_runs_nothing(
    untouched: Sandbox, kind: str, name: str
) -> None:
    untouched.write_config(**study_named(kind, name))
    run = untouched.dry_run()
    assert run.code == 2, run.output
    assert len([line for line in run.output.splitlines() if line.startswith("specgap: ")]) == 1
    assert not list(untouched.folder.parent.rglob("ran"))
