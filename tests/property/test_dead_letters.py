"""Whatever stands on the imaging topic, its dead letter is one that the topic takes, and nothing of it is lost or made up."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st
from tocsin import outcome
from tocsin.consume.attempt import Attempt
from tocsin.consume.handler import Handler
from tocsin.deadletter.letters import letters
from tocsin.deadletter.refused_before import Refusals
from tocsin.deadletter.replay import Replay, replay
from tocsin.deadletter.types import DeadLetter, Digest
from tocsin.event.types import ImagingEvent
from tocsin.kafka.types import Position, Record, TopicPartition
from tocsin.settings import KafkaSettings

from tests.fakes.bus import FakeBus, FakeSink, FakeTopicReader

NOW: Final = datetime(2026, 3, 1, tzinfo=UTC)
TOPICS: Final = KafkaSettings()
TAKES: Final = 24_000
"""What each topic takes, here: the room for a letter is to its original as it is with the defaults, and tests run in no time."""

SIZES: Final = st.one_of(st.integers(0, 64), st.integers(0, TAKES))
CONTENT: Final = st.one_of(
    st.none(), st.binary(max_size=64), st.builds(lambda size, byte: bytes([byte]) * size, SIZES, st.integers(0, 255))
)
NAMES: Final = st.one_of(
    st.text(max_size=12),
    st.builds(lambda size, each: each * (size // len(each.encode("utf-8", "backslashreplace"))), SIZES, st.characters()),
)
HEADERS: Final = st.one_of(
    st.lists(st.tuples(NAMES, st.binary(max_size=64)), max_size=4),
    st.builds(lambda number, name: [(name, b"")] * number, st.integers(0, TAKES // 3), st.sampled_from(["", "a", "\x00", "\\xff", "é"])),
)
TIMES: Final = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.sampled_from([-1, 0, 1_772_354_400_000, 1_772_354_400_000_000, 253_402_300_800_000])
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Any record that a topic may hold that takes `TAKES` bytes."""
    key, value, headers = draw(CONTENT), draw(CONTENT), draw(HEADERS)
    room = TAKES - len(value or b"")
    value = value if room >= 0 else b""
    key = key[: max(0, room)] if key is not None else None
    kept, left = [], TAKES - len(value or b"") - len(key or b"")
    for name, content in headers:
        left -= len(name.encode("utf-8", "backslashreplace")) + len(content) + 3
        if left < 0:
            break
        kept.append((name, content))
    return Record(Position(TopicPartition(TOPICS.topic_imaging, 0), 0), key, value, tuple(kept), draw(TIMES))


def refuse_all(event: ImagingEvent) -> outcome.Published:
    raise AssertionError("no such record is an event")


def handler(bus: FakeBus) -> Handler:
    return Handler(
        refuse_all,
        FakeSink(bus),
        TOPICS.topic_dead_letters,
        is_member=lambda: True,
        refused_before=Refusals(lambda: closing(FakeTopicReader(bus)), TOPICS.topic_dead_letters, heard=lambda: None, now=lambda: NOW),
        letter_bytes_max=3 * TAKES,
        now=lambda: NOW,
        group="g",
        producer="parent",
    )


@settings(max_examples=150, deadline=None)
@given(refused=records(), takes=st.sampled_from([TAKES * 3, TAKES, 6_000]))
def test_any_record_of_the_topic_ends_in_a_dead_letter_that_is_found_again(refused: Record, takes: int) -> None:
    """Of three topics: one with room for all letters, one that takes no more than the imaging topic, and one that takes less."""
    bus = FakeBus(partitions=1)
    bus.append(TOPICS.topic_imaging, refused.key, refused.value, refused.headers, at_ms=refused.timestamp_ms)
    bus.record_bytes_max, bus.now_ms = takes, int(NOW.timestamp() * 1000)
    tried = Attempt(refused, seen_before=True)
    assert isinstance(handler(bus).handle(tried), outcome.Refused)
    [found] = letters(FakeTopicReader(bus), TOPICS.topic_dead_letters)
    _says_the_truth(found.dead, refused)
    assert isinstance(handler(bus).handle(tried), outcome.Refused)
    assert len(bus.records(TOPICS.topic_dead_letters)) == 1, "a second letter for the same record"
    bus.record_bytes_max = 4 * TAKES
    ending = replay(FakeTopicReader(bus), FakeSink(bus), found, None, topics=TOPICS, replays_max=3, now=NOW, by="operator")
    assert isinstance(ending, Replay) == (refused.value is not None)
    if refused.value is not None:
        again = bus.records(TOPICS.topic_imaging)[-1]
        assert (again.key, again.value) == (refused.key, refused.value)


def _says_the_truth(dead: DeadLetter, refused: Record) -> None:
    assert dead.original.digest == Digest.of(refused)
    assert dead.original.position == refused.position
    assert dead.original.timestamp_ms == refused.timestamp_ms
    if dead.original.left_out is None:
        assert dead.original.record == refused
    else:
        assert dead.original.record.value in (None, refused.value)
        assert dead.original.record.key in (None, refused.key)
