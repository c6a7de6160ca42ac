"""What of the bus is ours: which events are undecided, and what the group is to know of each partition."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from tocsin.consume.attempt import Attempt, Tenure
from tocsin.consume.partitions.offsets import OffsetTracker
from tocsin.consume.partitions.poison import Suspects
from tocsin.errors import Broken, Deferred, Poisoned
from tocsin.event.decode import media_of
from tocsin.kafka.ports import EventSource, Places
from tocsin.kafka.types import Place, Position, Record, TopicPartition
from tocsin.telemetry.log import logger


class Custody:
    """A Membership without a lock: while its methods are called, the owner of the source is inside it (`handed_over`)."""

    def __init__(self, source: EventSource, changed: Callable[[], None], *, deaths_max: int, reach: int) -> None:
        """See Suspects; `changed` is called where partitions came or stayed."""
        self._source = source
        self._changed = changed
        self._tracker = OffsetTracker()
        self._suspects = Suspects(secrets.token_hex(4), deaths_max=deaths_max, reach=reach)
        self._committed: dict[TopicPartition, Place] = {}
        self._claimed: set[TopicPartition] = set()
        self._tenures: dict[TopicPartition, Tenure] = {}
        self._owner_waits = False
        self._touched_by: str | None = None

    @contextmanager
    def handed_over(self) -> Iterator[None]:
        """The owner is inside the source until the block ends: only now may another thread call a method of Membership.

        Nothing here has a lock. A source that breaks this stops the process once the owner is back, with nothing committed on what it saw.
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

    def leaving(self) -> Places:
        """See Membership.leaving: what has ended, and goodbye."""
        self._sees("leaving")
        return self._unsaid(goodbye=True)

    def assigned(self, kept: Collection[TopicPartition], new: Mapping[TopicPartition, Place | None]) -> None:
        """See Membership.assigned."""
        self._sees("assigned")
        self._keep(kept)
        for log, place in new.items():
            self._suspects.assigned(log, place)
        self._changed()
        logger().info("partitions assigned", partitions=len(kept) + len(new), moved=len(new))
        if self.careful:
            logger().warning("a process before this one died over these events; they run one at a time until the culprit is known")

    def lost(self) -> None:
        """See Membership.lost."""
        self._sees("lost")
        self._keep(())

    def _keep(self, logs: Collection[TopicPartition]) -> None:
        self._tracker.keep(logs)
        self._suspects.keep(logs)
        for log in self._tenures.keys() - set(logs):
            self._tenures.pop(log).over = True
        self._claimed.clear()  # a rebalance has said goodbye for the partitions that stay, too
        self._committed.clear()

    @property
    def undecided(self) -> int:
        """Events without an ending."""
        return self._tracker.undecided

    def undecided_of(self, topic: str) -> int:
        """Those of one topic."""
        return self._tracker.undecided_of(topic)

    @property
    def careful(self) -> bool:
        """Whether the process may only run one event at a time, since one of them kills it."""
        return self._suspects.careful

    @property
    def unread_suspects(self) -> frozenset[TopicPartition]:
        """The partitions of which something is still to be read that may have killed a process."""
        return self._suspects.unread

    def take(self, record: Record) -> Attempt | None:
        """The record's first attempt; None where it is under way already."""
        position = record.position
        if not self._tracker.deliver(position):
            return None
        self._suspects.delivered(position)
        tenure = self._tenures.setdefault(position.log, Tenure())
        attempt = Attempt(record, seen_before=self._suspects.seen_before(position), tenure=tenure)
        deaths = self._suspects.poisonous(position)
        if deaths is None:
            return attempt
        poisoned = Poisoned(f"the process died {deaths} times while it ran this event alone", reference=media_of(record))
        return replace(attempt, number=deaths + 1, refusal=poisoned)

    def holds(self, attempt: Attempt) -> bool:
        """Whether its event is undecided, and has been ours ever since it was taken off the bus."""
        return not attempt.tenure.over and self._tracker.holds(attempt.position)

    def claim(self) -> bool:
        """Whether the group knows that we have the partitions of which something was taken; it is told where it does not."""
        delivered = set(self._tracker.places())
        if not delivered <= self._claimed:
            if not self.commit():
                return False
            self._claimed |= delivered
        return True

    def name(self, position: Position) -> bool:
        """The group knows that this event is about to run alone; False where it could not be told."""
        self._suspects.begin_alone(position)
        if self.commit():
            return True
        self._suspects.back(position, ended=False)
        return False

    def back(self, position: Position) -> None:
        """The event is off its thread without an ending."""
        self._suspects.back(position, ended=False)

    def end(self, position: Position) -> None:
        """The event has its durable ending."""
        self._suspects.back(position, ended=True)
        self._tracker.end(position)

    def look(self, ends: Mapping[TopicPartition, int]) -> None:
        """Care lasts no longer than for what an owner before this one can have taken up; `ends` as in EventSource."""
        ended = self._tracker.places()
        for log, end in ends.items():
            self._suspects.looked(log, end=end, ended=ended.get(log))

    def commit(self, *, goodbye: bool = False) -> bool:
        """Whether the group knows all that has ended. A commit that fails is tried again with the next."""
        for log, offset in self._source.reached().items():
            self._tracker.reach(log, offset)
        places = self._unsaid(goodbye=goodbye)
        if not places:
            return True
        try:
            with self.handed_over():
                taken = self._source.commit(places)
        except Deferred as error:
            logger().warning("commit failed; it is tried again", neighbour=error.neighbour, detail=error.detail)
            return False
        if not taken:
            logger().warning("commit refused: the partitions belong to another member now", partitions=len(places))
            return False
        self._said(places)
        return True

    def _unsaid(self, *, goodbye: bool) -> Places:
        places = {log: Place(offset, self._suspects.note(log, goodbye=goodbye)) for log, offset in self._tracker.places().items()}
        return {log: place for log, place in places.items() if place != self._committed.get(log)}

    def _said(self, places: Places) -> None:
        for log, place in places.items():
            before = self._committed.get(log)
            if before is not None and place.offset > before.offset:
                self._suspects.moved(log)
        self._committed.update(places)
