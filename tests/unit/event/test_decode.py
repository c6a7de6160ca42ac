"""A record is an imaging event or is refused with a reason, and the reason never repeats what the record said."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from tocsin.errors import MalformedEvent, NotJson, SchemaMismatch, VersionUnknown
from tocsin.event.decode import decode

from tests.builders import event_json, record


def test_a_valid_record_becomes_the_event_it_says() -> None:
    event = decode(record())
    assert (event.media, event.subject) == ("Media/m1", "Patient/p1")
    assert event.occurred_at.utcoffset() is not None


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (b"", NotJson),
        (b"\xff\xfe", NotJson),
        (b'{"version": 1', NotJson),
        (b"[]", SchemaMismatch),
        (b"null", SchemaMismatch),
        (orjson.dumps(event_json(version=2)), VersionUnknown),
        (orjson.dumps(event_json(version=None)), SchemaMismatch),
        (orjson.dumps(event_json(subject=None)), SchemaMismatch),
        (orjson.dumps(event_json(media="Media/")), SchemaMismatch),
        (orjson.dumps(event_json(media="Observation/1")), SchemaMismatch),
        (orjson.dumps(event_json(media="Media/../Patient/1")), SchemaMismatch),
        (orjson.dumps(event_json(occurred_at="2026-03-01T09:30:00")), SchemaMismatch),
    ],
)
def test_anything_else_is_refused(value: bytes, error: type[MalformedEvent]) -> None:
    with pytest.raises(error):
        decode(record(value))


def test_fields_that_a_later_producer_added_are_passed_over() -> None:
    assert decode(record(orjson.dumps(event_json(lens="x", device={"id": 1})))) == decode(record())


@pytest.mark.parametrize("change", [{"media": "Jane Canary"}, {"id": "Jane Canary"}, {"subject": {"Jane Canary": 1}}])
def test_a_refusal_never_repeats_the_senders_text(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaMismatch) as caught:
        decode(record(orjson.dumps(event_json(**change))))
    assert "Canary" not in str(caught.value)
