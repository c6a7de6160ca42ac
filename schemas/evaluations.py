"""JSON Schemas of an evaluation and of a month, from the dataclasses that hold one."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import orjson
from tocsin.learning import parts
from tocsin.learning.monthly.compose import VERSION as MONTH_VERSION
from tocsin.learning.monthly.parts import MonthFound
from tocsin.learning.report.as_json import VERSION
from tocsin.learning.types import Interval

SIMPLE: Mapping[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    float: {"type": ["number", "null"]},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    NoneType: {"type": "null"},
}
"""A number that is not known is null."""


def files() -> Iterator[tuple[str, bytes]]:
    """Name and content of each schema."""
    yield "learning/evaluation.v1.schema.json", _file(parts.Evaluation, "Evaluation v1", {"tocsin_evaluation": {"const": VERSION}})
    yield "learning/month.v1.schema.json", _file(MonthFound, "Month v1", {"tocsin_month": {"const": MONTH_VERSION}})


def _file(kind: type, title: str, more: dict[str, dict[str, Any]]) -> bytes:
    definitions: dict[str, dict[str, Any]] = {}
    root = _object(kind, definitions)
    root["properties"] = {**more, **root["properties"]}
    root["required"] = [*more, *root["required"]]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    schema = {**head, **root, "$defs": dict(sorted(definitions.items()))}
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _object(kind: type, definitions: dict[str, dict[str, Any]]) -> dict[str, Any]:
    hints, said = get_type_hints(kind), _said(kind)
    names = [each.name for each in fields(kind)] if is_dataclass(kind) else list(Interval._fields)
    properties = {name: _schema(hints[name], definitions) | ({"description": said[name]} if name in said else {}) for name in names}
    return {"type": "object", "description": inspect.getdoc(kind), "properties": properties, "required": names}


def _schema(hint: Any, definitions: dict[str, dict[str, Any]]) -> dict[str, Any]:
    if hint in SIMPLE:
        return dict(SIMPLE[hint])
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(each, definitions) for each in inner]}
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return {"type": "array", "items": _schema(inner[0], definitions)}
        return {
            "type": "array",
            "prefixItems": [_schema(each, definitions) for each in inner],
            "minItems": len(inner),
            "maxItems": len(inner),
        }
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(inner[1], definitions)}
    if hint.__name__ not in definitions:
        definitions[hint.__name__] = {}
        definitions[hint.__name__] = _object(hint, definitions)
    return {"$ref": f"#/$defs/{hint.__name__}"}


def _said(kind: type) -> dict[str, str]:
    """What stands below each field in the code."""
    [made] = ast.parse(inspect.getsource(kind)).body
    assert isinstance(made, ast.ClassDef)
    said = {}
    for field, below in zip(made.body, made.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            said[field.target.id] = " ".join(str(ast.literal_eval(below.value)).split())
    return said
