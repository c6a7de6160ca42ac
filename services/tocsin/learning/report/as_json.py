"""Evaluation -> JSON, for programs: the names of tocsin.learning.parts; null where a figure is not known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from typing import Any, Final

import orjson

from tocsin.learning.parts import Evaluation
from tocsin.learning.types import Interval

VERSION: Final = 1


def as_json(found: Evaluation) -> bytes:
    """The evaluation as UTF-8; equal evaluations are equal bytes."""
    return dumped({"tocsin_evaluation": VERSION} | plain(found))


def dumped(said: Mapping[str, Any]) -> bytes:
    """The object as UTF-8 that a person can read."""
    return orjson.dumps(said, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def plain(value: Any) -> Any:
    """The value in what JSON has; NaN and infinity, which it lacks, as null."""
    if isinstance(value, Interval):
        return {name: plain(part) for name, part in value._asdict().items()}
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [plain(part) for part in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
