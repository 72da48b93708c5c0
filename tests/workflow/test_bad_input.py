"""What cannot be meant is refused by `check.py` and the Snakefile: one sentence, exit code 2, nothing run."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox import Run, Sandbox, make_sandbox
from tests.support.tiny_models import gpt2_shaped_pair, random_pair
from tests.workflow.conftest import PROMPTS, STUDY, write_prompts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    made = make_sandbox(tmp_path_factory.mktemp("bad") / "study")
    gpt2_shaped_pair(made.folder / "models", context=24)
    random_pair(made.folder / "others", seed=3)
    write_prompts(made.folder / "prompts.csv", PROMPTS)
    (made.folder / "empty.csv").write_text("")
    (made.folder / "clash.csv").write_text("text,group\na b,Queer\na c,queer\n")
    (made.folder / "notes").mkdir()
    (made.folder / "notes/mine.txt").write_text("not specgap's")
    return made


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"sed": 1}, "study.yaml: unknown key 'sed'; did you mean 'seed'?"),
    "a negative temperature": (
        {"decodings": {"hot": {"temperature": -1}}},
        "study.yaml: decodings.hot.temperature is -1; wanted greater than 0",
    ),
    "a missing prompt file": ({"prompts": "nowhere.csv"}, "nowhere.csv"),
    "an empty prompt file": ({"prompts": "empty.csv"}, "empty.csv"),
    "a missing column": ({"groupings": ["grup"]}, "grup"),
    "groups of one file name": ({"prompts": "clash.csv"}, "would share the file name"),
    "a group that no row has": (
        {"groupings": [{"column": "group", "map": {"womn": "women"}}]},
        "womn",
    ),
    "a model folder that is not there": (
        {"pairs": {"tiny": {"target": "./models/target", "draft": "./models/lost"}}},
        "model folder ./models/lost is not there",
    ),
    "a results folder of somebody else's": (
        {"results": "notes"},
        "results is 'notes', which holds 'mine.txt'",
    ),
}
#: One refused by the schema, one by the prompts, one by the models: Snakemake asks what `check` asks.
THROUGH_SNAKEMAKE = ("an unknown key", "a missing column", "a model folder that is not there")


def refused(run: Run, sentence: str) -> None:
    assert run.code == 2, run.output
    lines = [line for line in run.output.splitlines() if line.startswith("specgap: ")]
    assert len(lines) == 1, run.output
    assert sentence in lines[0]
    assert "Traceback" not in run.output


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused_before_anything_runs(sandbox: Sandbox, case: str) -> None:
    keys, sentence = REFUSED[case]
    sandbox.write_config(**{**STUDY, **keys})
    if case in THROUGH_SNAKEMAKE:
        refused(sandbox.snakemake(), sentence)
    refused(sandbox.script("check.py", "study.yaml"), sentence)
    assert not sandbox.results.exists()


MODELS: dict[str, tuple[dict[str, Any], str]] = {
    "vocabularies that differ": (
        {"pairs": {"tiny": {"target": "./models/target", "draft": "./others/draft"}}},
        "token",
    ),
    "a prompt longer than the context": (
        {"decodings": {"long": {"max_new_tokens": 40}}},
        "wanted at most the 24",
    ),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_pair_that_does_not_fit_is_refused_by_the_check_and_by_the_rule(
    sandbox: Sandbox, case: str
) -> None:
    keys, sentence = MODELS[case]
    study = {**STUDY, **keys, "decodings": keys.get("decodings", {"long": {"max_new_tokens": 4}})}
    study.pop("figures")
    sandbox.write_config(**study, results="refused")
    refused(sandbox.script("check.py", "study.yaml"), sentence)
    run = sandbox.snakemake("--", "refused/traces/tiny/long/heuristic-3/s000-j0000.done.json")
    assert run.code == 1, run.output
    assert sentence in run.output
    assert not list((sandbox.folder / "refused").glob("traces/**/*.parquet"))


def test_a_key_given_twice_is_refused(sandbox: Sandbox) -> None:
    sandbox.write_config(**STUDY)
    sandbox.config.write_text(sandbox.config.read_text() + "seed: 1\nseed: 2\n")
    refused(sandbox.dry_run(), "study.yaml is not YAML: key 'seed' stands twice")
    refused(sandbox.script("check.py", "study.yaml"), "study.yaml is not YAML: key 'seed' stands twice")


def test_a_study_may_lie_below_another(sandbox: Sandbox) -> None:
    (sandbox.folder / "below/mine").mkdir(parents=True)
    (sandbox.folder / "below/mine/.specgap").touch()
    sandbox.write_config(**{**STUDY, "results": "below"})
    assert sandbox.dry_run().code == 0


def test_a_good_study_passes_the_check(sandbox: Sandbox) -> None:
    sandbox.write_config(**STUDY)
    run = sandbox.script("check.py", "study.yaml")
    assert run.code == 0, run.output
    assert "prompts: 7 distinct in 3 groups" in run.output
    assert "pair tiny: one vocabulary, and every prompt fits" in run.output


def test_settings_that_are_the_same_run_get_one_warning(sandbox: Sandbox) -> None:
    same = [{"schedule": "constant", "num_assistant_tokens": number} for number in (9, 20)]
    sandbox.write_config(
        **{**STUDY, "decodings": {"sampled": {"max_new_tokens": 10}}, "settings": same, "figures": {}}
    )
    warning = "settings constant-9, constant-20 are the same run"
    assert sandbox.dry_run().output.count(warning) == 1


@pytest.mark.parametrize("lacking", ["cargo", "python3"])
def test_a_machine_that_lacks_a_tool_is_told_so_before_a_download(
    sandbox: Sandbox, tmp_path: Path, lacking: str
) -> None:
    for tool, path in (("python3", sys.executable), ("cargo", "/bin/true")):
        if tool != lacking:
            (tmp_path / tool).symlink_to(path)
    run = sandbox.run(
        "env", f"PATH={tmp_path}", shutil.which("bash") or "", "scripts/bootstrap.sh", "python3", "0"
    )
    assert run.code == 2
    assert f"specgap: no {lacking} on PATH" in run.output
