"""A study without its token records, as one file: enough to draw everything else again elsewhere.

A bundle is a zip of the config, the prompts and the results, less shards. Unpacked, counts and the tables
that need records stand where the workflow looks for them; what it makes from those stands aside, in
`original/`, to be compared with.
"""

import json
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import yaml

from specgap.check import MARKER
from specgap.config import Study, parse
from specgap.errors import ConfigError
from specgap.files import MOST_JSON, sha256, written_whole
from specgap.layout import (
    ALL_SETTINGS,
    Cell,
    done_file,
    jobs_of,
    path_cells,
    state_files,
    stored_cells,
)
from specgap.prompts import PromptSet, origin_file, source_files
from specgap.settings import Block
from specgap.tables.names import RECORD_TABLES, files_of, surer_table_names

FORMAT = 1
CONFIG = "config.yaml"
_MANIFEST, _README = "bundle.json", "README.txt"
_RESULTS, _RESOURCES, _ASIDE = "results", "resources", "original"
_DATE = (1980, 1, 1, 0, 0, 0)  # the same zip of the same files
_ABOUT = """A study of specgap without its token records. Prompts and models have licences of their own.

results/report.html opens by itself. To draw everything again, in a folder with specgap:
make figures FROM=this.zip
"""


class _Entry(Block):
    """A file of a bundle; `made` says that the workflow makes it from the others."""

    sha256: str
    size: int
    made: bool


# Written ---------------------------------------------------------------------------------------------


def write_bundle(study: Study, prompts: PromptSet, path: Path) -> int:
    """Write the bundle of a finished study; return the number of its files."""
    shared = _shared(study)
    results = Path(study.results)
    made = {_inside(file, results): file for file in _made(results)}
    files = {_inside(file, results): file for file in _counted(study, prompts)}
    for new, old in zip(_sources(shared), _sources(study), strict=True):
        files[new.as_posix()] = old
    entries = {
        name: _Entry(sha256=sha256(file), size=file.stat().st_size, made=name not in files)
        for name, file in sorted({**made, **files}.items())
    }
    texts = {
        _MANIFEST: json.dumps(
            {"format": FORMAT, "files": {n: e.model_dump() for n, e in entries.items()}}, indent=1
        ),
        CONFIG: yaml.safe_dump(shared.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
        _README: _ABOUT,
    }
    with written_whole(path) as beside, zipfile.ZipFile(beside, "w") as archive:
        for name, text in texts.items():
            archive.writestr(_member(name), text)
        for name in entries:
            with (
                (files.get(name) or made[name]).open("rb") as source,
                archive.open(_member(name), "w", force_zip64=True) as target,
            ):
                shutil.copyfileobj(source, target)
    return len(entries)


def _shared(study: Study) -> Study:
    """Return the study as another machine has it: paths below its own folder, nothing to trace."""
    raw = study.model_dump(mode="json")
    raw |= {"bundled": True, "results": _RESULTS, "resources_folder": _RESOURCES}
    for name, pair in study.pairs.items():
        for role, model in (("target", pair.target), ("draft", pair.draft)):
            if study.trains(model):
                raw["pairs"][name][role]["source"] = f"./{_RESOURCES}/models/demo/{Path(model.source).name}"
    if files := study.prompts.files:
        below = {file: _below(file, number) for number, file in enumerate(files)}
        raw["prompts"]["files"] = list(below.values())
        for pair in raw["pairs"].values():
            pair["counts"] = below.get(pair["counts"])
    return parse(raw, source="the bundle's config")


def _sources(study: Study) -> list[Path]:
    """Return the prompt files, and what says where a dataset's are from."""
    origin = origin_file(Path(study.resources_folder), study.prompts)
    return [*source_files(study), *([origin] if study.prompts.dataset else [])]


def _below(file: str, number: int) -> str:
    path = Path(file)
    return f"prompts/{number}-{path.name}" if path.is_absolute() or ".." in path.parts else file


def _inside(file: Path, results: Path) -> str:
    return f"{_RESULTS}/{file.relative_to(results).as_posix()}"


def _counted(study: Study, prompts: PromptSet) -> list[Path]:
    """Return what stands in for the records: counts, tables made of records, and where those came from."""
    results = Path(study.results)
    files = [results / "study/prompts.parquet"]
    files += state_files(study)
    for cell in stored_cells(study):
        folder = results / "tables" / cell.folder
        files += [folder / name for name in surer_table_names(prompts.groupings)]
    for pair in study.pairs:
        files.append(results / "prompts" / f"{pair}.parquet")
        for decoding in study.decodings:
            folder = results / "tables" / Cell(pair, decoding, ALL_SETTINGS).folder
            files += [folder / name for table in RECORD_TABLES for name in files_of(table)]
    for kind, cells in (("paths", path_cells(study)), ("traces", stored_cells(study))):
        for cell in cells:
            files += [done_file(results, cell, job.name, kind) for job in jobs_of(study, cell, prompts)]
    return [file for file in files if file.is_file()]


def _made(results: Path) -> list[Path]:
    files = [results / name for name in ("report.html", "methods.md", "references.bib")]
    for folder in ("tables", "figures", "study/tables", "study/figures"):
        files += sorted((results / folder).rglob("*"))
    return [file for file in files if file.is_file() and not file.name.startswith(".")]


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _DATE)
    member.external_attr = 0o644 << 16
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


