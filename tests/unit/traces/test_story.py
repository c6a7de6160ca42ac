"""Where there is no trace, record and bus tell what they can, and it is said what is missing and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import orjson
import pytest
from tocsin.deadletter.closure import close
from tocsin.deadletter.letters import letters
from tocsin.deadletter.replay import replay, replayed
from tocsin.deadletter.types import dead_letter, send_dead_letter
from tocsin.errors import ContractError, SubjectMismatch, TocsinError, Unavailable
from tocsin.kafka.ports import TopicReader
from tocsin.kafka.types import Record
from tocsin.report.flag import flag_of
from tocsin.report.kafka import KafkaFlags
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.mark import as_written
from tocsin.report.types import StoredReport
from tocsin.settings import KafkaSettings, TracesSettings
from tocsin.traces.evidence import Glance
from tocsin.traces.story import Sources, Story, Wish, tell
from tocsin.traces.types import Span, Subject, micros, subject_of

from tests.builders import card, event_json, record
from tests.fakes.bus import FakeBus, FakeSink, FakeTopicReader
from tests.fakes.traces import FakeTraces
from tests.support.journey_spans import journey
from tests.support.records import event_of, report

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRACE, JOURNEY = "0a" * 16, "0b" * 16
TOPICS = KafkaSettings()
CONFIGURED = TracesSettings(query_url="http://jaeger.example.org")
MADE = report("x", now=NOON + timedelta(seconds=1, milliseconds=500), trace_id=JOURNEY)
MEDIA, PATIENT = MADE.media, MADE.subject


class Breaking(FakeTopicReader):
    """A TopicReader that gives so many records of the imaging topic, and then fails."""

    def __init__(self, bus: FakeBus, gives: int, trouble: TocsinError) -> None:
        super().__init__(bus)
        self._gives = gives
        self._trouble = trouble

    def read(self, topic: str, since: datetime | None = None) -> Iterator[Record]:
        """See TopicReader."""
        if topic != TOPICS.topic_imaging:
            yield from super().read(topic, since)
            return
        yield from islice(super().read(topic, since), self._gives)
        raise self._trouble


class Hospital:
    """A bus and a record, on which one event ended as a report."""

    def __init__(self) -> None:
        self.bus = FakeBus()
        self.reader: Callable[[FakeBus], TopicReader] = FakeTopicReader
        self.reports: list[StoredReport] = []
        self.store = FakeTraces()
        self.record_away = False

    def announce(self, media: str = MEDIA, trace_id: str | None = TRACE, at: datetime = NOON, topic: str = TOPICS.topic_imaging) -> None:
        """An imaging event comes onto the bus."""
        value = orjson.dumps(event_json(media=media, subject=PATIENT))
        self.bus.append(topic, PATIENT.encode(), value, traceparent(trace_id), int(at.timestamp() * 1000))

    def flag(self, *, sampled: bool = True) -> None:
        """Its report stands, and its flag is on the bus."""
        stored = as_written(MADE)
        self.reports.append(stored)
        self.bus.now_ms = int(NOON.timestamp() * 1000) + 2_000
        assert stored.mark is not None
        flag = flag_of(event_of(PATIENT, MEDIA), stored, stored.mark, Issuer(card(), "urn:tocsin:test:x"), NOON + timedelta(seconds=2))
        self.bus.append(TOPICS.topic_flags, b"k", flag.model_dump_json(exclude_none=True).encode(), traceparent(JOURNEY, sampled=sampled))

    def refuse(self) -> None:
        """The event was refused, replayed and closed."""
        refused = record(orjson.dumps(event_json(media=MEDIA, subject=PATIENT)), offset=3, headers=tuple(traceparent(TRACE)))
        dead = dead_letter(refused, SubjectMismatch("x"), attempts=1, first_failed_at=NOON, now=NOON + timedelta(seconds=1))
        sink, reader = FakeSink(self.bus), FakeTopicReader(self.bus)
        self.bus.now_ms = int(NOON.timestamp() * 1000) + 1_000
        send_dead_letter(sink, TOPICS.topic_dead_letters, dead, b"k")
        [letter] = letters(reader, TOPICS.topic_dead_letters)
        replay(reader, sink, letter, None, topics=TOPICS, replays_max=5, now=NOON + timedelta(minutes=5), by="operator")
        close(sink, TOPICS.topic_replays, letter, NOON + timedelta(minutes=6))
        assert replayed(reader, TOPICS.topic_replays)

    def tell(
        self, name: str = MEDIA, *, traces: TracesSettings = CONFIGURED, now: datetime = NOON + timedelta(hours=1), **wish: Any
    ) -> Story:
        """The story of what has this name."""
        subject = subject_of(name)
        assert subject is not None
        sources = Sources(self.store if traces.query_url else None, ("tocsin-consume",), self._record, self._reading, TOPICS, traces)
        return tell(Wish(**({"subject": subject, "since": None, "within_s": 10.0, "everything": False} | wish)), sources, now)

    def _record(self, subject: Subject) -> tuple[StoredReport, ...]:
        if self.record_away:
            raise Unavailable("fhir", "no answer")
        return tuple(each for each in self.reports if subject.name in (each.reference, each.media))

    @contextmanager
    def _reading(self) -> Iterator[TopicReader]:
        if self.bus.away:
            raise Unavailable("kafka", "no answer")
        yield self.reader(self.bus)


@pytest.fixture
def hospital() -> Hospital:
    return Hospital()


def traceparent(trace_id: str | None, *, sampled: bool = True) -> list[tuple[str, bytes]]:
    return [] if trace_id is None else [("traceparent", f"00-{trace_id}-{'0c' * 8}-{sampled:02x}".encode())]


def whats(story: Story) -> list[str]:
    return [each.what for each in story.sightings]


def spans(trace_id: str = JOURNEY, **changes: Any) -> list[Span]:
    return journey(trace_id, media=MEDIA, report=MADE.reference, start_us=micros(NOON), **changes)


def test_where_the_back_end_has_a_trace_nobody_else_is_asked(hospital: Hospital) -> None:
    hospital.store.spans = spans()
    hospital.record_away = hospital.bus.away = True
    story = hospital.tell()
    assert ([each.trace_id for each in story.timelines], story.sightings, story.missing) == ([JOURNEY], [], [])


def test_on_request_record_and_bus_tell_beside_the_trace(hospital: Hospital) -> None:
    hospital.store.spans = spans()
    hospital.announce()
    hospital.flag()
    assert whats(hospital.tell(everything=True)) == ["announced", "reported", "flagged"]


@pytest.mark.parametrize("name", [MEDIA, MADE.reference, TRACE, JOURNEY])
def test_without_a_back_end_record_and_bus_tell_of_the_event_from_any_of_its_names(hospital: Hospital, name: str) -> None:
    beside = ["announced"]  # the replay
    hospital.announce()
    hospital.announce(media="Media/other", trace_id="0d" * 16)
    hospital.flag()
    hospital.refuse()
    story = hospital.tell(name, traces=TracesSettings())
    assert sorted(whats(story)) == sorted(["announced", "reported", "refused", "flagged", *beside, "replayed", "closed"])
    assert "Media/other" not in str(story.sightings)
    assert story.missing[0].startswith("No back end of traces is configured: set TOCSIN_TRACES__QUERY_URL")


def test_the_traces_that_reports_and_records_name_are_asked_for(hospital: Hospital) -> None:
    hospital.flag()
    hospital.store.spans = [replace(each, attributes={}) for each in spans()]
    assert [each.trace_id for each in hospital.tell().timelines] == [JOURNEY]
    hospital.reports.clear()
    assert [each.trace_id for each in hospital.tell().timelines] == [JOURNEY]


@pytest.mark.parametrize(
    ("sampled", "words"),
    [
        (False, "It was not sampled, as its flag says. TOCSIN_TRACES__RATIO is 0.05 here"),
        (True, "The flag says that its trace was sampled"),
    ],
)
def test_a_flag_says_whether_its_trace_was_sampled(hospital: Hospital, sampled: bool, words: str) -> None:
    hospital.announce()
    hospital.flag(sampled=sampled)
    assert hospital.tell().missing[0].startswith(words)


def test_an_old_event_may_have_been_deleted_by_the_back_end(hospital: Hospital) -> None:
    hospital.announce()
    story = hospital.tell(now=NOON + timedelta(days=5))
    assert story.missing[-1] == "It is 5 days old: the back end may have deleted it."


def test_a_back_end_that_does_not_answer_is_named_and_the_rest_is_told(hospital: Hospital) -> None:
    hospital.store.trouble = "no answer: timed out (28)"
    hospital.announce()
    story = hospital.tell()
    assert story.missing == ["The back end at http://jaeger.example.org gave no answer: no answer: timed out (28)."]
    assert (whats(story), story.away, story.empty) == (["announced"], True, False)
    assert hospital.store.asked == 1


def test_whoever_does_not_answer_is_named(hospital: Hospital) -> None:
    hospital.record_away = hospital.bus.away = True
    story = hospital.tell()
    assert (story.empty, story.away) == (True, True)
    assert story.missing[1:] == ["The record was not read: fhir: no answer.", "The bus was not read: kafka: no answer."]


@pytest.mark.parametrize("gives", [0, 1], ids=["at once", "midway"])
@pytest.mark.parametrize("trouble", [Unavailable("kafka", "no answer"), ContractError("kafka: no Read")], ids=["away", "forbidden"])
def test_nothing_found_on_a_bus_that_was_not_read_to_its_end_is_no_word_that_there_is_nothing(
    hospital: Hospital, trouble: TocsinError, gives: int
) -> None:
    hospital.announce(media="Media/other")
    hospital.reader = lambda bus: Breaking(bus, gives, trouble)
    story = hospital.tell()
    assert (story.empty, story.away) == (True, True)
    assert [each.trouble for each in story.looked if not each.whole] == [str(trouble)]


def test_nothing_found_within_too_short_a_time_is_no_word_that_there_is_nothing(hospital: Hospital) -> None:
    hospital.announce()
    assert (hospital.tell(within_s=-1.0).empty, hospital.tell(within_s=-1.0).away) == (True, True)
    assert not hospital.tell().away


def test_nothing_on_a_bus_that_was_read_to_its_end_is_nothing(hospital: Hospital) -> None:
    hospital.announce(media="Media/other")
    story = hospital.tell()
    assert (story.empty, story.away, {each.whole for each in story.looked}) == (True, False, {True})


def test_the_bus_is_read_from_a_day_before_the_report_on(hospital: Hospital) -> None:
    hospital.announce(at=NOON - timedelta(days=3))
    hospital.announce(at=NOON - timedelta(hours=3))
    hospital.flag()
    story = hospital.tell(now=NOON + timedelta(days=300))
    assert whats(story) == ["announced", "reported", "flagged"]
    assert NOON - timedelta(days=1) <= story.since <= NOON - timedelta(hours=23)
    assert whats(hospital.tell(since=NOON - timedelta(days=4))) == ["announced", "announced", "reported", "flagged"]


def test_a_look_through_the_bus_ends_in_time_and_says_how_far_it_came() -> None:
    bus, clock = FakeBus(partitions=1), iter(range(1000))
    for number in range(100):
        bus.append("t", None, b"x", at_ms=number * 1000)
    glance = Glance(FakeTopicReader(bus), datetime.fromtimestamp(10, UTC), 30.0, lambda: float(next(clock)))
    assert len(list(glance.read("t"))) == 9
    [looked] = glance.looked.values()
    assert (looked.records, looked.whole, looked.trouble) == (9, False, "time was over")
    assert looked.last == datetime.fromtimestamp(18, UTC)


def test_an_event_whose_id_is_written_with_escapes_is_found(hospital: Hospital) -> None:
    escaped = orjson.dumps(event_json(media=MEDIA, subject=PATIENT)).replace(b"Media/m1", rb"Media\/\u006d1")
    hospital.bus.append(TOPICS.topic_imaging, b"k", escaped, at_ms=int(NOON.timestamp() * 1000))
    assert whats(hospital.tell()) == ["announced"]


def test_nothing_that_a_sender_wrote_is_told(hospital: Hospital) -> None:
    value = orjson.dumps(event_json(media=MEDIA, subject=PATIENT, id="Canary"))
    hospital.bus.append(TOPICS.topic_imaging, b"Canary", value, [*traceparent(TRACE), ("Canary", b"Canary")], int(NOON.timestamp() * 1000))
    hospital.refuse()
    story = hospital.tell()
    assert "Canary" not in repr(story)
    assert PATIENT not in repr(story)


def test_flags_are_sent_with_the_trace_of_their_journey(hospital: Hospital) -> None:
    """What `flag` makes by hand above is what the product sends."""
    stored = as_written(MADE)
    assert stored.mark is not None
    flag = flag_of(event_of(PATIENT, MEDIA), stored, stored.mark, Issuer(card(), "urn:tocsin:test:x"), NOON)
    KafkaFlags(FakeSink(hospital.bus), TOPICS.topic_flags).announce(flag, None)
    [sent] = hospital.bus.records(TOPICS.topic_flags)
    hospital.flag()
    assert orjson.loads(sent.value or b"")["report"] == orjson.loads(hospital.bus.records(TOPICS.topic_flags)[-1].value or b"")["report"]
