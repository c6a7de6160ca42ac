"""What the bus says of some pictures and reports: announced, flagged, refused, or still to be judged. References, ids and times alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tocsin.archive.announce import BACKFILL, RECONCILE
from tocsin.deadletter.letters import letters
from tocsin.errors import Refused
from tocsin.event.decode import decode
from tocsin.event.types import ImagingEvent
from tocsin.kafka.ports import Group, TopicReader
from tocsin.kafka.records import read
from tocsin.kafka.types import Record, TopicPartition
from tocsin.report.flag import Flag
from tocsin.settings import KafkaSettings

_OURS: Final = (BACKFILL, RECONCILE)


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when something must have come about to be compared; aware, both included."""

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
class Own:
    """An event that Tocsin announced itself."""

    at: datetime
    """When the bus got it last."""
    judged: bool
    """Whether the consumers have come past it."""


@dataclass(slots=True)
class Evidence:
    """Gathered from the bus about what was asked; Media and reports are references."""

    until: datetime
    """The end of the window, or where it was cut since more flags came about in it than may be held."""
    pending: set[str] = field(default_factory=set)
    """Media that were announced and that the consumers have not come to."""
    live_since: datetime | None = None
    """When the first event was put on the bus that came from the hospital itself and waits; Tocsin's own have to wait for such."""
    own: dict[str, Own] = field(default_factory=dict)
    """By the event's id, which names the version of the Media."""
    told: dict[str, datetime] = field(default_factory=dict)
    """Report that was asked about -> its last flag."""
    flags: dict[str, Flagged] = field(default_factory=dict)
    """Report that was not asked about -> its last flag, where that is in the window."""
    refused: dict[str, datetime] = field(default_factory=dict)
    """Media -> its last dead letter."""

    def settled(self, media: str, since: datetime) -> bool:
        """Whether there is nothing to mend: its journey is still to be made, or was refused at that time or later."""
        refused = self.refused.get(media)
        return media in self.pending or (refused is not None and refused >= since)


@dataclass(frozen=True, slots=True)
class Bus:
    """Where Tocsin's traces are."""

    reader: TopicReader
    group: Group
    topics: KafkaSettings
    source: str
    """URI of the installation; no other's flags count."""
    early: timedelta
    """How much before its picture was stored an event may have been put on the bus: clocks differ, and some announce first."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the traces are wanted of."""

    window: Window
    media: Collection[str]
    reports: Collection[str]
    flags_max: int
    """Flags held for other reports than these."""
    own_since: datetime
    """From when on Tocsin's own events are wanted, where that is before the window."""


def gather(bus: Bus, asked: Asked) -> Evidence:
    """What the bus holds about what is asked, from the window's begin until now.

    How far the consumers have come is asked first: whatever they judge meanwhile is found among the endings too, and never missed in both.
    Raises Unavailable(kafka), and ContractError (Stop) where a topic is missing.
    """
    topics, since = bus.topics, asked.window.since - bus.early
    places = {**bus.group.committed(topics.topic_imaging), **bus.group.committed(topics.topic_backfill)}
    evidence = Evidence(asked.window.until)
    _flags(bus, asked, evidence)
    media = {*asked.media, *(each.media for each in evidence.flags.values())}
    for record in bus.reader.read(topics.topic_imaging, since):
        if not _judged(record, places) and (event := _event(record)) is not None:
            _wait(evidence, event, media)
            evidence.live_since = min(evidence.live_since or record.at, record.at)
    for record in bus.reader.read(topics.topic_backfill, min(since, asked.own_since)):
        if (event := _event(record)) is not None and event.media in media:
            _announced(evidence, event, Own(record.at, _judged(record, places)))
    for letter in letters(bus.reader, topics.topic_dead_letters, since):
        if (refused := letter.event) is not None and refused.media in media:
            evidence.refused[refused.media] = _later(letter.dead.last_failed_at, evidence.refused.get(refused.media))
    return evidence


def _flags(bus: Bus, asked: Asked, evidence: Evidence) -> None:
    reports = frozenset(asked.reports)
    for _, flag in read(bus.reader, bus.topics.topic_flags, Flag, asked.window.since - bus.early):
        if flag.source != bus.source:
            continue
        if flag.report in reports:
            evidence.told[flag.report] = _later(flag.announced_at, evidence.told.get(flag.report))
        elif flag.announced_at in Window(asked.window.since, evidence.until):
            evidence.flags[flag.report] = Flagged(flag.media, flag.announced_at, flag.study)
        elif flag.announced_at > evidence.until:
            evidence.flags.pop(flag.report, None)
        if len(evidence.flags) > 2 * asked.flags_max:
            _cut(evidence, asked.flags_max)
    if len(evidence.flags) > asked.flags_max:
        _cut(evidence, asked.flags_max)


def _cut(evidence: Evidence, flags_max: int) -> None:
    """The oldest stay; the window ends with the last of them."""
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
    """None for a record that is none: its dead letter says so."""
    try:
        return decode(record)
    except Refused:
        return None


def _later(one: datetime, other: datetime | None) -> datetime:
    return one if other is None else max(one, other)
