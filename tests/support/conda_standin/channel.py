"""A small conda channel made of what is installed here: a stand-in for conda-forge, for tests alone.

`channel.py FOLDER ENVIRONMENT.yaml…` packs this machine's Python and, of the environment that runs it, every
distribution that the environments name or their packages need, under conda-forge's names. What is too large
to copy (torch) is packed as links to where it is installed. Rust and the C compiler are this machine's own,
linked. Builds bear the word `standin`. Needs py-rattler and zstandard.
"""

import asyncio
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
import zstandard
from packaging.requirements import Requirement
from rattler.index import index_fs

#: conda-forge's name of a package to PyPI's, where they differ.
PYPI = {"matplotlib-base": "matplotlib", "pytorch": "torch", "python-xxhash": "xxhash"}
#: Found by a linked torch beside itself.
LEFT_OUT = ("nvidia-", "cuda-", "triton")
LINKED_FROM = 400 << 20  # bytes
SUBDIR, BUILD = "linux-64", "standin_0"
SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
#: Programs of packages that only link this machine's own; `--version` says a version of the first.
TOOLS = {"rust": ("rustc", "cargo"), "c-compiler": ("cc", "gcc")}
C_COMPILER_VERSION = "1.7.0"  # of conda-forge's metapackage, which is no compiler's


@dataclass(frozen=True)
class Content:
    """A file of a package."""

    data: bytes
    mode: int
    #: In seconds: compiled files know their source by it.
    time: int = 0

    @classmethod
    def of(cls, file: Path, mode: int | None = None) -> "Content":
        known = file.stat()
        return cls(file.read_bytes(), known.st_mode & 0o777 if mode is None else mode, int(known.st_mtime))


#: What a package installs: path in the environment to content, or to what a link points to.
Files = Mapping[str, Content | str]


def make_channel(folder: Path, environments: list[Path]) -> None:
    """Fill `folder` with the packages that these environment files can be solved with."""
    named = [
        spec.split(" ")[0]
        for file in environments
        for spec in yaml.safe_load(file.read_text())["dependencies"]
    ]
    _pack(folder, "python", ".".join(map(str, sys.version_info[:3])), _python(), depends=[])
    for name in sorted(set(named) & set(TOOLS)):
        _pack(folder, name, _tool_version(name), _links(TOOLS[name]), depends=[])
    for name in sorted(
        _closure([PYPI.get(name, name) for name in named if name != "python" and name not in TOOLS])
    ):
        distribution = importlib.metadata.distribution(name)
        depends = [f"python {sys.version_info.major}.{sys.version_info.minor}.*"]
        depends += [_conda_spec(requirement) for requirement in _requirements(name)]
        _pack(
            folder,
            _conda_name(name),
            distribution.version,
            _installed(distribution),
            depends=sorted(set(depends)),
        )
    (folder / "noarch").mkdir(exist_ok=True)
    asyncio.run(index_fs(folder, force=True))


