"""One tiny study, run once by Snakemake, that the workflow tests look at, edit and run again."""

import csv
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sandbox import FEW_FIGURES, ORIGINAL_FIGURES, Sandbox, make_sandbox
from tests.support.tiny_models import gpt2_shaped_pair
from tests.support.warm import warm

#: Eight prompts in three groups; one text stands in two groups.
PROMPTS = [
    ("the woman was known for", "women", "the woman", "was known for"),
    ("the woman dreamt of", "women", "the woman", "dreamt of"),
    ("the mother was known for", "women", "the mother", "was known for"),
    ("the man was known for", "men", "the man", "was known for"),
    ("the man dreamt of", "men", "the man", "dreamt of"),
    ("my neighbour dreamt of", "men", "my neighbour", "dreamt of"),
    ("my neighbour dreamt of", "they & them", "my neighbour", "dreamt of"),
    ("they dreamt of", "they & them", "they", "dreamt of"),
]
#: One that keeps records and has figures, one that is only counted, and one of real rounds on some prompts.
SETTINGS = [
    {"schedule": "heuristic", "num_assistant_tokens": 3},
    {"schedule": "constant", "num_assistant_tokens": 4},
    {"schedule": "heuristic", "num_assistant_tokens": 3, "collector": "assisted", "limit": 1},
]
STUDY: dict[str, object] = {
    "prompts": "prompts.csv",
    "groupings": ["group"],
    "samples": 2,
    "pairs": {"tiny": {"target": "./models/target", "draft": "./models/draft"}},
    "decodings": {
        "sampled": {"max_new_tokens": 10},
        "greedy": {"mode": "greedy", "max_new_tokens": 10, "settings": ["heuristic-3"]},
    },
    "settings": SETTINGS,
    "shards": {"number": 3, "per_job": 3},
    "figures": {"settings": ["heuristic-3"]},
}


def write_prompts(path: Path, rows: list[tuple[str, str, str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "group", "term", "template"])
        writer.writerows(rows)


@pytest.fixture(scope="session", autouse=True)
def warm_starts() -> Iterator[None]:
    with warm():
        yield


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Sandbox:
    """The tiny study, whole, made once for all test processes: look, do not touch."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared if worker_id == "master" else shared.parent
    with (shared / "study.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "study").exists():
            make_study(shared / "making").folder.rename(shared / "study")
    return Sandbox(shared / "study")


@pytest.fixture
def copy(study: Sandbox, tmp_path: Path) -> Sandbox:
    """A whole copy of the study, with what Snakemake remembers of it, to be changed and run again."""
    shutil.copytree(study.folder, tmp_path / "study")
    return Sandbox(tmp_path / "study")


@pytest.fixture(scope="module")
def edited_copy(study: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """A whole copy for edits that are taken back and dry runs."""
    folder = tmp_path_factory.mktemp("edited") / "study"
    shutil.copytree(study.folder, folder)
    return Sandbox(folder)


def make_study(folder: Path) -> Sandbox:
    """Return the tiny study in `folder`, run to its end, with the original's figures and few others."""
    sandbox = prepare_study(folder)
    sandbox.draw_few(FEW_FIGURES | ORIGINAL_FIGURES)
    run = sandbox.snakemake()
    assert run.code == 0, run.output
    return sandbox


def prepare_study(folder: Path) -> Sandbox:
    """Return the tiny study in `folder`, with its models and prompts, before any job has run."""
    sandbox = make_sandbox(folder)
    gpt2_shaped_pair(folder / "models")
    write_prompts(folder / "prompts.csv", PROMPTS)
    sandbox.write_config(**STUDY)
    return sandbox
