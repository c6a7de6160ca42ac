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
    """The next offset to read after a restart."""
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
    """The producer's or broker's time in milliseconds since 1970 (UTC); -1 for none, and whatever else a producer wrote."""
    unreadable: Unreadable | None = None
    """Why the record cannot be read, whose key, value and headers are then absent; None for any other."""

    @property
    def at(self) -> datetime:
        """The record's time, aware, in UTC; one before 1970 or from 9998 on is put to the nearer of these two ends."""
        return datetime.fromtimestamp(min(max(self.timestamp_ms / 1000, _FIRST.timestamp()), _LAST.timestamp()), UTC)
