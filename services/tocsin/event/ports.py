"""What the event stage needs of the bus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tocsin.event.model import Record, TopicPartition

OnRevoked = Callable[[Sequence[TopicPartition]], dict[TopicPartition, int]]
"""Partitions go to another member: forget them and answer with the offsets to commit for them before they go."""


class EventSource(Protocol):
    """A member of a consumer group. One thread owns it."""

    def open(self, on_revoked: OnRevoked) -> None:
        """Join the group. `on_revoked` is called while the owner waits in `poll` or `close`, perhaps on another thread.

        Raises Deferred(kafka).
        """

    def poll(self, wait_s: float, records_max: int) -> list[Record]:
        """Records of the partitions that are not paused, as soon as there are any. Raises Deferred(kafka)."""

    def commit(self, offsets: dict[TopicPartition, int]) -> bool:
        """Commit synchronously; False if the partitions were lost to another member. Raises Deferred(kafka)."""

    def pause(self) -> None:
        """Deliver nothing from any assigned partition until `resume`; polling goes on and keeps the membership."""

    def resume(self) -> None:
        """Deliver again."""

    def close(self) -> None:
        """Leave the group without committing."""


class EventSink(Protocol):
    """Where flags and dead letters go. Safe to call from several threads."""

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Return once every in-sync replica has the record (acks=all). Raises Deferred(kafka) when it is not certain."""

    def close(self) -> None:
        """Flush and leave."""
