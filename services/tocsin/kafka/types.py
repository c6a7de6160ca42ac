"""What the bus delivers, and what a group commits of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One ordered log of the bus."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record stands."""

    topic_partition: TopicPartition
    offset: int

    @property
    def next_offset(self) -> int:
        """What is committed once this record and all before it have ended."""
        return self.offset + 1

    def __str__(self) -> str:
        return f"{self.topic_partition.topic}[{self.topic_partition.partition}]@{self.offset}"


@dataclass(frozen=True, slots=True)
class CommittedOffset:
    """What a group commits of one partition."""

    offset: int
    """The next one to read after a restart."""
    metadata: str = ""
    """The commit's metadata: for whoever owns the partition next."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What stands at a position and cannot be read."""

    last_offset: int
    """The last offset of what is passed over with it; the record's own where it is alone."""
    why: str
    """Ends the sentence "nobody can read it: ..."."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as the bus delivered it; nothing about it has been believed yet."""

    position: Position
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: tuple[tuple[str, bytes], ...] = field(repr=False)
    timestamp_ms: int
    """Its producer's or broker's, in milliseconds since 1970; -1 for none, and whatever else a producer wrote."""
    unreadable: Unreadable | None = None
    """Where it cannot be read, and key, value and headers are absent."""

    @property
    def at(self) -> datetime:
        """Its time, aware, in UTC; one that no calendar knows is put to the nearest that it does, a year off the ends of datetime."""
        return datetime.fromtimestamp(min(max(self.timestamp_ms / 1000, _FIRST.timestamp()), _LAST.timestamp()), UTC)
