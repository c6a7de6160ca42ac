"""Which event kills the process (a poison pill): deaths are counted in the metadata of each partition's commits.

A process that shuts down cleanly says so in its last commit. An owner that finds no such word knows that its predecessor died. After two
deaths without progress it isolates the partition's next events: each runs alone, and a commit records it before it starts, so that a
third death has a name. An event that was recorded often enough is poison. The metadata travels with the partition and needs nothing
but Kafka.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tocsin.kafka.types import CommittedOffset, Position, TopicPartition

OFFSET_MAX: Final = 2**63 - 1
"""Kafka's offsets have 64 bits, with a sign."""
COUNT_MAX: Final = 1_000
"""More deaths than anybody waits for."""
SUSPECTS_MAX: Final = 64
"""Events under suspicion at a time, in one partition; there is one a death."""

Offset = Annotated[int, Field(ge=0, le=OFFSET_MAX)]
OffsetText = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,18})$")]

DEATHS_BEFORE_ISOLATION: Final = 2
"""One death without progress may be a power cut's or an operator's; two call for isolation."""


class CommitMetadata(BaseModel):
    """The text beside a committed offset. Whoever may commit for the group can write it, so that nothing of it is trusted unchecked."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    version: Literal[1] = 1
    """A later Tocsin that means something else by these fields says another version; fields that it adds are passed over."""
    owner: Annotated[str, Field(max_length=64)] = ""
    """The process that owns the partition; empty after a clean shutdown."""
    reached: Offset = 0
    """The offset behind the furthest event that an owner took off the bus."""
    deaths: Annotated[int, Field(ge=0, le=COUNT_MAX)] = 0
    """Owners that died with something undecided since the offset last moved."""
    alone: Offset | None = None
    """The offset of the isolated event: it runs alone."""
    suspects: Annotated[Mapping[OffsetText, Annotated[int, Field(ge=1, le=COUNT_MAX)]], Field(max_length=SUSPECTS_MAX)] = {}
    """Offset of an event -> how often a process died while that event ran alone."""

    def text(self) -> str:
        """As it is committed: JSON, well below the 4096 bytes that a broker takes (offset.metadata.max.bytes)."""
        return self.model_dump_json(exclude_defaults=True)

    @classmethod
    def read(cls, text: str) -> CommitMetadata:
        """The metadata that the text holds; empty where the text is not ours, as after `kafka-consumer-groups --reset-offsets`."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return cls()

    def after_death(self, offset: int) -> CommitMetadata:
        """The metadata that the next owner goes by, where this owner committed `offset` and did not shut down cleanly."""
        if self.reached <= offset:
            return self.but(deaths=0, alone=None)
        suspects = dict(self.suspects)
        if self.alone is not None:
            suspects[str(self.alone)] = min(COUNT_MAX, suspects.get(str(self.alone), 0) + 1)
        return self.but(deaths=min(COUNT_MAX, self.deaths + 1), alone=None, suspects=_few(suspects))

    def but(self, **changes: object) -> CommitMetadata:
        """The same metadata with these changes, which are ours and are not checked."""
        return self.model_copy(update=changes)


def _few(suspects: dict[str, int]) -> dict[str, int]:
    """The suspects that killed most often, earlier ones first: a commit's metadata is bounded."""
    ranked = sorted(suspects.items(), key=lambda each: (-each[1], int(each[0])))
    return dict(ranked[:SUSPECTS_MAX])


@dataclass(frozen=True, slots=True)
class _Isolation:
    """A partition whose next events run alone."""

    read: int
    """The offset behind what this owner took off the bus."""
    until: int
    """No earlier owner can have taken an event at or behind this offset."""


