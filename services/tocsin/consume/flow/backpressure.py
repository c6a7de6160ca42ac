"""How much is taken off the bus at a time, and from which topics: live events go before those that Tocsin announces itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tocsin.kafka.types import Record, TopicPartition
from tocsin.settings import ConsumeSettings


@dataclass(frozen=True, slots=True)
class Demand:
    """How many records to poll, and of which topics (Reactive Streams: demand)."""

    records: int
    topics: frozenset[str]
    only: frozenset[TopicPartition] = frozenset()
    """Where any is named, nothing of other partitions."""


NOTHING = Demand(0, frozenset())


@dataclass(frozen=True, slots=True)
class Load:
    """What the process has in hand."""

    busy: int
    """Events with the threads."""
    undecided: int
    """All events without an ending."""
    undecided_backfill: int
    """Those of them that Tocsin announced itself."""


class Backpressure:
    """Remembers whether the process is full, and whether live events are all taken in."""

    def __init__(self, live: str, backfill: str, settings: ConsumeSettings) -> None:
        """`live` and `backfill` are topics."""
        self._live = frozenset((live,))
        self._both = frozenset((live, backfill))
        self._backfill = backfill
        self._settings = settings
        self._full = False
        self._live_is_drained = False
        self._came_empty = False

    def demand(self, load: Load) -> Demand:
        """Demand for what the threads can soon begin, within what may be held in all; once full, only when half of it is free again.

        Events that wait, for another of their patient or for a neighbour, take no thread's place, so that they never keep out others.
        """
        free = self._free(load)
        self._full = free < (self._half if self._full else 1)
        if self._full:
            return NOTHING
        spare = max(1, self._settings.workers_running // 2) - load.undecided_backfill
        return Demand(min(free, spare), self._both) if self._live_is_drained and spare > 0 else Demand(free, self._live)

    def until_half_free(self, load: Load) -> int:
        """How many events have to end until there is demand again, once there was none; at least 1."""
        return max(1, self._half - self._free(load))

    def _free(self, load: Load) -> int:
        return min(self._settings.in_flight_max - load.busy, self._settings.held_max - load.undecided)

    @property
    def _half(self) -> int:
        return max(1, min(self._settings.in_flight_max, self._settings.held_max) // 2)

    def demand_one(self, first: frozenset[TopicPartition] = frozenset()) -> Demand:
        """Demand for a single event: of one of the partitions that go first, unless the last poll found nothing there."""
        return Demand(1, self._both, frozenset() if self._came_empty else first)

    def polled(self, demand: Demand, records: Sequence[Record]) -> None:
        """The poll for this demand gave these records."""
        if not demand.records:
            return
        self._came_empty = not records
        live = sum(record.position.topic_partition.topic != self._backfill for record in records)
        self._live_is_drained = live < demand.records
