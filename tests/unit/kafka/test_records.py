"""Topics of one model: what stands there is read in one way, and what is no such thing is left out and said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import orjson
from pydantic import BaseModel
from tocsin.kafka.records import encode, latest, read
from tocsin.kafka.types import Position, Record, TopicPartition


class Note(BaseModel):
    """What the topic holds."""

    text: str
    more: str | None = None


class Log:
    """An TopicReader over these records."""

    def __init__(self, *records: tuple[bytes | None, bytes | None]) -> None:
        self._records = records

    def read(self, topic: str, since: datetime | None = None) -> Iterator[Record]:
        """Each at its own offset of partition 0."""
        for offset, (key, value) in enumerate(self._records):
            yield Record(Position(TopicPartition(topic, 0), offset), key, value, (), 1)

    def at(self, position: Position) -> Record | None:
        """None."""
        return None

    def close(self) -> None:
        """Nothing is held."""


def test_what_does_not_hold_the_model_is_left_out_with_its_place_and_the_rest_is_read() -> None:
    left_out = list[Position]()
    log = Log((b"a", encode(Note(text="1"))), (b"b", b"{"), (b"c", None), (None, encode(Note(text="2"))))
    found = [(record.position.offset, note.text) for record, note in read(log, "t", Note, leave_out=left_out.append)]
    assert found == [(0, "1"), (3, "2")]
    assert [each.offset for each in left_out] == [1, 2]


def test_what_is_not_wanted_is_neither_parsed_nor_called_unreadable() -> None:
    left_out = list[Position]()
    log = Log((b"other", b"{"), (b"mine", encode(Note(text="1"))))
    found = list(read(log, "t", Note, wanted=lambda record: record.key == b"mine", leave_out=left_out.append))
    assert [note.text for _, note in found] == ["1"]
    assert left_out == []


def test_of_each_key_the_last_that_can_be_read_holds_until_a_record_without_a_value_takes_it_away() -> None:
    one, two = encode(Note(text="1")), encode(Note(text="2"))
    log = Log((b"a", one), (b"b", one), (b"a", two), (b"a", b"{"), (b"b", None), (b"other", one), (b"\xff", one))
    assert latest(log, "t", Note, wanted=lambda key: key != "other") == {"a": Note(text="2"), "\ufffd": Note(text="1")}


def test_what_a_later_version_wrote_under_a_key_is_left_alone_and_nothing_older_takes_its_place() -> None:
    later = orjson.dumps({"version": 2, "words": "two"})
    log = Log((b"a", encode(Note(text="1"))), (b"b", encode(Note(text="1"))), (b"a", later), (b"b", b'{"version": true}'))
    assert latest(log, "t", Note, wanted=lambda _key: True) == {"b": Note(text="1")}


def test_a_record_says_nothing_of_what_is_none() -> None:
    assert orjson.loads(encode(Note(text="1"))) == {"text": "1"}
