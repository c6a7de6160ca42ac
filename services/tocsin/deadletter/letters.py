"""Dead letters as they stand on their topic, and which of them somebody wants."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from opentelemetry.trace import SpanContext

from tocsin.deadletter.types import REASON_HEADER, DeadLetter
from tocsin.errors import Kind, Refused
from tocsin.event.decode import decode
from tocsin.event.types import ImagingEvent
from tocsin.kafka.ports import TopicReader
from tocsin.kafka.records import LeaveOut, read, warn
from tocsin.kafka.types import Position, Record
from tocsin.telemetry.trace import context_in


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter, named by the place on its topic where it stands."""

    position: Position
    dead: DeadLetter
    trace: SpanContext | None = None
    """The trace in which it was sent."""

    @property
    def id(self) -> str:
        """`partition@offset` on the dead-letter topic: short, unique and lasting, for people to type."""
        return f"{self.position.topic_partition.partition}@{self.position.offset}"

    @property
    def event(self) -> ImagingEvent | None:
        """The imaging event that was refused; None where it was refused for not being one."""
        try:
            return decode(self.dead.original.record)
        except Refused:
            return None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dead letters are wanted: those that fit every part that is set."""

    reasons: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    since: datetime | None = None
    """The last failure at this time or later; aware."""
    until: datetime | None = None
    """The last failure before this time; aware."""
    media: frozenset[str] = frozenset()
    """FHIR references."""
    ids: frozenset[str] = frozenset()
    """Letter.id."""
    replayed: bool | None = None
    """Whether it was replayed since; None: either."""

    @property
    def everything(self) -> bool:
        """Whether no part is set."""
        return self == Wanted()

    def matches(self, letter: Letter, *, replayed: bool) -> bool:
        """Whether the letter, `replayed` since or not, is wanted."""
        dead = letter.dead
        return (
            (not self.ids or letter.id in self.ids)
            and (not self.reasons or dead.reason in self.reasons)
            and (not self.kinds or dead.kind in self.kinds)
            and (self.since is None or self.since <= dead.last_failed_at)
            and (self.until is None or dead.last_failed_at < self.until)
            and (self.replayed is None or self.replayed == replayed)
            and (not self.media or ((event := letter.event) is not None and event.media in self.media))
        )


def letters(
    reader: TopicReader, topic: str, since: datetime | None = None, unreadable: LeaveOut = warn, *, reasons: Collection[str] | None = None
) -> Iterator[Letter]:
    """Every dead letter that stands on the topic now, those of one partition in order; one is in memory at a time.

    `since` (aware) leaves out what the bus got before. `reasons` leaves out, unparsed, a letter whose header states another reason. A
    record that is no dead letter goes to `unreadable`. Raises as TopicReader.read does.
    """
    known = None if reasons is None else {None, *reasons}
    wanted = (lambda _record: True) if known is None else (lambda record: _said_reason(record) in known)
    for record, dead in read(reader, topic, DeadLetter, since, wanted=wanted, leave_out=unreadable):
        yield Letter(record.position, dead, context_in(record.headers))


def _said_reason(record: Record) -> str | None:
    """The reason in the record's header, at a hundredth of the cost of parsing the letter; None without this header."""
    said = next((value for name, value in record.headers if name == REASON_HEADER), None)
    return None if said is None else said.decode("ascii", "replace")