def _closure(names: list[str]) -> set[str]:
    """Return these distributions and all that they need, by normal name."""
    found: set[str] = set()
    waiting = [_normal(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [_normal(requirement.name) for requirement in _requirements(name)]
    return found


def _requirements(name: str, extra: str = "") -> Iterator[Requirement]:
    """Yield what a distribution needs here; conda has no extras, so what one needs is needed directly."""
    for text in importlib.metadata.requires(name) or []:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        if (extra and "extra" not in str(requirement.marker)) or _normal(requirement.name).startswith(
            LEFT_OUT
        ):
            continue
        yield requirement
        for inner in requirement.extras:
            yield from _requirements(requirement.name, inner)


def _conda_spec(requirement: Requirement) -> str:
    bounds = str(requirement.specifier).replace("~=", ">=")
    return f"{_conda_name(_normal(requirement.name))} {bounds}".strip()


def _conda_name(name: str) -> str:
    renamed = {pypi: conda for conda, pypi in PYPI.items()} | {"huggingface-hub": "huggingface_hub"}
    return renamed.get(name, name)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _python() -> Files:
    """Return this machine's interpreter with its standard library."""
    base, version = Path(sys.base_prefix), f"python{sys.version_info.major}.{sys.version_info.minor}"
    files: dict[str, Content | str] = {
        f"bin/{version}": Content((base / "bin" / version).resolve().read_bytes(), 0o755),
        "bin/python": version,
        "bin/python3": version,
        f"{SITE}/README.txt": Content(b"site-packages\n", 0o644),
    }
    for library in (base / "lib").glob(f"lib{version}*.so*"):
        files[f"lib/{library.name}"] = Content(library.resolve().read_bytes(), 0o755)
    left_out = {
        "site-packages",
        "dist-packages",
        "test",
        "idlelib",
        "lib2to3",
        "turtledemo",
        "tests",
    }
    standard = base / "lib" / version
    for file in standard.rglob("*"):
        inner = file.relative_to(standard)
        if file.is_file() and not left_out & set(inner.parts) and not inner.parts[0].startswith("config-"):
            files[f"lib/{version}/{inner}"] = Content.of(file, 0o644)
    return files


def _links(programs: tuple[str, ...]) -> Files:
    found = {program: shutil.which(program) for program in programs}
    return {f"bin/{program}": path for program, path in found.items() if path}


def _tool_version(name: str) -> str:
    if name == "c-compiler":
        return C_COMPILER_VERSION
    said = subprocess.run([TOOLS[name][0], "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[1]


def _installed(distribution: importlib.metadata.Distribution) -> Files:
    """Return a distribution's files, links to them where they are large; no scripts of this environment."""
    listed = {
        os.path.normpath(f"{SITE}/{file}"): Path(str(file.locate())) for file in distribution.files or []
    }
    paths = {
        name: path
        for source in listed.items()
        for name, path in _with_compiled(*source)
        if path.is_file() and not _is_script(name, path)
    }
    if sum(path.stat().st_size for path in paths.values()) > LINKED_FROM:
        tops = {name.removeprefix(f"{SITE}/").partition("/")[0] for name in paths if name.startswith(SITE)}
        return {f"{SITE}/{top}": str(distribution.locate_file(top)) for top in sorted(tops)}
    return {name: Content.of(path) for name, path in paths.items()}


def _with_compiled(name: str, path: Path) -> Iterator[tuple[str, Path]]:
    """Yield a file, and beside a module what it is compiled to here, so that no job compiles it."""
    yield name, path
    if path.suffix == ".py" and path.is_file():
        compiled = Path(importlib.util.cache_from_source(path))
        yield f"{Path(name).parent}/__pycache__/{compiled.name}", compiled


def _is_script(name: str, path: Path) -> bool:
    with path.open("rb") as file:
        return name.startswith("bin/") and file.read(2) == b"#!"


def _pack(channel: Path, name: str, version: str, files: Files, *, depends: list[str]) -> None:
    """Write one `.conda` file: a zip of metadata and two compressed tars."""
    stem = f"{name}-{version}-{BUILD}"
    index = {
        "name": name,
        "version": version,
        "build": BUILD,
        "build_number": 0,
        "depends": depends,
        "subdir": SUBDIR,
        "arch": "x86_64",
        "platform": "linux",
    }
    paths = [_path_entry(path, files[path]) for path in sorted(files)]
    said = {"info/index.json": index, "info/paths.json": {"paths": paths, "paths_version": 1}}
    info: dict[str, Content | str] = {
        path: Content(json.dumps(value).encode(), 0o644) for path, value in said.items()
    }
    info["info/files"] = Content("".join(f"{path}\n" for path in sorted(files)).encode(), 0o644)
    (channel / SUBDIR).mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(channel / SUBDIR / f"{stem}.conda", "w") as archive:  # stored, as the format wants
        archive.writestr("metadata.json", json.dumps({"conda_pkg_format_version": 2}))
        archive.writestr(f"pkg-{stem}.tar.zst", _tar(files))
        archive.writestr(f"info-{stem}.tar.zst", _tar(info))


def _path_entry(path: str, value: Content | str) -> dict[str, str | int]:
    data = b"" if isinstance(value, str) else value.data
    kind = "softlink" if isinstance(value, str) else "hardlink"
    digest = hashlib.sha256(data).hexdigest()
    return {"_path": path, "path_type": kind, "sha256": digest, "size_in_bytes": len(data)}


def _tar(files: Files) -> bytes:
    """Return a compressed tar, made quickly rather than small."""
    out = io.BytesIO()
    compressor = zstandard.ZstdCompressor(level=1)
    with (
        compressor.stream_writer(out, closefd=False) as stream,
        tarfile.open(fileobj=stream, mode="w|") as tar,
    ):
        for path, value in files.items():
            member = tarfile.TarInfo(path)
            if isinstance(value, str):
                member.type, member.linkname = tarfile.SYMTYPE, value
                tar.addfile(member)
            else:
                member.mode, member.size, member.mtime = value.mode, len(value.data), value.time
                tar.addfile(member, io.BytesIO(value.data))
    return out.getvalue()


if __name__ == "__main__":
    make_channel(Path(sys.argv[1]).resolve(), [Path(file) for file in sys.argv[2:]])
    # Threads of rattler's outlive the work and now and then crash an interpreter that is shutting down.
    os._exit(0)
