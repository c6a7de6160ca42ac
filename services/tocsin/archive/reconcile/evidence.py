"""What the bus says of some pictures and reports: announced, flagged, refused, or still to be judged. References, ids and times alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tocsin.archive.announce import BACKFILL, RECONCILE
from tocsin.deadletter.closure import closed, closure_of
from tocsin.deadletter.disputes import is_disputing
from tocsin.deadletter.letters import Letter, letters
from tocsin.errors import MediaUnknown, Refused
from tocsin.event.decode import decode
from tocsin.event.types import REHEARSAL, ImagingEvent
from tocsin.kafka.ports import Group, TopicReader
from tocsin.kafka.records import read
from tocsin.kafka.types import Record, TopicPartition
from tocsin.report.flag import Flag
from tocsin.settings import KafkaSettings

_OURS: Final = (BACKFILL, RECONCILE)


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which something must have come about to be compared; both ends are aware and included."""

    since: datetime
    until: datetime

    def __contains__(self, time: datetime) -> bool:
        return self.since <= time <= self.until


@dataclass(frozen=True, slots=True)
class Flagged:
    """The last flag for a report."""

    media: str
    at: datetime
    study: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """What the last flag for a report says."""

    at: datetime
    status: str


@dataclass(frozen=True, slots=True)
class Own:
    """An event that Tocsin announced itself."""

    at: datetime
    """When the bus last got the event."""
    judged: bool
    """Whether the consumers' committed offset is past the event."""


@dataclass(slots=True)
class Evidence:
    """What the bus says about the pictures and reports that were asked about; Media and reports are references."""

    until: datetime
    """The end of the window; earlier where more flags came about in it than may be held."""
    since: datetime
    """The begin of the window: of a report that was composed before, only what was told since is known."""
    pending: set[str] = field(default_factory=set)
    """Media that were announced and that the consumers have not come to."""
    live_since: datetime | None = None
    """When the bus got the hospital's first event that still waits; Tocsin's own events have to wait for the hospital's."""
    own: dict[str, Own] = field(default_factory=dict)
    """Tocsin's own events, by their id, which names the version of the Media."""
    told: dict[str, Told] = field(default_factory=dict)
    """Report that was asked about -> its last flag."""
    flags: dict[str, Flagged] = field(default_factory=dict)
    """Report that was not asked about -> its last flag, where that is in the window."""
    refused: dict[str, datetime] = field(default_factory=dict)
    """Media -> the time of the last dead letter that ends its journey."""
    unknown: dict[str, datetime] = field(default_factory=dict)
    """Media -> the time of the last dead letter that says that the record holds no such picture."""

    def settled(self, media: str, since: datetime) -> bool:
        """Whether nothing is to be mended for this Media: its journey is still to be made, or was refused at `since` or later."""
        unknown = self.unknown.get(media)
        return self.settled_though_held(media, since) or (unknown is not None and unknown >= since)

    def settled_though_held(self, media: str, since: datetime) -> bool:
        """The same of a picture that the record holds, which disproves a dead letter that says otherwise."""
        refused = self.refused.get(media)
        return media in self.pending or (refused is not None and refused >= since)


@dataclass(frozen=True, slots=True)
class Bus:
    """The topics and the consumer group in which Tocsin leaves its traces."""

    reader: TopicReader
    group: Group
    topics: KafkaSettings
    source: str
    """URI of the installation; no other's flags count."""
    early: timedelta
    """How long before its picture was stored an event may have been put on the bus: clocks differ, and some sources announce first."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The window, the Media and the reports whose traces are wanted."""

    window: Window
    media: Collection[str]
    reports: Collection[str]
    flags_max: int
    """Most flags held for other reports than these."""
    own_since: datetime
    """From when on Tocsin's own events are wanted, where that is before the window."""


