"""Hub models: fetched once, where there is a network, and known from then on by their commit.

A record `<resources>/models/hub/{name}.json` says which commit a hub id was when it was fetched. Whatever
loads the model afterwards reads that commit from the hub's local cache (`HF_HOME`) and asks no network.
"""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from specgap.errors import ModelError
from specgap.files import read_json, write_text
from specgap.models.failures import one_sentence
from specgap.models.folders import folder_of
from specgap.names import file_name
from specgap.settings import Model, Pair

if TYPE_CHECKING:
    from specgap.config import Study

#: What `from_pretrained` reads of a repository; weights in other formats and of other libraries stay there.
_READ = ("*.json", "*.txt", "*.model", "*.tiktoken", "*.jinja")
_WEIGHTS, _PICKLES, _CODE = "model*.safetensors", "pytorch_model*.bin", "*.py"
#: Folders of the same model for other libraries.
_NOT_READ = ("onnx/*", "openvino/*", "coreml/*", "original/*", "metal/*", "gguf/*")


def record_file(resources: Path, model: Model) -> Path:
    """Return where a hub model's commit is recorded; each id and revision has a file of its own."""
    asked = f"{model.source}@{model.revision or ''}"
    return resources / "models/hub" / f"{file_name(asked)}.json"


def hub_models(study: "Study") -> dict[str, Model]:
    """Return the study's hub models by the name of their record.

    Of two that differ only in how they are read, one stands for both; it may read whatever either may.
    """
    found: dict[str, Model] = {}
    for pair in study.pairs.values():
        for model in pair.models:
            if study.trains(model) or folder_of(model):
                continue
            name = record_file(Path(study.resources_folder), model).stem
            other = found.get(name, model)
            keys = ("trust_remote_code", "allow_pickle")
            may = {key: getattr(model, key) or getattr(other, key) for key in keys}
            found[name] = model.model_copy(update=may)
    return found


def fetch_model(study: "Study", name: str, record: Path) -> None:
    """Bring a hub model into the local cache and record its commit.

    The model is opened, and its tensors' names and shapes are compared with its architecture. Without a
    network a copy that is whole in the cache is taken. Raises `ModelError` of one sentence.
    """
    from specgap.models import source

    model = hub_models(study)[name]
    weights = [_WEIGHTS, *([_PICKLES] if model.allow_pickle else [])]
    code = [_CODE] if model.trust_remote_code else []
    with one_sentence(model, "files"):
        from huggingface_hub import snapshot_download

        offline = source.is_offline()
        found = snapshot_download(
            model.source,
            revision=model.revision,
            allow_patterns=[*_READ, *weights, *code],
            ignore_patterns=list(_NOT_READ),
            local_files_only=offline,
        )
    folder = Path(found)
    if not any(file for pattern in weights for file in folder.glob(pattern)):
        raise ModelError(
            f"hub model {model.source} has no safetensors weights; wanted a model or revision with them, "
            f"or allow_pickle: true where you trust it"
        )
    fetched = model.model_copy(update={"revision": folder.name})
    source.revision_of(fetched, source.open_config(fetched))
    source.open_tokenizer(fetched)
    source.check_weights(fetched)
    said = {"source": model.source, "revision": model.revision, "commit": folder.name}
    write_text(record, json.dumps(said, indent=1) + "\n")


def pinned(study: "Study", pair: str) -> Pair:
    """Return a pair whose hub models are asked for at their recorded commit, where one is recorded."""
    of = study.pairs[pair]
    models = {role: _pinned(study, getattr(of, role)) for role in ("target", "draft")}
    return of.model_copy(update=models)


def _pinned(study: "Study", model: Model) -> Model:
    record = record_file(Path(study.resources_folder), model)
    if study.trains(model) or folder_of(model) or not record.is_file():
        return model
    try:
        commit = read_json(record)["commit"]
    except (ValueError, KeyError, TypeError):
        commit = None
    if not (isinstance(commit, str) and re.fullmatch(r"[0-9a-f]{7,64}", commit)):
        raise ModelError(
            f"{record} names no commit of {model.source}; wanted it as it was written, so delete it and "
            f"run `snakemake prefetch` where there is a network"
        )
    return model.model_copy(update={"revision": commit})
