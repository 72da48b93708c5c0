"""A finished study goes to another machine as one file, and everything is drawn again there."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from specgap.bundle import unpack_bundle, write_bundle
from specgap.config import load, parse
from specgap.errors import ConfigError
from specgap.prompts import dataset_file, origin_file, read_prompts
from tests.support.sandbox import ROOT, Sandbox, make_sandbox
from tests.workflow.conftest import STUDY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bundle(study: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = Sandbox(tmp_path_factory.mktemp("bundle") / "study")
    shutil.copytree(study.folder, copy.folder)
    run = copy.snakemake("--", "bundle")
    assert run.code == 0, run.output
    return copy.results / "bundle.zip"


def test_a_bundle_holds_no_token_records(bundle: Path) -> None:
    names = zipfile.ZipFile(bundle).namelist()
    shards = [name for name in names if name.endswith(".parquet")]
    assert sorted(shards) == ["results/prompts/tiny.parquet", "results/study/prompts.parquet"]
    assert not [name for name in names if "rounds/" in name or "timings/" in name or "tails/" in name]
    assert {"prompts.csv", "config.yaml", "README.txt", "results/report.html"} <= set(names)


def test_everything_but_records_is_made_again_from_a_bundle_byte_for_byte(
    study: Sandbox, bundle: Path, tmp_path: Path
) -> None:
    elsewhere = make_sandbox(tmp_path / "elsewhere")
    shutil.copy2(study.folder / "config/figures.yaml", elsewhere.folder / "config")
    archive = tmp_path / "shared" / "mine.zip"
    archive.parent.mkdir()
    shutil.copy2(bundle, archive)
    folder = archive.with_suffix("")
    assert elsewhere.script("unpack_bundle.py", str(archive), str(folder)).code == 0
    shutil.copytree(elsewhere.folder / "resources", folder / "resources")
    config = ["--directory", str(folder), "--configfile", str(folder / "config.yaml")]
    run = elsewhere.workflow(*config)
    assert run.code == 0, run.output
    assert not {"collect_paths", "collect_traces", "aggregate", "replay"} & set(run.job_counts())
    original = {file.relative_to(folder / "original"): file for file in (folder / "original").rglob("*.*")}
    assert len(original) > 100
    for name, file in original.items():
        assert (folder / name).read_bytes() == file.read_bytes(), name
    assert "Nothing to be done" in elsewhere.workflow("--dry-run", *config).output
    assert not unpack_bundle(archive, folder)  # it is there already


@pytest.mark.landing
def test_two_bundles_of_one_study_are_the_same_file(bundle: Path) -> None:
    first = bundle.read_bytes()
    bundle.unlink()
    run = Sandbox(bundle.parents[1]).snakemake("--", "bundle")
    assert run.code == 0, run.output
    assert bundle.read_bytes() == first


def edited(bundle: Path, path: Path, edit: Callable[[dict[str, bytes]], None]) -> Path:
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    edit(files)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def named(name: str) -> Callable[[dict[str, bytes]], None]:
    """Give one file another name, in the manifest too."""

    def edit(files: dict[str, bytes]) -> None:
        files[name] = files.pop("prompts.csv")
        manifest = json.loads(files["bundle.json"])
        manifest["files"][name] = manifest["files"].pop("prompts.csv")
        files["bundle.json"] = json.dumps(manifest).encode()

    return edit


def of_size(size: object) -> Callable[[dict[str, bytes]], None]:
    """Let the manifest give one file another size."""

    def edit(files: dict[str, bytes]) -> None:
        manifest = json.loads(files["bundle.json"])
        manifest["files"]["prompts.csv"]["size"] = size
        files["bundle.json"] = json.dumps(manifest).encode()

    return edit


def changed(files: dict[str, bytes]) -> None:
    files["results/report.html"] = files["results/report.html"].replace(b"e", b"E")


def longer(files: dict[str, bytes]) -> None:
    files["results/report.html"] += b" "


def foreign(files: dict[str, bytes]) -> None:
    files.clear()
    files["a.txt"] = b"a"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (named("../outside.csv"), "wanted names below its own folder"),
        (named("/tmp/outside.csv"), "wanted names below its own folder"),
        (named("a\\b.csv"), "wanted names below its own folder"),
        (of_size("x"), "has no bundle.json that can be read"),
        (of_size(1), "wanted 1"),
        (changed, "has SHA-256"),
        (longer, "wanted "),
        (lambda files: files.update({"more.txt": b"more"}), "is not both in the zip and in its bundle.json"),
        (lambda files: files.pop("prompts.csv"), "is not both in the zip and in its bundle.json"),
        (foreign, "has no bundle.json that can be read"),
        (lambda files: files.update({"bundle.json": b'{"format": 9, "files": {}}'}), "format 9"),
        (lambda files: files.update({"bundle.json": b"[]"}), "has no bundle.json that can be read"),
    ],
)
def test_what_is_no_bundle_is_refused_and_leaves_nothing(
    bundle: Path, tmp_path: Path, edit: Callable[[dict[str, bytes]], None], said: str
) -> None:
    archive = edited(bundle, tmp_path / "odd.zip", edit)
    with pytest.raises(ConfigError, match=said):
        unpack_bundle(archive, tmp_path / "odd")
    assert list(tmp_path.iterdir()) == [archive]


def test_a_cut_or_missing_zip_is_refused_in_one_sentence(bundle: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.zip"
    cut.write_bytes(bundle.read_bytes()[:-2000])
    with pytest.raises(ConfigError, match="no whole zip file"):
        unpack_bundle(cut, tmp_path / "cut")
    run = Sandbox(ROOT).script("unpack_bundle.py", str(tmp_path / "none.zip"), str(tmp_path / "none"))
    assert (run.code, run.output.count("\n")) == (2, 1)
    assert "there is no bundle" in run.output


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_a_flipped_bit_is_one_sentence_and_leaves_nothing(bundle: Path, tmp_path: Path, place: float) -> None:
    damaged = bytearray(bundle.read_bytes())
    damaged[int(place * len(damaged))] ^= 0x10
    (tmp_path / "odd.zip").write_bytes(damaged)
    with pytest.raises(ConfigError):
        unpack_bundle(tmp_path / "odd.zip", tmp_path / "odd")
    assert [file.name for file in tmp_path.iterdir()] == ["odd.zip"]


def test_where_a_dataset_is_from_goes_along(study: Sandbox, tmp_path: Path) -> None:
    resources = tmp_path / "resources"
    keys = {**STUDY, "prompts": {"dataset": "someone/prompts"}, "results": str(study.results)}
    shared = parse({**keys, "resources_folder": str(resources)}, source="test")
    rows, origin = dataset_file(resources, shared.prompts), origin_file(resources, shared.prompts)
    rows.parent.mkdir(parents=True)
    rows.write_text("{}\n")
    origin.write_text('{"commit": "abc"}')
    write_bundle(shared, read_prompts(study.results / "study/prompts.parquet"), tmp_path / "mine.zip")
    assert unpack_bundle(tmp_path / "mine.zip", tmp_path / "mine")
    unpacked = load(tmp_path / "mine/config.yaml")
    folder = tmp_path / "mine" / unpacked.resources_folder
    assert origin_file(folder, unpacked.prompts).read_text() == origin.read_text()


def test_another_folder_of_that_name_is_left_alone(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigError, match="does not come from"):
        unpack_bundle(bundle, tmp_path / "mine")
    assert not list((tmp_path / "mine").iterdir())
