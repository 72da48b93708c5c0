"""A model's local folder: whether the source is one, what it holds, and the digest it is known by."""

import functools
import hashlib
from pathlib import Path

from specgap.errors import ModelError
from specgap.files import sha256
from specgap.settings import Model

#: What a folder is known by, at the cost of a look: name, inode, length and time of its files.
Stamp = tuple[tuple[str, int, int, int], ...]

_PATH_STARTS = ("/", "./", "../", "~")
#: What decides a folder's behaviour: config, tokenizer and weights; a README or a log does not.
_DECIDING = ("*.json", "*.safetensors", "*.bin", "*.model", "*.txt", "*.jinja", "*.py")
_PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")


def folder_of(model: Model) -> Path | None:
    """Return the folder a model lies in, or None for a hub id.

    Raises `ModelError` where the source is written as a path and no folder is there.
    """
    source = model.source
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if source.startswith(_PATH_STARTS) or source in (".", ".."):
        raise ModelError(
            f"model folder {source} is not there; wanted one with config.json, tokenizer and safetensors"
        )
    return None


def named(model: Model) -> str:
    """Return how a sentence calls a model: by its folder, or its hub id and revision."""
    if folder_of(model) is not None:
        return f"model folder {model.source}"
    return f"hub model {model.source}" + (f" at revision {model.revision!r}" if model.revision else "")


def check_source(model: Model) -> None:
    """Refuse, before anything is read, a folder that is missing, is no model, or holds nothing but pickle."""
    folder = folder_of(model)
    if folder is None:
        return
    if model.revision is not None:
        raise ModelError(
            f"model folder {model.source} is given with revision {model.revision!r}; "
            f"wanted a revision for hub ids only"
        )
    if not (folder / "config.json").is_file():
        raise ModelError(f"model folder {model.source} has no config.json; wanted a saved transformers model")
    if any(folder.glob("*.safetensors")):
        return
    pickles = [file.name for pattern in _PICKLES for file in sorted(folder.glob(pattern))]
    if not pickles:
        raise ModelError(f"model folder {model.source} has no weights; wanted *.safetensors")
    if not model.allow_pickle:
        raise ModelError(
            f"model folder {model.source} has only {pickles[0]}, a pickle, which can run code when it is "
            f"loaded; wanted *.safetensors, or allow_pickle: true where you trust it"
        )


def weights_format(model: Model) -> str:
    """Return the format of the weights that `from_pretrained` reads after `check_source`."""
    folder = folder_of(model)
    if folder is None:
        return "safetensors or pickle" if model.allow_pickle else "safetensors"
    return "safetensors" if any(folder.glob("*.safetensors")) else "pickle"


def folder_revision(folder: Path) -> str:
    """Return `sha256:` and a digest over names and contents of config, tokenizer and weights."""
    digest = hashlib.sha256()
    for name, file in _deciding(folder).items():
        digest.update(f"{name}\0{sha256(file)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def folder_stamp(model: Model) -> Stamp:
    """Return name, inode, length and time of each file that decides a folder's behaviour; () for a hub id."""
    folder = folder_of(model)
    files = {} if folder is None else _deciding(folder)
    found = ((name, file.stat()) for name, file in files.items())
    return tuple((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found)


def newest_file(folder: Path) -> Path:
    """Return the file of those that decide a folder's behaviour that was written last."""
    return max(_deciding(folder).values(), key=lambda file: (file.stat().st_mtime_ns, file.name))


@functools.cache  # 20,000 jobs of a large study ask, for a hundred models
def deciding_names(source: str) -> tuple[str, ...]:
    """Return the names of the files that decide a folder's behaviour; none where there is no folder."""
    folder = Path(source).expanduser()
    return tuple(_deciding(folder)) if folder.is_dir() else ()


def _deciding(folder: Path) -> dict[str, Path]:
    files = {file.name: file for pattern in _DECIDING for file in folder.glob(pattern) if file.is_file()}
    return dict(sorted(files.items()))
