"""What `tocsin dead-letters --show` tells of a record, also of one that its letter does not hold."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from tocsin.cli.dead_letter_options import Found
from tocsin.cli.dead_letters import _told
from tocsin.deadletter.letters import Letter
from tocsin.deadletter.types import dead_letter
from tocsin.errors import NotJson
from tocsin.kafka.types import Position, TopicPartition

from tests.builders import record

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LARGE = record(b"Canary" * 10_000, headers=(("h", b"Canary"),))


def found(bytes_max: int) -> Found:
    dead = dead_letter(LARGE, NotJson("x"), attempts=1, first_failed_at=NOON, now=NOON, bytes_max=bytes_max)
    return Found(Letter(Position(TopicPartition("letters", 2), 17), dead), None, None)


def test_sizes_and_sha256_are_told_whether_the_letter_holds_the_record_or_not() -> None:
    for bytes_max, left_out in ((10_000, f"too large for its letter: read it at {LARGE.position}"), (1_000_000, None)):
        told = _told(found(bytes_max))
        assert (told["value_bytes"], told["value_sha256"]) == (60_000, hashlib.sha256(LARGE.value or b"").hexdigest())
        assert (told["key_bytes"], told["headers_bytes"]) == (10, 7)
        assert told["left_out"] == left_out
        assert "Canary" not in str(told)
