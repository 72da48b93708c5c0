"""Prompts from a Hugging Face dataset, by id or local folder: the only module that imports `datasets`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from specgap.config import Prompts
from specgap.errors import PromptError
from specgap.files import write_text, written_whole

_INSTALL = "pip install 'specgap[datasets]'"
_SCALARS = ("string", "large_string", "bool", "int", "uint", "float")


def fetch_dataset(prompts: Prompts, path: Path, origin: Path, *, root: Path = Path()) -> None:
    """Write the rows of `prompts.dataset` to `path` as JSON lines, and their commit to `origin`.

    A dataset that is a folder below `root` is read from there and has no commit. Columns of text, numbers and
    class labels (as their names) are kept; others cannot serve as text or group and are left out.
    """
    dataset, commit = _load(prompts, root)
    names = _class_names(dataset)
    kept = [column for column, feature in dataset.features.items() if column in names or _is_scalar(feature)]
    with written_whole(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        for row in _plain_rows(dataset.select_columns(kept), names):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    said = {"dataset": prompts.dataset, "revision": prompts.revision, "commit": commit}
    write_text(origin, json.dumps(said, indent=1) + "\n")


def _load(prompts: Prompts, root: Path) -> tuple[Any, str | None]:
    """Return the dataset and its commit."""
    try:
        import datasets
    except ImportError as error:
        raise PromptError(
            f"prompts.dataset is {prompts.dataset!r}, which needs the package datasets: {_INSTALL}"
        ) from error
    source = str(prompts.dataset)
    local = (root / source).is_dir()
    try:
        # Resolved first, so that a branch cannot move between the record and the rows.
        commit = None if local else _commit(source, prompts.revision)
        found = str(root / source) if local else source
        return datasets.load_dataset(found, prompts.name, split=prompts.split, revision=commit), commit
    # Loading runs code of many packages (hub, Arrow, builders), each with errors of its own.
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise PromptError(
            f"dataset {source!r} (split {prompts.split!r}) cannot be loaded ({reason.rstrip('.')}); "
            "wanted a dataset id and a network, or a folder"
        ) from error


def _commit(source: str, revision: str | None) -> str:
    from huggingface_hub import HfApi

    return str(HfApi().dataset_info(source, revision=revision).sha)


def _class_names(dataset: Any) -> dict[str, list[str]]:
    """Return the names behind the numbers of each column of class labels."""
    return {
        column: list(feature.names)
        for column, feature in dataset.features.items()
        if type(feature).__name__ == "ClassLabel"
    }


def _is_scalar(feature: Any) -> bool:
    return type(feature).__name__ == "Value" and str(feature.dtype).startswith(_SCALARS)


def _plain_rows(dataset: Any, names: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    for row in dataset:
        for column, labels in names.items():
            # −1 and null both mean "no label" there.
            label = row[column]
            row[column] = None if label is None or label < 0 else labels[label]
        yield row
