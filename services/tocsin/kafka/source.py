"""The bus for whoever reads: kafka-python behind the EventSource port.

kafka-python's defaults are unsafe here: auto-commit on, a new group begins at the newest record, and the cooperative assignor never
settles after a member leaves. Each is set explicitly below.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Final

from kafka import AsyncConsumerRebalanceListener, KafkaConsumer
from kafka import TopicPartition as KafkaTopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import CorruptRecordError, FencedInstanceIdError, GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError
from kafka.structs import OffsetAndMetadata

from tocsin.errors import ContractError, Unavailable
from tocsin.kafka.batches import reading_anything
from tocsin.kafka.client import (
    CLOSE_WAIT_S,
    COMMITTED_ONLY,
    LOST,
    NEIGHBOUR,
    REBALANCE_WAIT_S,
    connection,
    forbidden,
    kafka_errors,
    opened,
    record_of,
)
from tocsin.kafka.ends import Ends
from tocsin.kafka.membership import Membership
from tocsin.kafka.missing_events import Missing, say_missing
from tocsin.kafka.patches import (
    answer_to,
    await_metadata,
    free_parked,
    keep_coordinator,
    keep_rejoining,
    partitions_known,
    position,
)
from tocsin.kafka.ports import CommittedOffsets, RebalanceListener
from tocsin.kafka.types import CommittedOffset, Position, Record, TopicPartition
from tocsin.settings import KafkaSettings
from tocsin.telemetry.log import logger

REBALANCE_LOOK_S = 0.25
"""Longest poll during a rebalance, in seconds; after each the source looks whether the rebalance has ended.

