"""What the bus says of pictures: announced, flagged, refused, or still to be judged. References, ids and times alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import ValidationError

from tocsin.errors import Refused
from tocsin.event.decode import decode
from tocsin.event.letters import letters, warn
from tocsin.event.model import ImagingEvent, Record, TopicPartition
from tocsin.event.ports import EventLog
from tocsin.report.flag import Flag
from tocsin.settings import KafkaSettings
from tocsin.worker.announce import RECONCILE
from tocsin.worker.ports import Group


@dataclass(frozen=True, slots=True)
class Flagged:
    """The last flag for a report."""

    media: str
    at: datetime


@dataclass(slots=True)
class Traces:
    """Gathered from the bus; Media and reports are references."""

    pending: set[str] = field(default_factory=set)
    """Media that were announced and that the consumers have not come to."""
    live_since: datetime | None = None
    """When the first of those was put on the bus that came from the hospital itself; Tocsin's own have to wait for such."""
    reconciled: set[str] = field(default_factory=set)
    """Ids of the events that reconciliation put on the bus."""
    flags: dict[str, Flagged] = field(default_factory=dict)
    """Report -> its last flag."""
    flagged: dict[str, datetime] = field(default_factory=dict)
    """Media -> its last flag, for whichever report."""
    refused: dict[str, datetime] = field(default_factory=dict)
    """Media -> its last dead letter."""

    def live(self, event: ImagingEvent, at: datetime) -> None:
        """An event of the hospital stands on the bus since then, and the consumers have not come to it."""
        self.pending.add(event.media)
        self.live_since = min(self.live_since or at, at)

    def own(self, event: ImagingEvent, *, judged: bool) -> None:
        """An event that Tocsin announced itself stands on the bus; `judged` where the consumers have come past it."""
        if event.source == RECONCILE:
            self.reconciled.add(event.id)
        if not judged:
            self.pending.add(event.media)

    def flag(self, flag: Flag) -> None:
        """A flag stands on the bus."""
        last = self.flags.get(flag.report)
        self.flags[flag.report] = Flagged(flag.media, _later(flag.announced_at, None if last is None else last.at))
        self.flagged[flag.media] = _later(flag.announced_at, self.flagged.get(flag.media))

    def refusal(self, media: str, at: datetime) -> None:
        """A dead letter stands on the bus."""
        self.refused[media] = _later(at, self.refused.get(media))

    def settled(self, media: str, since: datetime) -> bool:
        """Whether there is nothing to mend: its journey is still to be made, or was refused at that time or later."""
        refused = self.refused.get(media)
        return media in self.pending or (refused is not None and refused >= since)


def gather(log: EventLog, group: Group, topics: KafkaSettings, source: str, since: datetime) -> Traces:
    """What the bus got since then (aware); flags of the installation `source` alone.

    How far the consumers have come is asked first: whatever they judge meanwhile is found among the endings too, and never missed in both.
    Raises Deferred(kafka), and ContractError (Stop) where a topic is missing.
    """
    traces = Traces()
    places = {**group.committed(topics.topic_imaging), **group.committed(topics.topic_backfill)}
    for record in log.read(topics.topic_imaging, since):
        if not _judged(record, places) and (event := _event(record)) is not None:
            traces.live(event, datetime.fromtimestamp(record.timestamp_ms / 1000, UTC))
    for record in log.read(topics.topic_backfill, since):
        if (event := _event(record)) is not None:
            traces.own(event, judged=_judged(record, places))
    for flag in _flags(log, topics.topic_flags, since):
        if flag.source == source:
            traces.flag(flag)
    for letter in letters(log, topics.topic_dead_letters, since):
        if (refused := letter.event) is not None:
            traces.refusal(refused.media, letter.dead.last_failed_at)
    return traces


def _judged(record: Record, places: Mapping[TopicPartition, int]) -> bool:
    return record.position.offset < places.get(record.position.log, 0)


def _flags(log: EventLog, topic: str, since: datetime) -> Iterator[Flag]:
    for record in log.read(topic, since):
        try:
            yield Flag.model_validate_json(record.value or b"")
        except ValidationError:
            warn(record.position)


def _event(record: Record) -> ImagingEvent | None:
    """None for a record that is none: its dead letter says so."""
    try:
        return decode(record)
    except Refused:
        return None


def _later(one: datetime, other: datetime | None) -> datetime:
    return one if other is None else max(one, other)
