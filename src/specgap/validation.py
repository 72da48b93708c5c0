"""From YAML to a checked block, and from pydantic's findings to one sentence."""

import difflib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from specgap.errors import ConfigError

_Model = TypeVar("_Model", bound=BaseModel)
_LONGEST_VALUE = 80
#: Where pydantic's own words would say nothing to a user.
_WANTED = {
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "invalid_key": "keys of text",
    "string_too_short": "a name",
    "too_short": "at least one, or the key left out",
}


def read_yaml(path: Path, *, what: str = "config file") -> Any:
    """Read a YAML (or JSON) file without object tags; a key given twice is an error."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except OSError as error:
        raise ConfigError(f"{what} {path} cannot be read ({error.strerror}); wanted a YAML file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{what} {path} is not UTF-8 text ({error.reason}); wanted a YAML file") from error
    except RecursionError as error:
        raise ConfigError(f"{what} {path} is nested too deeply; wanted a few levels of keys") from error
    # YAML's own conversions raise plain ValueErrors: numbers of thousands of digits, days that are not.
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{what} {path} is not YAML: {error}") from error


def validated(model: type[_Model], raw: Any, *, source: str) -> _Model:
    """Validate a mapping as a `model`; `source` is the file that the error's sentence names."""
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{source} holds {type(raw).__name__} {raw!r}; wanted a mapping of keys")
    try:
        return model.model_validate(_plain(raw))
    except RecursionError as error:
        raise ConfigError(f"{source} holds itself; wanted a few levels of keys") from error
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{source}: {_sentence(model, error)}") from error


class _UniqueKeys(yaml.SafeLoader):
    """A YAML loader that refuses a key given twice, which plain YAML keeps in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str | int | float) and key in seen:
                raise yaml.YAMLError(f"key {key!r} stands twice (line {key_node.start_mark.line + 1})")
            if isinstance(key, str | int | float):
                seen.add(key)
        return super().construct_mapping(node, deep)


def _plain(value: Any) -> Any:
    """Copy ordered mappings, as Snakemake hands them over, into plain dicts and lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _sentence(model: type[BaseModel], error: ValidationError) -> str:
    """Put the first problem of a validation into one sentence: key, value found, value wanted."""
    first = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    # pydantic puts the name of a union's branch into the path; no key of ours has a bracket.
    location = [part for part in first["loc"] if not (isinstance(part, str) and "[" in part)]
    while len(location) > 1 and location[-1] in ("str", "int", "float", "bool"):
        location.pop()
    key = ".".join(str(part) for part in location) or "the config"
    if first["type"] == "extra_forbidden":
        # The key itself is a user's, brackets and all.
        unknown = [*(part for part in location if part is not first["loc"][-1]), first["loc"][-1]]
        return f"unknown key {_shown('.'.join(map(str, unknown)))}{_nearest(model, unknown)}"
    if first["type"] == "missing":
        return f"{key} is missing; wanted it to be set"
    if first["type"] == "value_error":
        return f"{key}: {first['ctx']['error']}" if location else str(first["ctx"]["error"])
    found = _shown(first["input"])
    found = found if len(found) <= _LONGEST_VALUE else f"{found[: _LONGEST_VALUE - 3]}..."
    wanted = first["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    wanted = _WANTED.get(first["type"], wanted)
    return f"{key} is {found}; wanted {wanted}"


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # a number of thousands of digits
        return "a number beyond all bounds"


def _nearest(model: type[BaseModel], location: list[Any]) -> str:
    block = _block_at(model, location[:-1])
    known = list(block.model_fields) if block else []
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; wanted one of {', '.join(known)}" if known else ""


def _block_at(annotation: Any, location: list[Any]) -> type[BaseModel] | None:
    """Follow a path of keys through the models' annotations."""
    if get_origin(annotation) is Annotated:
        return _block_at(get_args(annotation)[0], location)
    if get_origin(annotation) in (Union, types.UnionType):
        found = (_block_at(option, location) for option in get_args(annotation))
        return next((block for block in found if block), None)
    if get_origin(annotation) in (dict, list):
        return _block_at(get_args(annotation)[-1], location[1:]) if location else None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not location:
            return annotation
        field = annotation.model_fields.get(str(location[0]))
        return _block_at(field.annotation, location[1:]) if field else None
    return None