kafka-python's own poll does not return for its end while there are no records.
"""
HEARTBEATS_PER_SESSION = 8
"""Heartbeats in one session time-out: a member learns of a rebalance from their answers."""
METADATA_WAIT_S: Final = 2.0
"""Longest wait to learn which partitions our topics have; a topic that is made later is noticed all the same."""
METADATA_LOOK_MS: Final = 200
FENCED: Final = (
    "kafka: another process joined group {} as {} (TOCSIN_KAFKA__GROUP_INSTANCE_ID), and this one no longer has any partition: "
    "give each process a name of its own"
)


class KafkaSource:
    """Adapter of the EventSource port; one thread owns it."""

    def __init__(self, settings: KafkaSettings, missing: Callable[[Missing], None] = say_missing) -> None:
        """`missing` hears, on the owner's thread, of events that are gone unread; it may raise Deferred, and then hears of them again."""
        self._settings = settings
        self._missing = missing
        self._consumer: KafkaConsumer | None = None
        self._listener: _Listener | None = None
        self._told: set[KafkaTopicPartition] = set()
        self._began: dict[KafkaTopicPartition, int] = {}
        self._ends = Ends(settings.transaction_open_max_s, time.monotonic)
        self._topics: frozenset[str] = frozenset((settings.topic_imaging, settings.topic_backfill))
        self._shared_out: int | None = None
        self._only: frozenset[TopicPartition] = frozenset()

    def open(self, listener: RebalanceListener) -> None:
        """See EventSource.open."""
        self._consumer = reading_anything(opened(self._settings, lambda: _consumer(self._settings)), self._settings.unpacked_bytes_max)
        keep_coordinator(self._consumer)
        self._ends.watch(self._consumer)
        self._membership = Membership(self._consumer)
        self._listener = _Listener(self._consumer, listener)
        self._consumer.subscribe([self._settings.topic_imaging, self._settings.topic_backfill], listener=self._listener)
        self._learn_partitions()

    def _learn_partitions(self) -> None:
        """Waits to learn the partitions of our topics before the group is joined, METADATA_WAIT_S at most.

        A leader of the group would else share out topics of which it knows no partition, and warn of it.
        """
        deadline = time.monotonic() + METADATA_WAIT_S
        while unknown := [each for each in sorted(self._topics) if not partitions_known(self._open, each)]:
            if time.monotonic() > deadline:
                logger().warning("a topic is missing, or this user may not see it", topic=", ".join(unknown), advice="run `tocsin check`")
                return
            with suppress(KafkaError):
                await_metadata(self._open, METADATA_LOOK_MS)

    def poll(self, wait_s: float, records_max: int) -> list[Record]:
        """See EventSource.poll: a rebalance is waited for in here, since kafka-python completes one only inside its own poll."""
        most = min(records_max, self._settings.poll_records_max)
        self._stop_if_fenced()
        if self._listening.changed:
            self._tell()
        self._tell_missing()
        self._rejoin_for_more_partitions()
        batches = self._polled(wait_s, most)
        deadline = time.monotonic() + REBALANCE_WAIT_S
        while not batches and self._listening.rebalancing and time.monotonic() < deadline:
            keep_rejoining(self._open)
            batches = self._polled(REBALANCE_LOOK_S, most)
        if self._listening.changed and not batches:
            self._tell()
        self._ends.say_held_back(self._offset)
        return [record_of(each) for batch in batches.values() for each in batch]

    def _rejoin_for_more_partitions(self) -> None:
        """Joins the group anew where our topics have partitions that the last assignment cannot have shared out.

        kafka-python leaves that to the leader. One that came back under its name (group.instance.id) is not told that it leads, so that
        after a restart of every member nobody would ever ask for the new partitions; a rebalance begins when whoever leads asks for it.
        To count costs 0.7 us a poll with 24 partitions, 5 with 480 (measured).
        """
        topics = (self._settings.topic_imaging, self._settings.topic_backfill)
        known = sum(len(partitions_known(self._open, topic) or ()) for topic in topics)
        if self._shared_out is not None and known > self._shared_out:
            keep_rejoining(self._open)
        self._shared_out = max(known, self._shared_out or 0)

    def _tell(self) -> None:
        """Tells the listener what a rebalance brought, which is paused until its last commit has been read.

        Never with records in hand: it may raise.
        """
        ours = set(self._open.assignment())
        kept = ours & self._told & self._listening.kept
        new = {_topic_partition(each): self._committed(each) for each in ours - kept}
        for each in (ours & self._told) - kept:
            self._read_on_from(each, new[_topic_partition(each)])
        self._told = ours
        began = {each: committed.offset for each in ours if (committed := new.get(_topic_partition(each))) is not None}
        self._began = {each: offset for each, offset in self._began.items() if each in kept} | began
        self._ends.keep(ours)
        self._listening.owner.on_assigned([_topic_partition(each) for each in kept], new)
        self._listening.changed = False  # last: a thread may ask whether this is a member, and does not know yet what it has lost
        self._attend()

    def _read_on_from(self, partition: KafkaTopicPartition, committed: CommittedOffset | None) -> None:
        """Reads the partition from where the group stands: what was taken of it, and where kafka-python stands, is an earlier owner's."""
        if committed is None:
            self._open.seek_to_beginning(partition)
        else:
            self._open.seek(partition, committed.offset)
        self._ends.told(partition)

    def _committed(self, partition: KafkaTopicPartition) -> CommittedOffset | None:
        wait_ms = int(self._settings.commit_timeout_s * 1000)
        with kafka_errors():
            found = self._open.committed(partition, metadata=True, timeout_ms=wait_ms)
        return None if found is None else CommittedOffset(found.offset, found.metadata or "")

    def _polled(self, wait_s: float, records_max: int) -> dict[Any, list[Any]]:
        with kafka_errors(self._words):
            free_parked(self._open)
            self._listening.owner_waits = True
            try:
                batches: dict[Any, list[Any]] = self._open.poll(timeout_ms=max(0, int(wait_s * 1000)), max_records=records_max)
            except CorruptRecordError:
                raise ContractError(self._unreadable()) from None
            finally:
                self._listening.owner_waits = False
            return batches

    def _words(self, error: KafkaError) -> ContractError | None:
        """The ContractError for a missing right, or for a group instance id that another process took; None for any other error."""
        settings, group = self._settings, self._settings.group_id
        match error:
            case FencedInstanceIdError():
                return self._fenced()
            case GroupAuthorizationFailedError():
                return ContractError(f"kafka: this user may not read as group {group}: allow it Read on the group (`tocsin check`)")
            case TopicAuthorizationFailedError():
                return forbidden(f"{settings.topic_imaging} and {settings.topic_backfill}", "Read")
            case _:
                return None

    def _stop_if_fenced(self) -> None:
        if self._membership.fenced:
            raise self._fenced()

    def _fenced(self) -> ContractError:
        self._membership.note_fenced()
        return ContractError(FENCED.format(self._settings.group_id, self._settings.group_instance_id))

    def _tell_missing(self) -> None:
        """Tells of events that are missing; their partition stays paused until somebody knows."""
        self._ends.look_for_topics_made_anew(self._open)
        for partition, wanted in self._ends.out_of_range().items():
            wait_ms = int(self._settings.commit_timeout_s * 1000)
            with kafka_errors():
                found = self._open.position(partition, timeout_ms=wait_ms)
            if found is None:
                raise Unavailable(NEIGHBOUR, f"where {_topic_partition(partition)} begins is not known yet")
            missing = Missing(_topic_partition(partition), wanted, found)
            self._missing(missing)
            if missing.made_anew:
                self._began[partition] = found
                self._listening.owner.on_cut_off(missing.topic_partition, found)
            self._ends.told(partition)
            self._attend()

    def stalled(self) -> tuple[str, ...]:
        """A sentence for each partition whose events are held back on the bus itself; may be called on any thread."""
        return self._ends.held_back()

    def reached(self) -> dict[TopicPartition, int]:
        """See EventSource.reached."""
        return {_topic_partition(each): offset for each, offset in self._offsets().items() if offset > self._began.get(each, 0)}

    def _offset(self, partition: KafkaTopicPartition) -> int | None:
        """The offset to read next, where the partition is ours and the listener knows of it."""
        known = not self._listening.changed and partition in self._told and partition in self._open.assignment()
        return position(self._open, partition) if known else None

    def _offsets(self) -> dict[KafkaTopicPartition, int]:
        """Partition -> the offset to read next, for partitions that are ours and that the listener knows of."""
        if self._listening.changed:
            return {}
        offsets = {each: position(self._open, each) for each in self._open.assignment() & self._told}
        return {each: offset for each, offset in offsets.items() if offset is not None}

    def _unreadable(self) -> str:
        """Where a damaged record may stand: kafka-python cannot say which record it could not read, nor step over it."""
        places = (str(Position(TopicPartition(*each), self._open.position(each))) for each in sorted(self._open.assignment()))
        return (
            f"a damaged record stands in the first batch at or behind one of {', '.join(places)}; look at it with Kafka's own tools, "
            "then move the group past it: kafka-consumer-groups --reset-offsets --to-offset"
        )

    def commit(self, offsets: CommittedOffsets) -> bool:
        """See EventSource.commit."""
        ours = set() if self._listening.changed else self._open.assignment()
        if not {_kafkas(each) for each in offsets} <= ours:
            return False
        try:
            with kafka_errors(self._words):
                self._open.commit(_positions(offsets), timeout_ms=int(self._settings.commit_timeout_s * 1000))
        except LOST:
            return False
        return True

    def listen(self, topics: Collection[str], only: Collection[TopicPartition] = ()) -> None:
        """See EventSource.listen."""
        if (self._topics, self._only) != (wanted := (frozenset(topics), frozenset(only))):
            self._topics, self._only = wanted
            self._attend()

    def _attend(self) -> None:
        """Pauses partitions that are not listened to, miss events, or have no commit read yet; resumes the others."""
        heard = {each for each in self._open.assignment() & self._told if self._is_wanted(each)} - self._ends.out_of_range().keys()
        self._open.pause(*(self._open.assignment() - heard))
        self._open.resume(*heard & self._open.paused())

    def _is_wanted(self, partition: KafkaTopicPartition) -> bool:
        return partition.topic in self._topics and (not self._only or _topic_partition(partition) in self._only)

    def is_member(self) -> bool:
        """See EventSource.is_member: the broker waits for a session time-out after the last heartbeat that it took."""
        if self._consumer is None or self._listening.rebalancing or self._listening.changed:
            return False
        return time.monotonic() - self._membership.counted_on_at < self._settings.session_timeout_ms / 1000

    def ends(self) -> dict[TopicPartition, int]:
        """See EventSource.ends: what the broker said with the last records, or with none."""
        ours = set() if self._listening.changed else self._open.assignment() & self._told
        return {_topic_partition(each): end for each in ours if (end := self._ends.of(each)) is not None}

    def close(self) -> None:
        """See EventSource.close."""
        if self._consumer is not None:
            self._listening.owner_waits = True
            self._consumer.close(autocommit=False, timeout_ms=int(CLOSE_WAIT_S * 1000))
            self._consumer = None

    @property
    def _listening(self) -> _Listener:
        if self._listener is None:
            raise RuntimeError("the source is not open")
        return self._listener

    @property
    def _open(self) -> KafkaConsumer:
        if self._consumer is None:
            raise RuntimeError("the source is not open")
        return self._consumer


