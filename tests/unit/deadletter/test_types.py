"""A dead letter carries the unchanged original and everything an operator needs to act."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import orjson
import pytest
from pydantic import ValidationError
from tocsin.deadletter.types import KEPT_BYTES_MAX, DeadLetter, Digest, dead_letter, send_dead_letter
from tocsin.errors import AttemptsExhausted, Kind, NotJson, Poisoned, RecordTooLarge, Refused, SubjectMismatch
from tocsin.kafka.types import Position, Record, TopicPartition

from tests.builders import record
from tests.fakes.bus import FakeBus, FakeSink

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ODD = Record(
    Position(TopicPartition("imaging.events.v1", 2), 9),
    key=b"\xff\x00",
    value=None,
    headers=(("traceparent", b"00-ab"), ("bytes", b"\x00\xff"), ("ключ", b""), ("bytes", b"again")),
    timestamp_ms=1_772_354_400_123,
)
"""Neither its key nor its headers are text, and it has no value."""


def letter_for(refused: Record, error: Refused | None = None) -> DeadLetter:
    return dead_letter(refused, error or NotJson("x"), attempts=1, first_failed_at=NOON, now=NOON)


def test_the_original_is_kept_byte_for_byte() -> None:
    letter = letter_for(record(b"\xff\x00not json", offset=7))
    assert base64.b64decode(letter.original.value or "") == b"\xff\x00not json"
    assert (letter.original.offset, letter.reason, letter.kind) == (7, "not-json", "permanent")


@pytest.mark.parametrize("refused", [ODD, record(), record(b"")], ids=["odd", "usual", "empty"])
def test_the_record_comes_back_from_the_bus_as_it_was(refused: Record) -> None:
    bus = FakeBus()
    send_dead_letter(FakeSink(bus), "letters", letter_for(refused), refused.key)
    (sent,) = bus.records("letters")
    assert sent.key == refused.key
    assert DeadLetter.model_validate_json(sent.value or b"").original.record == refused


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(SubjectMismatch("x"), "permanent", id="an event that must be corrected"),
        pytest.param(AttemptsExhausted("x"), "transient", id="an event that a neighbour kept failing on"),
        pytest.param(Poisoned("x"), "poison", id="an event that killed the process"),
    ],
)
def test_a_dead_letter_says_of_which_class_it_is(error: Refused, kind: Kind) -> None:
    letter = letter_for(record(), error)
    assert letter.kind == kind
    assert orjson.loads(letter.model_dump_json())["class"] == kind
    assert letter.model_dump(mode="json")["class"] == kind


def test_a_dead_letter_reads_back_as_it_was_written() -> None:
    letter = letter_for(record(headers=(("h", b"\x00"),)))
    assert DeadLetter.model_validate_json(letter.model_dump_json()) == letter


@pytest.mark.parametrize(
    ("headers", "replays"),
    [
        ((), 0),
        ((("tocsin-replays", b"3"),), 3),
        ((("tocsin-replays", b"1"), ("tocsin-replays", b"2")), 2),
        ((("tocsin-replays", b"-1"),), 0),
        ((("tocsin-replays", b""),), 0),
        ((("tocsin-replays", b"many"),), 0),
        ((("tocsin-replays", b"99999999999999999999"),), 0),
        ((("tocsin-replays", "٣".encode()),), 0),
    ],
)
def test_a_dead_letter_counts_the_replays_before_it(headers: tuple[tuple[str, bytes], ...], replays: int) -> None:
    assert letter_for(record(headers=headers)).replays == replays


def test_a_value_whose_base64_was_cut_short_is_no_dead_letter() -> None:
    whole = letter_for(record()).model_dump(mode="json")
    cut = whole | {"original": whole["original"] | {"value": whole["original"]["value"][:-3]}}
    with pytest.raises(ValidationError, match="pattern"):
        DeadLetter.model_validate(cut)


def test_a_usual_letter_says_nothing_that_an_older_reader_does_not_know() -> None:
    said = letter_for(record(headers=(("traceparent", b"00-ab"),))).model_dump(mode="json")
    assert set(said["original"]) == {"topic", "partition", "offset", "timestamp_ms", "key", "value", "headers"}
    assert said["original"]["headers"] == [{"name": "traceparent", "value": "MDAtYWI="}]


def test_a_header_name_takes_no_more_room_in_a_letter_than_its_value_would() -> None:
    letter = letter_for(record(headers=(("\x00" * 30_000, b""),)))
    assert len(letter.model_dump_json()) < 45_000
    assert letter.original.record.headers == (("\x00" * 30_000, b""),)


@pytest.mark.parametrize(
    ("takes", "key", "value"),
    [
        pytest.param(60_000, b"Patient/p1", None, id="a-topic-that-takes-some"),
        pytest.param(5_000, b"Patient/p1", None, id="a-topic-that-takes-little"),
        pytest.param(60_000, b"Patient/p1", b"{}", id="large-headers"),
    ],
)
def test_of_a_record_that_is_too_large_for_its_topic_the_letter_holds_place_sizes_and_sha256(
    takes: int, key: bytes, value: bytes | None
) -> None:
    bus = FakeBus()
    bus.record_bytes_max = takes
    large = record(b"x" * 50_000 if value is None else value, headers=() if value is None else (("h", b"x" * 50_000),))
    send_dead_letter(FakeSink(bus), "letters", letter_for(large), large.key)
    (sent,) = bus.records("letters")
    original = DeadLetter.model_validate_json(sent.value or b"").original
    assert original.left_out == Digest.of(large)
    assert (original.record.key, original.record.value, original.headers) == (key, value, ())
    assert original.lacks_value == (value is None)


def test_of_a_record_that_is_too_large_for_memory_no_whole_letter_is_ever_made() -> None:
    large = record(b"x" * (KEPT_BYTES_MAX + 1))
    letter = dead_letter(large, NotJson("x"), attempts=1, first_failed_at=NOON, now=NOON, bytes_max=10_000)
    assert letter.original.left_out == Digest.of(large)
    assert len(letter.model_dump_json()) < 10_000


def test_a_topic_that_takes_no_letter_at_all_stops_the_process() -> None:
    bus = FakeBus()
    bus.record_bytes_max = 100
    with pytest.raises(RecordTooLarge, match=r"max\.message\.bytes"):
        send_dead_letter(FakeSink(bus), "letters", letter_for(record()), b"key")


@pytest.mark.parametrize("text", ["\ud800 in a detail", "x" * 1999 + "\ud800"])
def test_a_detail_that_is_no_text_is_escaped(text: str) -> None:
    bus = FakeBus()
    send_dead_letter(FakeSink(bus), "letters", letter_for(record(), NotJson(text)), b"key")
    assert len(bus.records("letters")) == 1
