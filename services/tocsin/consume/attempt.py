"""An attempt: what is known of a record's earlier tries when the next one starts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from opentelemetry.trace import SpanContext

from tocsin.deadletter.types import REPLAYS_HEADER
from tocsin.errors import KAFKA, Refused
from tocsin.kafka.types import Position, Record
from tocsin.outcome import NEEDED


class Tenure:
    """One unbroken time of owning a partition. May be read on any thread."""

    def __init__(self) -> None:
        self.over = False
        """Whether the partition has gone to another process; a partition that comes back has another tenure."""
        self.cut_off_at: int | None = None
        """Where the log was cut off since: what was taken from there on stands there no longer. None: nowhere."""


class Trail:
    """Where an event's earlier attempts are traced. One attempt is on a thread at a time."""

    def __init__(self) -> None:
        self.first: SpanContext | None = None
        self.last: SpanContext | None = None

    def add(self, attempt: SpanContext) -> None:
        """Note the span of the attempt that begins."""
        self.first = self.first or attempt
        self.last = attempt


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at taking a record to its ending."""

    record: Record
    number: int = 1
    """1 for the first try."""
    deferrals: int = 0
    """How often the record, or its dead letter, had to wait: the pauses grow with it."""
    counted: int = 0
    """Failures that count: the neighbour served another event since the failure before, or a race was lost."""
    first_failed_at: datetime | None = None
    served_before: int | None = None
    """How many events the neighbour had served when it last failed on this record; None before the first failure."""
    seen_before: bool = False
    """Whether an earlier owner of the partition may have brought the record to its ending."""
    waits_for: str | None = None
    """The neighbour that failed on the last try."""
    refusal: Refused | None = None
    """Why the record is dead-lettered without another journey."""
    tenure: Tenure = field(default_factory=Tenure, compare=False)
    """The time of ownership in which the record was taken off the bus."""
    trail: Trail = field(default_factory=Trail, compare=False)
    """The traces of the event's earlier attempts."""

    @property
    def position(self) -> Position:
        """Where the record stands."""
        return self.record.position

    @property
    def is_cut_off(self) -> bool:
        """Whether the log has lost the record since it was taken off the bus, so that another may stand at its place by now."""
        return self.tenure.cut_off_at is not None and self.position.offset >= self.tenure.cut_off_at

    @property
    def replayed(self) -> bool:
        """Whether the record has been a dead letter before."""
        return any(name == REPLAYS_HEADER for name, _ in self.record.headers)

    @property
    def needs(self) -> frozenset[str]:
        """The neighbours without which this attempt would be in vain."""
        if self.refusal is not None:
            return frozenset((KAFKA,))
        return NEEDED if self.waits_for is None else NEEDED | {self.waits_for}

    def failed(self, neighbour: str, *, served: int, now: datetime) -> Attempt:
        """The next attempt after this neighbour failed; `served` is the number of events that it has served by now."""
        return replace(
            self,
            waits_for=neighbour,
            number=self.number + 1,
            deferrals=self.deferrals + 1,
            counted=self.counted + (self.waits_for == neighbour and self.served_before is not None and served > self.served_before),
            first_failed_at=self.first_failed_at or now,
            served_before=served,
        )

    def outrun(self, *, now: datetime) -> Attempt:
        """The next attempt after a lost race, with every neighbour well."""
        first = self.first_failed_at or now
        return replace(self, number=self.number + 1, deferrals=self.deferrals + 1, counted=self.counted + 1, first_failed_at=first)
