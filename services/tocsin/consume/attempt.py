"""One try at taking a record to its ending."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from tocsin.deadletter.types import REPLAYS_HEADER
from tocsin.errors import KAFKA, Refused
from tocsin.kafka.types import Position, Record
from tocsin.outcome import NEEDED


class Tenure:
    """The time for which a partition is ours without a break. May be looked at on any thread."""

    def __init__(self) -> None:
        self.over = False
        """Whether the partition has gone to another process; if it comes back, that is another tenure."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A record on its way."""

    record: Record
    number: int = 1
    """1 for the first try."""
    deferrals: int = 0
    """How often it had to wait, its dead letter too: the pauses grow with it."""
    counted: int = 0
    """Failures that say something of this event: the neighbour served another one since the failure before, or a race was lost."""
    first_failed_at: datetime | None = None
    served_before: int | None = None
    """How many events the neighbour had served when it last failed on this one; None before the first failure."""
    seen_before: bool = False
    """Whether an earlier owner of its partition may have brought it to its ending."""
    waits_for: str | None = None
    """The neighbour that it failed on last."""
    refusal: Refused | None = None
    """Why it is to be dead-lettered without another journey."""
    tenure: Tenure = field(default_factory=Tenure, compare=False)
    """Within which its record was taken off the bus."""

    @property
    def position(self) -> Position:
        """Where its record stands."""
        return self.record.position

    @property
    def replayed(self) -> bool:
        """Whether it has been a dead letter before."""
        return any(name == REPLAYS_HEADER for name, _ in self.record.headers)

    @property
    def needs(self) -> frozenset[str]:
        """The neighbours without which trying it is vain."""
        if self.refusal is not None:
            return frozenset((KAFKA,))
        return NEEDED if self.waits_for is None else NEEDED | {self.waits_for}

    def failed(self, neighbour: str, *, served: int, now: datetime) -> Attempt:
        """The same record after a deferred try; `served` is the number of events that the neighbour has served by now."""
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
        """The same record after a race that it lost while every neighbour was well."""
        first = self.first_failed_at or now
        return replace(self, number=self.number + 1, deferrals=self.deferrals + 1, counted=self.counted + 1, first_failed_at=first)
