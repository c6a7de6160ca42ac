"""What the event stage needs of the bus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from tocsin.event.model import Record, TopicPartition


class Membership(Protocol):
    """Told about rebalances while the owner waits in `poll` or `close`, perhaps on another thread; must return promptly."""

    def leaving(self) -> dict[TopicPartition, int]:
        """A rebalance begins: the offsets to commit while every partition is still ours."""

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """The rebalance is over: exactly these are ours.

        One that was ours before goes on: what was delivered of it is not delivered again (or, if it is, it is the same). A new one
        begins at the group's commit.
        """

    def lost(self) -> None:
        """Every partition went to others without notice; whatever comes back begins at the group's commit."""


class EventSource(Protocol):
    """A member of a consumer group. One thread owns it."""

    def open(self, membership: Membership) -> None:
        """Join the group. Raises Deferred(kafka)."""

    def poll(self, wait_s: float, records_max: int) -> list[Record]:
        """Records of the partitions that are not paused, as soon as there are any. Raises Deferred(kafka)."""

    def commit(self, offsets: dict[TopicPartition, int]) -> bool:
        """Commit synchronously; False if the partitions were lost to another member. Raises Deferred(kafka)."""

    def pause(self) -> None:
        """Deliver nothing from any assigned partition until `resume`; polling goes on and keeps the membership."""

    def resume(self) -> None:
        """Deliver again."""

    def close(self) -> None:
        """Leave the group; what `leaving` answers is committed, nothing else."""


class EventSink(Protocol):
    """Where flags and dead letters go. Safe to call from several threads."""

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Return once every in-sync replica has the record (acks=all).

        Raises Deferred(kafka) when it is not certain, and ContractError (Stop) when it never will; the sink may take nothing after that.
        """

    def close(self) -> None:
        """Flush and leave."""


class EventLog(Protocol):
    """Topics as they stand, for whoever looks things up: no member of any group, commits nothing."""

    def read(self, topic: str, since: datetime | None = None) -> Iterator[Record]:
        """Every record that stood on the topic when this was called; those of one partition in order.

        `since` (aware) leaves out what the bus got before. Raises Deferred(kafka).
        """

    def close(self) -> None:
        """Leave the bus."""
