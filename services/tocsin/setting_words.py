"""Says in words what a setting takes: kind, bounds, unit and an example."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from tocsin.errors import ConfigurationError

UNITS: Final[Mapping[str, str]] = {"s": "seconds", "ms": "milliseconds", "bytes": "bytes", "pixels": "pixels", "px": "pixels"}
"""Word of a setting's name -> the unit that it stands for."""
BOUNDS: Final[Mapping[type, tuple[str, str]]] = {Gt: ("gt", "above"), Ge: ("ge", "not below"), Lt: ("lt", "below"), Le: ("le", "not above")}
KINDS: Final[Mapping[type, str]] = {bool: "true or false", int: "a whole number", float: "a number", Path: "a path", SecretStr: "a secret"}
EXAMPLES: Final[Mapping[type, str]] = {Path: "/etc/tocsin/file.pem", SecretStr: "(the secret itself)", float: "10", int: "10"}


def wanted(field: str, info: FieldInfo) -> str:
    """The end of a sentence about a setting: kind, bounds, unit, an example, and what the setting is for."""
    unit = unit_of(field)
    of = f" of {unit}" if unit else ""
    return f"{_kind(info)}{of}, for example {example(field, info)} ({(info.description or '').rstrip('.')})"


def unit_of(field: str) -> str:
    """The unit that the setting's name holds; empty where it holds none."""
    return next((UNITS[word] for word in field.split("_") if word in UNITS), "")


def example(field: str, info: FieldInfo) -> str:
    """A value that the setting would take: the field's own example, its default, or a value of its kind."""
    if info.examples:
        return written(info.examples[0])
    default = info.get_default(call_default_factory=True, validated_data={})
    if default not in (None, ()) and not isinstance(default, SecretStr):
        return written(default)
    if contains(info.annotation, tuple, list):
        return '["one", "another"]'
    kind = next((kind for kind in EXAMPLES if contains(info.annotation, kind)), None)
    return EXAMPLES[kind] if kind else "x"


def written(value: Any) -> str:
    """The value as it stands in an environment variable."""
    if isinstance(value, str | Path):
        return str(value)
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    return json.dumps(value, default=str)


def contains(annotation: Any, *kinds: type) -> bool:
    """Whether the annotation contains any of the kinds, at whatever depth."""
    origin = get_origin(annotation)
    if annotation in kinds or origin in kinds:
        return True
    if origin is Literal:
        return False
    parts: Iterable[Any] = get_args(annotation)[:1] if origin is Annotated else get_args(annotation)
    return any(contains(part, *kinds) for part in parts)


def part_of(model: type[BaseModel], field: str) -> type[BaseModel] | None:
    """The model that the field holds, alone or in a list; None where it holds none."""
    info = model.model_fields.get(field)
    return None if info is None else _model_in(info.annotation)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


TOLD: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "literal_error": "must be {expected}",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must not be below {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must not be above {le:g}",
    "too_short": "must have at least {min_length} entries",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "has a form that its schema does not allow",
    "string_type": "must be text (numbers and dates in quotation marks)",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "tuple_type": "must be a list",
}
"""pydantic's code of what is wrong in a file -> Tocsin's words; for another code only the place is told."""


def told(problem: Mapping[str, Any], keys: Iterable[str]) -> str:
    """What is wrong at one place of a file, in words; `keys` are those that may stand there."""
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    if problem["type"] == "extra_forbidden":
        near = get_close_matches(str(problem["loc"][-1]), list(keys), n=1, cutoff=0.5)
        return f"is no key here: did you mean {near[0]}?" if near else f"is no key here: there are {', '.join(keys)}"
    return TOLD.get(problem["type"], "is not a value that its schema allows").format(**problem.get("ctx", {}))


@contextmanager
def reading(file: str, model: type[BaseModel], whole: str, advice: str = "") -> Iterator[None]:
    """Has whatever is wrong with a YAML file that is to be this model end in a ConfigurationError that says what, and where.

    `file` names it with its kind; `whole` is what its outermost level is called; `advice` follows where it cannot be read at all.
    """
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read ({error.strerror}){advice}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise ConfigurationError(f"{file}: {misread(error, model, whole)}") from None


def misread(error: ValidationError, model: type[BaseModel], whole: str) -> str:
    """What is wrong in a file that was to be this model, without pydantic's words; `whole` is what the file is called."""
    items = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or whole} {told(item, _keys(model, item['loc'][:-1]))}" for item in items)


def _keys(whole: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """Which keys may stand at this place of the file."""
    model: type[BaseModel] | None = whole
    for part in place:
        if isinstance(part, str) and model is not None:
            model = part_of(model, part)
    return list(model.model_fields) if model is not None else []


def _kind(info: FieldInfo) -> str:
    if choices := _choices(info.annotation):
        return f"one of {', '.join(choices)}"
    if contains(info.annotation, tuple, list, dict, Mapping):
        return "JSON"
    kind = next((words for kind, words in KINDS.items() if contains(info.annotation, kind)), "text")
    bounds = [
        f"{words} {getattr(each, name):g}" for each in info.metadata for cls, (name, words) in BOUNDS.items() if isinstance(each, cls)
    ]
    return " ".join((kind, " and ".join(bounds))).strip()


def _choices(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return tuple(map(str, get_args(annotation)))
    return tuple(choice for part in get_args(annotation) for choice in _choices(part))