# Unpacked --------------------------------------------------------------------------------------------


def unpack_bundle(archive: Path, folder: Path) -> bool:
    """Unpack a bundle into a folder of its own, whole or not at all; return False where it is there already.

    Nothing in it is believed: names stay below the folder, sizes are those of the manifest and fit on the
    disk, contents have its digests. Raises `ConfigError`.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = _entries(opened, archive)
            if folder.exists():
                _check_same(folder, opened, archive)
                return False
            _check(opened, entries, archive, folder)
            beside = folder.with_name(f".{folder.name}.part")
            shutil.rmtree(beside, ignore_errors=True)
            try:
                _extract(opened, entries, archive, beside)
                beside.rename(folder)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
    except FileNotFoundError as error:
        raise ConfigError(f"there is no bundle {archive}; wanted one that `make bundle` wrote") from error
    # A member that is encrypted is a RuntimeError.
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise ConfigError(f"{archive} is no whole zip file ({error}); wanted a bundle") from error
    return True


def _entries(opened: zipfile.ZipFile, archive: Path) -> dict[str, _Entry]:
    try:
        if (size := opened.getinfo(_MANIFEST).file_size) > MOST_JSON:
            raise ConfigError(f"{archive}: {_MANIFEST} claims {size:,} bytes; wanted at most {MOST_JSON:,}")
        manifest = json.loads(opened.read(_MANIFEST))
        found = manifest["format"]
        entries = {name: _Entry.model_validate(entry) for name, entry in manifest["files"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ConfigError(
            f"{archive} has no {_MANIFEST} that can be read; wanted a bundle of specgap"
        ) from error
    if found != FORMAT:
        raise ConfigError(f"{archive} is a bundle of format {found!r}; this specgap reads {FORMAT}")
    return entries


def _check(opened: zipfile.ZipFile, entries: Mapping[str, _Entry], archive: Path, folder: Path) -> None:
    members = {member.filename: member for member in opened.infolist()}
    if odd := sorted({*entries, _MANIFEST, CONFIG, _README} ^ set(members)):
        raise ConfigError(f"{archive}: {odd[0]!r} is not both in the zip and in its {_MANIFEST}")
    room = shutil.disk_usage(folder.absolute().parent).free
    if (total := sum(member.file_size for member in members.values())) > room:
        raise ConfigError(f"{archive} unpacks to {total:,} bytes; the disk has {room:,}")
    for name, entry in entries.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or not name.isprintable():
            raise ConfigError(f"{archive} holds {name!r}; wanted names below its own folder")
        if (size := members[name].file_size) != entry.size:
            raise ConfigError(f"{archive}: {name} has {size:,} bytes; wanted {entry.size:,}")


def _extract(opened: zipfile.ZipFile, entries: Mapping[str, _Entry], archive: Path, folder: Path) -> None:
    for name in (_MANIFEST, CONFIG, _README, *entries):
        entry = entries.get(name)
        path = folder / _ASIDE / name if entry and entry.made else folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(name) as source, path.open("xb") as target:
            shutil.copyfileobj(source, target)
        if entry and (found := sha256(path)) != entry.sha256:
            raise ConfigError(f"{archive}: {name} has SHA-256 {found[:12]}…; wanted {entry.sha256[:12]}…")
    (folder / _RESULTS / MARKER).touch()


def _check_same(folder: Path, opened: zipfile.ZipFile, archive: Path) -> None:
    there = folder / _MANIFEST
    if not there.is_file() or there.read_bytes() != opened.read(_MANIFEST):
        raise ConfigError(f"{folder} is there and does not come from {archive}; wanted a free name")
