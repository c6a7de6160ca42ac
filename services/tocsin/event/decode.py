"""Kafka record -> ImagingEvent, or a MalformedEvent that says what is wrong with the record."""

from __future__ import annotations

from typing import Any

import orjson
from pydantic import ValidationError

from tocsin.errors import MalformedEvent, NotJson, RecordUnreadable, SchemaMismatch, VersionUnknown
from tocsin.event.types import ImagingEvent
from tocsin.kafka.types import Position, Record, Unreadable


def decode(record: Record) -> ImagingEvent:
    """The event in the record's value. Raises a MalformedEvent, which never repeats the record's text."""
    if record.unreadable is not None:
        raise RecordUnreadable(_unreadable(record.position, record.unreadable))
    content = _json(record.value)
    if isinstance(content, dict) and isinstance(content.get("version"), int) and content["version"] != 1:
        raise VersionUnknown(f"version {content['version']} is not 1")
    try:
        return ImagingEvent.model_validate(content)
    except ValidationError as error:
        raise SchemaMismatch(_fields(error)) from None


def media_of(record: Record) -> str | None:
    """The Media/<id> that the record names; None where the record holds no imaging event."""
    try:
        return decode(record).media
    except MalformedEvent:
        return None


def _unreadable(position: Position, found: Unreadable) -> str:
    reach = "" if found.last_offset == position.offset else f" and whatever stands behind it up to {found.last_offset}"
    return f"nobody can read {position}{reach}: {found.why}"


def _json(value: bytes | None) -> Any:
    if value is None:
        raise NotJson("the record has no value")
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise NotJson(f"no JSON after {error.pos} of {len(value)} bytes") from None


def _fields(error: ValidationError) -> str:
    """Which fields are wrong and how, without what the sender wrote in them."""
    found = error.errors(include_input=False, include_url=False)
    return "; ".join(f"{item['loc'][0] if item['loc'] else 'event'}: {item['type']}" for item in found[:8])