def gather(bus: Bus, asked: Asked) -> Evidence:
    """The evidence that the bus holds about what is asked, from the window's begin until now.

    How far the consumers have come is asked first: an event that they judge meanwhile may be found both waiting and ended, but is never
    missed in both.
    Raises Unavailable(kafka), and ContractError (Stop) where a topic is missing.
    """
    topics, since = bus.topics, asked.window.since - bus.early
    places = {**bus.group.committed(topics.topic_imaging), **bus.group.committed(topics.topic_backfill)}
    evidence = Evidence(asked.window.until, asked.window.since)
    _flags(bus, asked, evidence)
    media = {*asked.media, *(each.media for each in evidence.flags.values())}
    for record in bus.reader.read(topics.topic_imaging, since):
        if not _judged(record, places) and (event := _event(record)) is not None:
            _wait(evidence, event, media)
            evidence.live_since = min(evidence.live_since or record.at, record.at)
    for record in bus.reader.read(topics.topic_backfill, min(since, asked.own_since)):
        if (event := _event(record)) is not None and event.media in media:
            _announced(evidence, event, Own(record.at, _judged(record, places)))
    _letters(bus, since, media, evidence)
    return evidence


def _letters(bus: Bus, since: datetime, media: Collection[str], evidence: Evidence) -> None:
    """The dead letters that end a journey; not one that doubted whose the picture is and that a person closed: nobody has judged it."""
    disputing: list[tuple[str, Letter]] = []
    for letter in letters(bus.reader, bus.topics.topic_dead_letters, since):
        if (event := letter.event) is None or event.media not in media:
            continue
        if is_disputing(letter):
            disputing.append((event.media, letter))
        else:
            _last(evidence.unknown if letter.dead.reason == MediaUnknown.reason else evidence.refused, event.media, letter)
    closures = closed(bus.reader, bus.topics.topic_replays) if disputing else {}
    for reference, letter in disputing:
        if closure_of(closures, letter) is None:
            _last(evidence.refused, reference, letter)


def _last(times: dict[str, datetime], media: str, letter: Letter) -> None:
    times[media] = max(letter.dead.last_failed_at, times.get(media, letter.dead.last_failed_at))


def _flags(bus: Bus, asked: Asked, evidence: Evidence) -> None:
    reports = frozenset(asked.reports)
    for _, flag in read(bus.reader, bus.topics.topic_flags, Flag, asked.window.since - bus.early):
        if flag.source != bus.source or flag.event_source == REHEARSAL:
            continue
        if flag.report in reports:
            before = evidence.told.get(flag.report)
            if before is None or flag.announced_at >= before.at:
                evidence.told[flag.report] = Told(flag.announced_at, flag.status)
        elif flag.announced_at in Window(asked.window.since, evidence.until):
            evidence.flags[flag.report] = Flagged(flag.media, flag.announced_at, flag.study)
        elif flag.announced_at > evidence.until:
            evidence.flags.pop(flag.report, None)
        if len(evidence.flags) > 2 * asked.flags_max:
            _cut(evidence, asked.flags_max)
    if len(evidence.flags) > asked.flags_max:
        _cut(evidence, asked.flags_max)


def _cut(evidence: Evidence, flags_max: int) -> None:
    """Keep the oldest `flags_max` flags, and end the window with the last of them."""
    evidence.until = sorted(each.at for each in evidence.flags.values())[flags_max - 1]
    evidence.flags = {report: flag for report, flag in evidence.flags.items() if flag.at <= evidence.until}


def _wait(evidence: Evidence, event: ImagingEvent, media: Collection[str]) -> None:
    if event.media in media:
        evidence.pending.add(event.media)


def _announced(evidence: Evidence, event: ImagingEvent, own: Own) -> None:
    if event.source in _OURS:
        evidence.own[event.id] = own
    if not own.judged:
        evidence.pending.add(event.media)


def _judged(record: Record, places: Mapping[TopicPartition, int]) -> bool:
    return record.position.offset < places.get(record.position.topic_partition, 0)


def _event(record: Record) -> ImagingEvent | None:
    """The imaging event that the record holds; None where it holds none, which its dead letter says."""
    try:
        return decode(record)
    except Refused:
        return None