class PoisonDetector:
    """Keeps the commit metadata of the assigned partitions."""

    def __init__(self, owner: str, *, deaths_max: int, reach: int) -> None:
        """`owner` names this process and no other. An event is poison after `deaths_max` deaths while it ran alone.

        A process can be up to `reach` events ahead of its last commit.
        """
        self._owner = owner
        self._deaths_max = deaths_max
        self._reach = reach
        self._known: dict[TopicPartition, CommitMetadata] = {}
        self._reached: dict[TopicPartition, int] = {}
        """CommitMetadata.reached by now: metadata is made anew for a commit, not for each event."""
        self._isolation: dict[TopicPartition, _Isolation] = {}
        self._seen_until: dict[TopicPartition, int] = {}

    @property
    def isolating(self) -> bool:
        """Whether events have to run alone."""
        return bool(self._isolation)

    @property
    def unread(self) -> frozenset[TopicPartition]:
        """The isolated partitions that still have a suspected event on the bus."""
        return frozenset(partition for partition, isolation in self._isolation.items() if isolation.read < isolation.until)

    def assigned(self, partition: TopicPartition, committed: CommittedOffset | None) -> None:
        """The partition is assigned from now on; `committed` is the group's last commit of it."""
        metadata = CommitMetadata() if committed is None else CommitMetadata.read(committed.metadata)
        self._seen_until[partition] = metadata.reached + (self._reach if metadata.owner else 0)
        if committed is not None and metadata.owner not in ("", self._owner):
            metadata = metadata.after_death(committed.offset)
        self._known[partition] = metadata.but(owner=self._owner, alone=None)
        self._reached[partition] = metadata.reached
        if committed is not None and (metadata.deaths >= DEATHS_BEFORE_ISOLATION or metadata.suspects):
            self._isolation[partition] = _Isolation(committed.offset, metadata.reached + self._reach)

    def keep(self, partitions: Collection[TopicPartition]) -> None:
        """Only these partitions are still assigned."""
        self._known = {partition: metadata for partition, metadata in self._known.items() if partition in partitions}
        self._reached = {partition: reached for partition, reached in self._reached.items() if partition in partitions}
        self._isolation = {partition: isolation for partition, isolation in self._isolation.items() if partition in partitions}
        self._seen_until = {partition: until for partition, until in self._seen_until.items() if partition in partitions}

    def cut_off(self, partition: TopicPartition, offset: int) -> None:
        """The log lost everything from this offset on: what comes there next was taken by nobody yet, and has killed no process."""
        if (metadata := self._known.get(partition)) is not None:
            suspects = {each: deaths for each, deaths in metadata.suspects.items() if int(each) < offset}
            self._known[partition] = metadata.but(suspects=suspects)
            self._reached[partition] = min(offset, self._reached.get(partition, metadata.reached))

    def seen_before(self, position: Position) -> bool:
        """Whether an earlier owner may have started this event, or even have ended it."""
        return position.offset < self._seen_until.get(position.topic_partition, 0)

    def delivered(self, position: Position) -> None:
        """The event was taken off the bus."""
        metadata = self._metadata(position.topic_partition)
        self._known[position.topic_partition] = metadata
        self._reached[position.topic_partition] = max(self._reached.get(position.topic_partition, metadata.reached), position.next_offset)
        if (isolation := self._isolation.pop(position.topic_partition, None)) is not None and position.offset < isolation.until:
            self._isolation[position.topic_partition] = replace(isolation, read=position.next_offset)

    def bound_isolation(self, partition: TopicPartition, *, end: int, ended: int | None) -> None:
        """Isolation lasts until everything before `end`, where the partition ends for now, has ended.

        No earlier owner can have taken more. Everything before `ended` has ended; None where this owner has taken nothing yet.
        """
        if (isolation := self._isolation.pop(partition, None)) is not None:
            until = min(isolation.until, end)
            if (isolation.read if ended is None else ended) < until:
                self._isolation[partition] = replace(isolation, until=until)

    def poisonous(self, position: Position) -> int | None:
        """How often a process died while this event ran alone, where that is often enough; else None."""
        deaths = self._metadata(position.topic_partition).suspects.get(str(position.offset), 0)
        return deaths if deaths >= self._deaths_max else None

    def isolate(self, position: Position) -> None:
        """The next commit records that this event runs alone; the event may start once the commit is taken."""
        self._known[position.topic_partition] = self._metadata(position.topic_partition).but(alone=position.offset)

    def back(self, position: Position, *, ended: bool) -> None:
        """The event is off its thread, and the process lives. Isolation is over once the poison has ended."""
        metadata = self._metadata(position.topic_partition)
        if metadata.alone is None and not metadata.suspects:
            return
        if ended and self.poisonous(position) is not None:
            self._isolation.clear()
        suspects = {offset: deaths for offset, deaths in metadata.suspects.items() if not (ended and offset == str(position.offset))}
        if position.topic_partition in self._known:
            self._known[position.topic_partition] = metadata.but(alone=None, suspects=suspects)

    def moved(self, partition: TopicPartition) -> None:
        """The partition's committed offset went forward."""
        if partition in self._known:
            self._known[partition] = self._known[partition].but(deaths=0)

    def metadata(self, partition: TopicPartition, *, clean_shutdown: bool = False) -> str:
        """The metadata of the partition's next commit."""
        metadata = self._metadata(partition)
        reached = self._reached.get(partition, metadata.reached)
        return (metadata.but(reached=reached, owner="", alone=None) if clean_shutdown else metadata.but(reached=reached)).text()

    def _metadata(self, partition: TopicPartition) -> CommitMetadata:
        return self._known.get(partition) or CommitMetadata(owner=self._owner)
