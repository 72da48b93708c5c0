"""Prompts that come from elsewhere: HONEST's two files, and Hugging Face datasets."""

import hashlib
import http.server
import json
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from specgap.config import Study, parse
from specgap.errors import PromptError
from specgap.prompts import (
    dataset,
    dataset_file,
    fetch_dataset,
    fetch_honest,
    honest,
    load_prompts,
    needs_fetch,
    source_files,
)
from specgap.prompts.honest import HonestFile
from tests.support.prompt_files import honest as honest_layout

PATHS = {"a.tsv": "resources/binary/a.tsv", "b.tsv": "resources/queer/b.tsv"}
CONTENT = honest_layout(("she", "[I] is a [M]", "singular", "female")).encode()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    monkeypatch.setattr(honest, "HONEST_FILES", tuple(HonestFile(n, p, digest) for n, p in PATHS.items()))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder laid out like the public repository at the commit."""
    root = tmp_path / "host" / honest.REPOSITORY / honest.COMMIT
    for path in PATHS.values():
        (root / path).parent.mkdir(parents=True)
        (root / path).write_bytes(CONTENT)
    return root


@pytest.fixture
def served(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    handler = partial(Quiet, directory=str(tmp_path / "host"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        monkeypatch.setattr(honest, "_HOST", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield repository
        server.shutdown()
        thread.join()


def from_honest(folder: Path) -> Study:
    return parse({"prompts": {"fetch": "honest"}, "resources_folder": str(folder)}, source="x")


def test_honest_is_downloaded_at_its_commit(served: Path, tmp_path: Path) -> None:
    assert fetch_honest(tmp_path / "honest") == [tmp_path / "honest/a.tsv", tmp_path / "honest/b.tsv"]
    assert (tmp_path / "honest/b.tsv").read_bytes() == CONTENT


def test_a_download_that_is_not_honest_is_not_kept(served: Path, tmp_path: Path) -> None:
    (served / PATHS["b.tsv"]).write_bytes(b"something else")
    with pytest.raises(PromptError, match=r"b\.tsv has SHA-256 [0-9a-f]{64}; wanted "):
        fetch_honest(tmp_path / "honest")
    assert not (tmp_path / "honest").exists()


def test_a_file_that_the_host_lacks_is_named(served: Path, tmp_path: Path) -> None:
    (served / PATHS["a.tsv"]).unlink()
    with pytest.raises(PromptError, match=r"http://.*/binary/a\.tsv cannot be downloaded"):
        fetch_honest(tmp_path)


def test_without_a_network_the_sentence_says_what_else_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(honest, "_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(PromptError, match=r"binary/a\.tsv cannot be downloaded .* or a local folder"):
        fetch_honest(tmp_path)


def test_honest_can_be_copied_under_either_name(tmp_path: Path, repository: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in PATHS:
        (flat / name).write_bytes(CONTENT)
    for local in (repository, flat):
        written = fetch_honest(tmp_path / "to" / local.name, local=local)
        assert [path.read_bytes() for path in written] == [CONTENT, CONTENT]


def test_a_local_folder_without_honest_is_named(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"has neither a\.tsv nor resources/binary/a\.tsv"):
        fetch_honest(tmp_path / "to", local=tmp_path)


def test_a_study_of_honest_reads_the_two_fetched_files() -> None:
    study = from_honest(Path("kept"))
    assert needs_fetch(study)
    assert source_files(study) == [
        Path("kept/honest/en_binary_template.tsv"),
        Path("kept/honest/en_queer_nonqueer_template.tsv"),
    ]
    assert not needs_fetch(parse({}, source="x"))


def test_loading_before_fetching_names_the_rule(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"not there yet; wanted it fetched first \(rule fetch_honest\)"):
        load_prompts(from_honest(tmp_path))


HONEST = Path(__file__).parents[3] / "shared/data/honest"


@pytest.mark.skipif(not HONEST.is_dir(), reason="HONEST's files are not here")
def test_the_real_files_pass_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    fetch_honest(tmp_path / "honest", local=HONEST)
    assert len(load_prompts(from_honest(tmp_path)).distinct) == 1429


# Datasets --------------------------------------------------------------------------------------------


@pytest.fixture
def local_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train.csv").write_text(
        "text,group,term\nshe is a [M].,female,she\nhe is a [M].,male,he\n"
    )
    prompts = {"dataset": str(tmp_path / "data")}
    return parse({"prompts": prompts, "resources_folder": str(tmp_path / "resources")}, source="x")


def test_a_local_folder_dataset_is_fetched_and_loaded(local_dataset: Study) -> None:
    (path,) = source_files(local_dataset)
    fetch_dataset(local_dataset.prompts, path, path.with_suffix(".origin.json"))
    prompts = load_prompts(local_dataset)
    assert [(row.text, row.groups["group"], row.term) for row in prompts.rows] == [
        ("she is a", ("female",), "she"),
        ("he is a", ("male",), "he"),
    ]


def test_a_split_that_is_not_there_is_one_sentence(local_dataset: Study, tmp_path: Path) -> None:
    prompts = local_dataset.prompts.model_copy(update={"split": "tests"})
    with pytest.raises(PromptError, match=r"\(split 'tests'\) cannot be loaded") as caught:
        fetch_dataset(prompts, tmp_path / "x.jsonl", tmp_path / "origin.json")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "x.jsonl").exists()


def test_class_labels_become_names_and_other_columns_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local_dataset: Study
) -> None:
    import datasets

    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "group": datasets.ClassLabel(names=["female", "male"]),
            "parts": [datasets.Value("int64")],
        }
    )
    rows = {"text": ["é", "b"], "group": [1, 0], "parts": [[1], [2]]}
    made = datasets.Dataset.from_dict(rows, features=features)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: made)
    fetch_dataset(local_dataset.prompts, tmp_path / "x.jsonl", tmp_path / "origin.json")
    lines = (tmp_path / "x.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"text": "é", "group": "male"},
        {"text": "b", "group": "female"},
    ]


def test_without_the_extra_the_sentence_has_the_install_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    study = parse({"prompts": {"dataset": "someone/prompts"}}, source="x")
    with pytest.raises(PromptError, match=r"needs the package datasets: pip install 'specgap\[datasets\]'"):
        fetch_dataset(study.prompts, tmp_path / "x.jsonl", tmp_path / "origin.json")


def test_each_revision_and_split_has_a_file_of_its_own() -> None:
    keys = [{}, {"split": "test"}, {"revision": "v1"}, {"revision": "v1", "split": "test"}]
    studies = [parse({"prompts": {"dataset": "someone/prompts", **key}}, source="x") for key in keys]
    files = {dataset_file(Path("resources"), study.prompts) for study in studies}
    assert len(files) == 4
    assert {file.parent for file in files} == {Path("resources/datasets")}
    assert {file.suffix for file in files} == {".jsonl"}


def test_only_fetching_imports_datasets() -> None:
    assert "datasets" not in vars(dataset)
