"""The reference of the config: a Markdown table and a JSON schema, both made from `specgap.config`."""

import json
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from specgap.config import Study

_HEAD = """# Configuration

Made from `src/specgap/config.py`, `blocks.py` and `settings.py` by `make schema`; a test compares them.

A study is one YAML file: `snakemake --cores 8 --configfile mine.yaml`. It stands alone: what it leaves out
has the default below, not what `config/config.yaml` says. `python scripts/check.py mine.yaml` checks it
without running anything. `figures.yaml` says which figures are drawn; `examples/` has studies of real pairs;
`prompts/` the embedded prompts. `<name>` is a name of your own, `[]` an entry of a list.

| key | values | default | meaning |
|---|---|---|---|
"""


def markdown() -> str:
    """Return `config/README.md`: a row for every key."""
    return _HEAD + "".join(f"| {' | '.join(row)} |\n" for row in _rows(Study, prefix=""))


def json_schema() -> str:
    """Return `workflow/schemas/config.schema.json`."""
    return json.dumps(Study.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def _rows(model: type[BaseModel], *, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        inner, suffix = _inner_model(field.annotation)
        description = (field.description or "").replace("|", "\\|")
        yield f"`{key}`", _values(field.annotation).replace("|", "\\|"), _default(field), description
        if inner:
            yield from _rows(inner, prefix=f"{key}{suffix}.")


def _inner_model(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """Return the block an annotation holds, and how its keys hang below it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    if origin is dict:
        return _inner_model(arguments[1])[0], ".<name>"
    if origin is list:
        return _inner_model(arguments[0])[0], "[]"
    for argument in arguments if origin in (Union, UnionType, Annotated) else ():
        inner, suffix = _inner_model(argument)
        if inner:
            return inner, suffix
    return None, ""


def _values(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is Annotated:
        return _values(arguments[0])
    if origin in (Union, UnionType):
        return " or ".join(_values(argument) for argument in arguments)
    if origin is list:
        return f"list of {_values(arguments[0])}"
    if origin is dict:
        return f"mapping of {_values(arguments[0])} to {_values(arguments[1])}"
    if annotation is NoneType:
        return "`null`"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "block"
    names = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}
    return names.get(annotation, str(annotation))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True, validated_data={})
    if default is PydanticUndefined or isinstance(default, BaseModel):
        return "below"
    if isinstance(default, list) and any(isinstance(item, BaseModel) for item in default):
        return ", ".join(f"`{getattr(item, 'name', item)}`" for item in default)
    if isinstance(default, dict) and any(isinstance(item, BaseModel) for item in default.values()):
        return f"`{{{', '.join(default)}: …}}`"
    if default == "":
        return "made from the others"
    return f"`{json.dumps(default, ensure_ascii=False)}`"