_HANDED_OVER: Final = "kafka-python calls its listeners while nobody waits for them: it is not the one that was verified"


class _Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc] # kafka-python ships no types
    """Runs on kafka-python's network thread while the owner waits inside `poll` or `close`.

    kafka-python keeps the position of a partition that stays with this member through a rebalance, and what was delivered of it is not
    delivered again; RebalanceListener promises the same.
    """

    def __init__(self, consumer: KafkaConsumer, owner: RebalanceListener) -> None:
        self._consumer = consumer
        self.owner = owner
        self.owner_waits = False
        """Whether the owner is inside `poll` or `close`, so that no two threads touch what it uses."""
        self.rebalancing = False
        """Whether a rebalance has begun and not ended."""
        self.changed = False
        """Whether a rebalance has ended that the owner was not told of."""
        self.kept: set[KafkaTopicPartition] = set()
        """Partitions that have been ours without a break since the owner was told last."""
        self._generation = -1
        """The group's generation in which partitions became ours last."""

    async def on_partitions_revoked(self, revoked: Collection[KafkaTopicPartition]) -> None:
        """Commits what has ended while the partitions are still ours; a commit that fails only means work done again elsewhere."""
        assert self.owner_waits, _HANDED_OVER
        self.rebalancing = True
        ours = revoked if not self.changed else self.kept & set(revoked)
        offsets = {each: committed for each, committed in self.owner.on_revoked().items() if _kafkas(each) in ours}
        if offsets:
            try:
                asked = self._consumer.commit_async(_positions(offsets), callback=_silent)
                await answer_to(self._consumer, asked, int(CLOSE_WAIT_S * 1000))
            except KafkaError:
                return

    async def on_partitions_assigned(self, assigned: Collection[KafkaTopicPartition]) -> None:
        """Pauses every partition until the owner has been told which are new."""
        assert self.owner_waits, _HANDED_OVER
        kept = self.kept if self.changed else set(assigned)
        self.kept = kept & set(assigned) if self._follows() else set()
        self.changed = True
        self.rebalancing = False  # last: between the two, no thread may take this for a member
        self._consumer.pause(*assigned)

    def _follows(self) -> bool:
        """Whether nobody else can have had our partitions since the last assignment; notes the present one.

        Each completed rebalance is a generation, one more than the one before. kafka-python says nothing of those that it missed while it
        was joining: its join was answered by another rebalance, or by a coordinator that had given it up meanwhile.
        """
        before, self._generation = self._generation, self._consumer.group_metadata().generation_id
        return self._generation - before in (0, 1)

    async def on_partitions_lost(self, lost: Collection[KafkaTopicPartition]) -> None:
        """Tells the owner that every partition is lost: it is too late to commit."""
        assert self.owner_waits, _HANDED_OVER
        self.rebalancing = self.changed = True
        self.kept = set()
        self.owner.on_lost()


