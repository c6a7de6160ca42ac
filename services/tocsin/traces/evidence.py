"""What record and bus tell of an event where no trace is kept: announced, reported, flagged, refused, replayed, closed.

Ids, codes, places and times alone; what a sender wrote, and what a resource says of a person, is not repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from opentelemetry.trace import SpanContext

from tocsin.deadletter.closure import closed, closure_of
from tocsin.deadletter.letters import Letter, letters
from tocsin.deadletter.replay import replay_of, replayed
from tocsin.errors import ContractError, Refused, Unavailable
from tocsin.event.decode import decode
from tocsin.event.types import ImagingEvent
from tocsin.kafka.ports import TopicReader
from tocsin.kafka.records import read
from tocsin.kafka.types import Position, Record
from tocsin.report.flag import Flag
from tocsin.report.types import StoredReport
from tocsin.settings import KafkaSettings
from tocsin.telemetry.trace import Headers, context_in, trace_id
from tocsin.traces.types import Subject, Value, words

What = Literal["announced", "reported", "flagged", "refused", "replayed", "closed"]

SIGHTINGS_MAX: Final = 200
"""Most sightings of one kind that are held; an event has a few."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing that record or bus tells of the event."""

    at: datetime
    what: What
    where: str
    """DiagnosticReport/<id>, or topic[partition]@offset."""
    trace_id: str | None = None
    sampled: bool | None = None
    """Whether the trace was to be kept, as its context says; None where nothing says it."""
    said: Mapping[str, Value] = field(default_factory=dict)


@dataclass(slots=True)
class Looked:
    """How far one topic was looked through."""

    topic: str
    records: int = 0
    last: datetime | None = None
    """The time of the last record that was read."""
    whole: bool = False
    """Whether all of the topic was read, from the begin of the look-back on."""
    trouble: str = ""
    """Why no more was read; empty where nothing went wrong."""


