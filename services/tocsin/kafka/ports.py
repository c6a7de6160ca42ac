"""What Tocsin needs of the bus."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tocsin.kafka.types import CommittedOffset, Position, Record, TopicPartition

CommittedOffsets = Mapping[TopicPartition, CommittedOffset]


class RebalanceListener(Protocol):
    """Is told of rebalances while the owner waits in `poll` or `close`; must return promptly."""

    def on_revoked(self) -> CommittedOffsets:
        """A rebalance begins: what to commit while every partition is still ours. Perhaps called on another thread."""

    def on_assigned(self, kept: Collection[TopicPartition], new: Mapping[TopicPartition, CommittedOffset | None]) -> None:
        """The rebalance is over: exactly these are ours; called on the owner's thread.

        A kept partition goes on: what was delivered of it is not delivered again (or, if it is, it is the same). A new one begins at the
        group's commit, which stands beside it; None where there is none.
        """

    def on_cut_off(self, partition: TopicPartition, offset: int) -> None:
        """The log of a partition of ours lost everything from this offset on, where it goes on; called on the owner's thread.

        What is delivered from there on is new, also where it comes at an offset that was delivered before.
        """

    def on_lost(self) -> None:
        """Every partition went to others without notice; whatever comes back begins at the group's commit. Perhaps on another thread."""


class EventSource(Protocol):
    """A member of a consumer group. One thread owns it."""

    def open(self, listener: RebalanceListener) -> None:
        """Join the group and listen to every topic. Raises Unavailable(kafka)."""

    def poll(self, wait_s: float, records_max: int) -> list[Record]:
        """Records of the topics that are listened to, as soon as there are any. Raises Unavailable(kafka)."""

    def commit(self, offsets: CommittedOffsets) -> bool:
        """Commit synchronously; False if the partitions were lost to another member. Raises Unavailable(kafka)."""

    def reached(self) -> Mapping[TopicPartition, int]:
        """Partition of ours -> the offset behind all that was delivered or stands for no event, where it has moved.

        Markers of transactions, events that were taken back and what compaction took are passed over without a record. Does not wait.
        """

    def listen(self, topics: Collection[str], only: Collection[TopicPartition] = ()) -> None:
        """Deliver only records of these topics from now on; polling goes on and keeps the membership, even with none.

        Where `only` names partitions, nothing of other partitions is delivered.
        """

    def is_member(self) -> bool:
        """Whether the group cannot have given our partitions to another yet. Does not wait; may be called on any thread."""

    def ends(self) -> Mapping[TopicPartition, int]:
        """Partition of ours -> the offset behind the last record that may be read, as the broker said last. Does not wait.

        A partition of which nothing was asked since it became ours is not in it.
        """

    def close(self) -> None:
        """Leave the group; what `on_revoked` answers is committed, nothing else."""


class EventSink(Protocol):
    """Where flags and dead letters go. Safe to call from several threads."""

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Return once every in-sync replica has the record (acks=all).

        Raises Unavailable(kafka) where that is not certain, RecordTooLarge where the topic takes no record of this size, and ContractError
        (Stop) where it never will take any record; the sink may take nothing after that.
        """

    def close(self) -> None:
        """Flush and leave."""


class TopicReader(Protocol):
    """Topics as they stand, for whoever looks things up: no member of any group, commits nothing."""

    def read(self, topic: str, since: datetime | None = None) -> Iterator[Record]:
        """Every record that stands on the topic when the first is asked for; those of one partition in order.

        `since` (aware) leaves out what the bus got before. Raises Unavailable(kafka), and ContractError (Stop) for no such topic.
        """

    def at(self, position: Position) -> Record | None:
        """The record at the position; None where there is none any more, or none that may be read. Raises Unavailable(kafka)."""

    def close(self) -> None:
        """Leave the bus."""


class Listener(Protocol):
    """Is told what stands on topics that are followed, on the thread that follows them."""

    def take(self, record: Record) -> None:
        """Take in a record; those of one partition come in order, and one that was taken may come again."""

    def begin(self) -> None:
        """Forget every record: the topics are read from their beginning."""


class TopicFollower(Protocol):
    """Topics as they grow, for whoever keeps an image of them: no member of any group, commits nothing."""

    @property
    def whole(self) -> bool:
        """Whether everything that stood on the topics at some moment since the start was taken. May be asked on any thread."""

    @property
    def behind_s(self) -> float:
        """Seconds since the moment up to which everything is known to have been taken; before the first, since the start."""

    @property
    def detail(self) -> str:
        """Why records may be lacking; empty where they are not."""

    def follow(self, listener: Listener, since: Callable[[], datetime], over: threading.Event) -> None:
        """Hand every record from `since` (aware) on to the listener, and then each new one, until `over` is set; raises nothing.

        A bus that is away is tried again and again, and reading goes on where it stopped.
        """


class Group(Protocol):
    """How far the consumers have come; whoever asks is no member of their group."""

    def committed(self, topic: str) -> Mapping[TopicPartition, int]:
        """The next offset to read of every partition; the earliest one there is where nothing was committed.

        Raises Unavailable(kafka), and ContractError (Stop) where there is no such topic.
        """

    def lag(self, topic: str) -> int:
        """How many records are not committed yet. Raises as `committed` does."""

    def close(self) -> None:
        """Leave the bus."""
