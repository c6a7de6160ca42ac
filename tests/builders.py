"""Records and events the tests start from; every builder takes only what the test is about."""

from __future__ import annotations

from typing import Any

import orjson
from tocsin.event.model import Position, Record, TopicPartition

LOG = TopicPartition("imaging.events.v1", 0)


def event_json(**changes: Any) -> dict[str, Any]:
    """A valid imaging event as JSON; a change to None removes the field."""
    event: dict[str, Any] = {
        "version": 1,
        "id": "evt-1",
        "source": "urn:test:camera",
        "occurred_at": "2026-03-01T09:30:00+01:00",
        "media": "Media/m1",
        "subject": "Patient/p1",
    } | changes
    return {name: value for name, value in event.items() if value is not None}


def record(value: bytes | None = None, *, offset: int = 0, headers: tuple[tuple[str, bytes], ...] = ()) -> Record:
    """A record as the bus delivers it."""
    content = orjson.dumps(event_json()) if value is None else value
    return Record(position=Position(LOG, offset), key=b"Patient/p1", value=content, headers=headers, timestamp_ms=1_772_354_400_000)
