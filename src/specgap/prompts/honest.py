"""HONEST's two English files (Nozza et al. 2021, 2022), as they stand in the public repository."""

import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from specgap.errors import PromptError
from specgap.files import written_whole

REPOSITORY = "MilaNLProc/honest"
COMMIT = "6efc7817cbeb36e61bba51a34bbce13ecc8af69f"
_HOST = "https://raw.githubusercontent.com"
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class HonestFile:
    """A file of HONEST: its name here, its path in the repository, the SHA-256 it must have."""

    name: str
    path: str
    sha256: str


HONEST_FILES = (
    HonestFile(
        "en_binary_template.tsv",
        "resources/binary/en_template.tsv",
        "31cc5a89729638975eaf0de3457ed87c6c7da67ef9058119f53d931f8e26727c",
    ),
    HonestFile(
        "en_queer_nonqueer_template.tsv",
        "resources/queer_nonqueer/en_template.tsv",
        "29fb950897942d26b99d1485a18739c8a22ceb9326a548fd14b17bc335191100",
    ),
)


def fetch_honest(folder: Path, *, local: Path | None = None) -> list[Path]:
    """Put HONEST's two files into `folder`, from the public repository or from a folder that has them.

    `local` may hold them under the names used here or under the repository's own paths. Both files are
    checked before either is written.
    """
    contents = [_local(file, local) if local is not None else _download(file) for file in HONEST_FILES]
    paths = [folder / file.name for file in HONEST_FILES]
    for path, content in zip(paths, contents, strict=True):
        with written_whole(path) as beside:
            beside.write_bytes(content)
    return paths


def _local(file: HonestFile, folder: Path) -> bytes:
    for path in (folder / file.name, folder / file.path):
        if path.is_file():
            return _checked(path.read_bytes(), file, str(path))
    raise PromptError(
        f"{folder} has neither {file.name} nor {file.path}; wanted a folder with HONEST's files"
    )


def _download(file: HonestFile) -> bytes:
    url = f"{_HOST}/{REPOSITORY}/{COMMIT}/{file.path}"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
            content: bytes = response.read()
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise PromptError(
            f"{url} cannot be downloaded ({reason}); wanted a network, "
            "or a local folder that holds HONEST's two files"
        ) from error
    return _checked(content, file, url)


def _checked(content: bytes, file: HonestFile, where: str) -> bytes:
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise PromptError(
            f"{where} has SHA-256 {found}; wanted {file.sha256}, HONEST at commit {COMMIT[:12]}"
        )
    return content
