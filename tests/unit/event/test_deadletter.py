"""A dead letter carries the unchanged original and everything an operator needs to act."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from tocsin.errors import AttemptsExhausted, NotJson
from tocsin.event.deadletter import DeadLetter, dead_letter

from tests.builders import record

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_original_is_kept_byte_for_byte() -> None:
    letter = dead_letter(record(b"\xff\x00not json", offset=7), NotJson("x"), attempts=1, first_failed_at=NOON, now=NOON)
    assert base64.b64decode(letter.original.value or "") == b"\xff\x00not json"
    assert (letter.original.offset, letter.reason, letter.kind) == (7, "not-json", "permanent")


def test_an_event_that_a_neighbour_kept_failing_on_may_be_replayed() -> None:
    letter = dead_letter(record(), AttemptsExhausted("x"), attempts=6, first_failed_at=NOON, now=NOON)
    assert letter.kind == "transient"


def test_a_dead_letter_reads_back_as_it_was_written() -> None:
    letter = dead_letter(record(headers=(("h", b"\x00"),)), NotJson("x"), attempts=1, first_failed_at=NOON, now=NOON)
    assert DeadLetter.model_validate_json(letter.model_dump_json()) == letter
