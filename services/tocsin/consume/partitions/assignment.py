"""The assigned partitions: which of their events are undecided, and what the group is told of each."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from tocsin.consume.attempt import Attempt, Tenure
from tocsin.consume.partitions.backlog import Backlog
from tocsin.consume.partitions.offsets import OffsetTracker
from tocsin.consume.partitions.poison import PoisonDetector
from tocsin.errors import Broken, Deferred, Poisoned
from tocsin.event.decode import media_of
from tocsin.kafka.ports import CommittedOffsets, EventSource
from tocsin.kafka.types import CommittedOffset, Position, Record, TopicPartition
from tocsin.telemetry.log import logger
from tocsin.telemetry.metrics import COMMITS


class Assignment:
    """Hears of rebalances (RebalanceListener) without a lock: they come only while the owner waits inside the source (`handed_over`)."""

    def __init__(self, source: EventSource, changed: Callable[[], None], backlog: Backlog, *, deaths_max: int, reach: int) -> None:
        """`changed` is called after each rebalance; `backlog` is told of partitions and commits; the numbers are PoisonDetector's."""
        self._source = source
        self._changed = changed
        self._backlog = backlog
        self._tracker = OffsetTracker()
        self._poison = PoisonDetector(secrets.token_hex(4), deaths_max=deaths_max, reach=reach)
        self._committed: dict[TopicPartition, CommittedOffset] = {}
        self._claimed: set[TopicPartition] = set()
        self._tenures: dict[TopicPartition, list[Tenure]] = {}
        """Each partition's present tenure, behind those that ended with its log's end."""
        self._ours: frozenset[TopicPartition] = frozenset()
        self._owner_waits = False
        self._touched_by: str | None = None

    @contextmanager
    def handed_over(self) -> Iterator[None]:
        """The owner waits inside the source until the block ends: only meanwhile may another thread call a method of RebalanceListener.

        A source that breaks this stops the process as soon as the owner is back, before anything is committed on what it saw.
        """
        self._owner_waits = True
        try:
            yield
        finally:
            self._owner_waits = False
        self._nobody_interfered()

    def _nobody_interfered(self) -> None:
        if self._touched_by is not None:
            raise Broken(f"{self._touched_by} was called while the consumer's loop was at work: is another kafka-python installed?")

    def _sees(self, method: str) -> None:
        if not self._owner_waits:
            self._touched_by = method

    def on_revoked(self) -> CommittedOffsets:
        """See RebalanceListener.on_revoked: what has ended, as at a clean shutdown."""
        self._sees("leaving")
        return self._uncommitted(clean_shutdown=True)

    def on_assigned(self, kept: Collection[TopicPartition], new: Mapping[TopicPartition, CommittedOffset | None]) -> None:
        """See RebalanceListener.on_assigned."""
        self._sees("assigned")
        self._keep(kept)
        self._ours = frozenset((*kept, *new))
        for partition, committed in new.items():
            self._poison.assigned(partition, committed)
            self._backlog.begin(partition, committed)
        self._changed()
        logger().info("partitions assigned", partitions=len(kept) + len(new), moved=len(new))
        if self.isolating:
            logger().warning("a process before this one died over these events; they run one at a time until the culprit is known")

    def on_lost(self) -> None:
        """See RebalanceListener.on_lost."""
        self._sees("lost")
        self._ours = frozenset()
        self._keep(())

    def on_cut_off(self, partition: TopicPartition, offset: int) -> None:
        """See RebalanceListener.on_cut_off: what was taken from there on goes on to its ending, apart from what comes instead."""
        self._sees("cut off")
        self._tracker.cut_off(partition, offset)
        self._poison.cut_off(partition, offset)
        self._backlog.cut_off(partition, offset)
        tenures = self._tenures.setdefault(partition, [])
        for tenure in tenures:
            tenure.cut_off_at = offset if tenure.cut_off_at is None else min(offset, tenure.cut_off_at)
        tenures.append(Tenure())

    def _keep(self, partitions: Collection[TopicPartition]) -> None:
        self._tracker.keep(partitions)
        self._poison.keep(partitions)
        self._backlog.keep(partitions)
        for partition in self._tenures.keys() - set(partitions):
            for tenure in self._tenures.pop(partition):
                tenure.over = True
        self._claimed.clear()  # a rebalance commits a clean shutdown for the partitions that stay, too
        self._committed.clear()

    @property
    def partitions(self) -> frozenset[TopicPartition]:
        """The partitions that are ours."""
        return self._ours

    @property
    def undecided(self) -> int:
        """Events without an ending."""
        return self._tracker.undecided

    def undecided_of(self, topic: str) -> int:
        """Events of this topic without an ending."""
        return self._tracker.undecided_of(topic)

    @property
    def isolating(self) -> bool:
        """Whether events have to run alone, since one of them kills the process."""
        return self._poison.isolating

    @property
    def unread_suspects(self) -> frozenset[TopicPartition]:
        """Partitions that still have an event on the bus that may have killed a process."""
        return self._poison.unread

    def take(self, record: Record) -> Attempt | None:
        """The record's first attempt; None where one is under way already."""
        position = record.position
        if not self._tracker.deliver(position):
            return None
        self._poison.delivered(position)
        tenure = self._tenures.setdefault(position.topic_partition, [Tenure()])[-1]
        attempt = Attempt(record, seen_before=self._poison.seen_before(position), tenure=tenure)
        deaths = self._poison.poisonous(position)
        if deaths is None:
            return attempt
        poisoned = Poisoned(f"the process died {deaths} times while it ran this event alone", reference=media_of(record))
        return replace(attempt, number=deaths + 1, refusal=poisoned)

    def holds(self, attempt: Attempt) -> bool:
        """Whether the attempt's event is undecided, in a partition that was ours ever since the event was taken."""
        return not attempt.tenure.over and (attempt.is_cut_off or self._tracker.holds(attempt.position))

    def claim(self) -> bool:
        """Tell the group that this process owns the partitions it took events of; False where that could not be committed.

        An owner that dies before its first commit would leave no trace, and its death would not be counted.
        """
        delivered = self._tracker.partitions
        if not delivered <= self._claimed:
            claimed = set(delivered)
            if not self.commit():
                return False
            self._claimed |= claimed
        return True

    def record_isolated(self, position: Position) -> bool:
        """Commit that this event is about to run alone; False where that could not be committed."""
        self._poison.isolate(position)
        if self.commit():
            return True
        self._poison.back(position, ended=False)
        return False

    def back(self, position: Position) -> None:
        """The event is off its thread without an ending."""
        self._poison.back(position, ended=False)

    def end(self, attempt: Attempt) -> None:
        """The attempt's event has its durable ending, which is none of the event that may stand at its place since."""
        position = attempt.position
        self._poison.back(position, ended=not attempt.is_cut_off)
        if not attempt.is_cut_off:
            self._tracker.end(position)
            self._backlog.ended(position)
        elif not attempt.tenure.over:
            self._tracker.end_cut_off(position.topic_partition)

    def bound_isolation(self, ends: Mapping[TopicPartition, int]) -> None:
        """Isolation lasts no longer than for events that an earlier owner can have taken; `ends` as in EventSource."""
        ended = self._tracker.places()
        for partition, end in ends.items():
            self._poison.bound_isolation(partition, end=end, ended=ended.get(partition))

    def commit(self, *, clean_shutdown: bool = False) -> bool:
        """Commit all that has ended; False where that failed, and it is tried again with the next commit."""
        for partition, offset in self._source.reached().items():
            self._tracker.reach(partition, offset)
        offsets = self._uncommitted(clean_shutdown=clean_shutdown)
        if not offsets:
            return True
        try:
            with self.handed_over():
                taken = self._source.commit(offsets)
        except Deferred as error:
            COMMITS.add(1, {"result": "failed"})
            logger().warning("commit failed; it is tried again", neighbour=error.neighbour, detail=error.detail)
            return False
        COMMITS.add(1, {"result": "taken" if taken else "refused"})
        if not taken:
            logger().info("commit refused: the partitions belong to another member now", partitions=len(offsets))
            return False
        self._note_committed(offsets)
        return True

    def _uncommitted(self, *, clean_shutdown: bool) -> CommittedOffsets:
        offsets = {
            partition: CommittedOffset(offset, self._poison.metadata(partition, clean_shutdown=clean_shutdown))
            for partition, offset in self._tracker.places().items()
        }
        return {partition: committed for partition, committed in offsets.items() if committed != self._committed.get(partition)}

    def _note_committed(self, offsets: CommittedOffsets) -> None:
        for partition, committed in offsets.items():
            self._backlog.committed(partition, committed.offset)
            before = self._committed.get(partition)
            if before is not None and committed.offset > before.offset:
                self._poison.moved(partition)
        self._committed.update(offsets)