class Glance:
    """A TopicReader that reads no further back than `since` and no longer than `within_s` in all, and says how far it came."""

    def __init__(self, reader: TopicReader, since: datetime, within_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`since` is aware; `within_s` counts from now."""
        self._reader = reader
        self._since = since
        self._clock = clock
        self._deadline = clock() + within_s
        self.looked: dict[str, Looked] = {}

    def read(self, topic: str, since: datetime | None = None) -> Iterator[Record]:
        """See TopicReader.read; ends early where the time is over or the bus fails, and raises nothing."""
        looked = self.looked[topic] = Looked(topic)
        until = self._turn()
        try:
            for record in self._reader.read(topic, self._since if since is None else max(since, self._since)):
                if self._clock() > until:
                    looked.trouble = "time was over"
                    return
                looked.records, looked.last = looked.records + 1, record.at
                yield record
            looked.whole = True
        except (Unavailable, ContractError) as trouble:
            looked.trouble = str(trouble)

    def _turn(self) -> float:
        """Until when one topic may be read: it takes a third of the time that is left, so that the others come to theirs."""
        now = self._clock()
        return now + max(0.0, self._deadline - now) / 3

    def at(self, position: Position) -> Record | None:
        """See TopicReader.at."""
        return self._reader.at(position)

    def close(self) -> None:
        """Does nothing: whoever opened the reader closes it."""


@dataclass(slots=True)
class Known:
    """By what the event is recognised; grows while more is found."""

    media: set[str] = field(default_factory=set)
    reports: set[str] = field(default_factory=set)
    traces: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, subject: Subject, reports: tuple[StoredReport, ...] = ()) -> Known:
        """What the subject itself names, and what its reports in the record do."""
        known = cls()
        {"media": known.media, "report": known.reports, "trace": known.traces}[subject.kind].add(subject.name)
        for each in reports:
            known.reports.add(each.reference)
            known.media |= {each.media} - {""}
            if each.mark is not None and each.mark.trace_id is not None:
                known.traces.add(each.mark.trace_id)
        return known


def in_the_record(reports: tuple[StoredReport, ...]) -> list[Sighting]:
    """The reports, as they stand."""
    return [_reported(each, each.issued) for each in reports if each.issued is not None]


def _reported(report: StoredReport, issued: datetime) -> Sighting:
    said: dict[str, Value] = {"status": report.status, "code": words(report.code) if report.code else "(a clinician's)"}
    if report.mark is None:
        return Sighting(issued, "reported", report.reference, said=said)
    said |= {"model_version": report.mark.model_version, "flagged": report.mark.flagged}
    return Sighting(issued, "reported", report.reference, report.mark.trace_id, said=said)


def on_the_bus(reader: TopicReader, topics: KafkaSettings, known: Known) -> list[Sighting]:
    """The event's records on the bus, in no order; `known` grows by what they name."""
    events = _announced(reader, topics, known)
    media = set(known.media)
    found = [*events, *_flagged(reader, topics, known)]
    if known.media - media:
        found = [each for each in found if each.what != "announced"] + _announced(reader, topics, known)
    return [*found, *_refused(reader, topics, known)]


def _announced(reader: TopicReader, topics: KafkaSettings, known: Known) -> list[Sighting]:
    found: list[Sighting] = []
    for topic in (topics.topic_imaging, topics.topic_backfill):
        for record in reader.read(topic):
            event = _event(record, known)
            if event is not None and len(found) < SIGHTINGS_MAX:
                known.media.add(event.media)
                found.append(_sighting(record, "announced", record.at, {"media": event.media}))
    return found


def _event(record: Record, known: Known) -> ImagingEvent | None:
    """The event of the record where it is the one that is looked for; only a record that may be it is decoded."""
    same = _trace(record.headers)[0] in known.traces
    if not same and not _may_name(record.value or b"", known):
        return None
    try:
        event = decode(record)
    except Refused:
        return None
    return event if same or event.media in known.media else None


def _may_name(value: bytes, known: Known) -> bool:
    """Whether the JSON may name the Media; a letter of its id may be escaped, as in backslash u 0 0 6 1."""
    return any(media.partition("/")[2].encode() in value for media in known.media) or (bool(known.media) and rb"\u" in value)


def _flagged(reader: TopicReader, topics: KafkaSettings, known: Known) -> list[Sighting]:
    found: list[Sighting] = []
    for record, flag in read(reader, topics.topic_flags, Flag):
        if not _is_flag_of(flag, record, known):
            continue
        known.media.add(flag.media)
        known.reports.add(flag.report)
        if len(found) < SIGHTINGS_MAX:
            said: dict[str, Value] = {"report": flag.report, "status": words(flag.status), "outcome": flag.outcome, "flagged": flag.flagged}
            found.append(_sighting(record, "flagged", flag.announced_at, said))
    return found


def _is_flag_of(flag: Flag, record: Record, known: Known) -> bool:
    return flag.media in known.media or flag.report in known.reports or _trace(record.headers)[0] in known.traces


def _refused(reader: TopicReader, topics: KafkaSettings, known: Known) -> list[Sighting]:
    found = [each for each in letters(reader, topics.topic_dead_letters) if _is_letter_of(each, known)][:SIGHTINGS_MAX]
    if not found:
        return []
    sightings = [_letter(each) for each in found]
    replays, closures = replayed(reader, topics.topic_replays), closed(reader, topics.topic_replays)
    for each in found:
        if (replay := replay_of(replays, each)) is not None:
            sightings.append(Sighting(replay.at, "replayed", str(each.position), said={"replays": replay.replays, "by": replay.by}))
        if (closure := closure_of(closures, each)) is not None:
            sightings.append(Sighting(closure.at, "closed", str(each.position), said={"by": closure.by}))
    return sightings


def _is_letter_of(letter: Letter, known: Known) -> bool:
    own = None if letter.trace is None else trace_id(letter.trace)
    if own in known.traces or _trace(letter.dead.original.record.headers)[0] in known.traces:
        return True
    event = letter.event
    return event is not None and event.media in known.media


def _letter(letter: Letter) -> Sighting:
    dead = letter.dead
    trace, sampled = _told(letter.trace or context_in(dead.original.record.headers))
    said: dict[str, Value] = {
        "reason": dead.reason,
        "class": dead.kind,
        "attempts": dead.attempts,
        "letter": letter.id,
        "original": str(dead.original.position),
    }
    return Sighting(dead.last_failed_at, "refused", str(letter.position), trace, sampled, said)


def _sighting(record: Record, what: What, at: datetime, said: Mapping[str, Value]) -> Sighting:
    trace, sampled = _trace(record.headers)
    return Sighting(at, what, str(record.position), trace, sampled, said)


def _trace(headers: Headers) -> tuple[str | None, bool | None]:
    """The trace that a record's headers state, and whether it is sampled; None for both where they state none."""
    return _told(context_in(headers))


def _told(context: SpanContext | None) -> tuple[str | None, bool | None]:
    return (None, None) if context is None else (trace_id(context), context.trace_flags.sampled)