def _consumer(settings: KafkaSettings) -> KafkaConsumer:
    return KafkaConsumer(
        **connection(settings),
        **COMMITTED_ONLY,
        group_id=settings.group_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        allow_auto_create_topics=False,
        partition_assignment_strategy=(RangePartitionAssignor,),
        max_poll_records=settings.poll_records_max,
        session_timeout_ms=settings.session_timeout_ms,
        max_poll_interval_ms=int(settings.poll_silence_max_s * 1000),
        group_instance_id=settings.group_instance_id,
        metadata_max_age_ms=int(settings.topics_look_every_s * 1000),
        heartbeat_interval_ms=max(1, settings.session_timeout_ms // HEARTBEATS_PER_SESSION),
        metrics_enabled=False,
    )


def _positions(offsets: CommittedOffsets) -> dict[KafkaTopicPartition, OffsetAndMetadata]:
    return {_kafkas(each): OffsetAndMetadata(committed.offset, committed.metadata, -1) for each, committed in offsets.items()}


def _kafkas(partition: TopicPartition) -> KafkaTopicPartition:
    return KafkaTopicPartition(partition.topic, partition.partition)


def _topic_partition(partition: KafkaTopicPartition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.partition)


def _silent(_offsets: object, _answer: object) -> None:
    """Takes the place of kafka-python's callback, which would log the commit's offsets."""
