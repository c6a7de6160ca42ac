"""How long each partition stood still while it had work, as anybody can see on the bus. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.load import Published
from tests.chaos.watch import Ended


@dataclass(frozen=True, slots=True)
class Gap:
    """A partition had work, and none of its events ended."""

    partition: int
    began: float
    """time.monotonic(): the last ending before, or when the work came, if that was later."""
    ended: float
    """time.monotonic(): the next ending."""

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.ended - self.began


def gaps(published: Sequence[Published], ended: Sequence[Ended]) -> list[Gap]:
    """Every gap, in order of partitions and then of time.

    An event counts as work from its publication to the first ending of its id after it. One of which nothing was heard counts for none:
    what became of it is the audit's to say.
    """
    by_event: Mapping[str, list[float]] = _times(ended)
    waits: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for each in published:
        times = by_event.get(each.event, [])
        place = bisect_left(times, each.at)
        if place < len(times):
            waits[each.partition].append((each.at, times[place]))
    return [gap for partition, each in sorted(waits.items()) for gap in _gaps(partition, each)]


def longest(found: Sequence[Gap], since: float, until: float) -> Mapping[int, float]:
    """Partition -> seconds of its longest gap that reaches into this time."""
    most: dict[int, float] = {}
    for gap in found:
        if gap.ended > since and gap.began < until:
            most[gap.partition] = max(gap.seconds, most.get(gap.partition, 0.0))
    return most


def _times(ended: Sequence[Ended]) -> dict[str, list[float]]:
    by_event: dict[str, list[float]] = defaultdict(list)
    for each in ended:
        if each.event is not None:
            by_event[each.event].append(each.at)
    return {event: sorted(times) for event, times in by_event.items()}


def _gaps(partition: int, waits: Sequence[tuple[float, float]]) -> Iterator[Gap]:
    """Between two endings that follow each other; what is published meanwhile and ends later is work, too."""
    before = float("-inf")
    for ending in sorted({end for _, end in waits}):
        work = min(begin for begin, end in waits if end >= ending and begin < ending)
        yield Gap(partition, max(before, work), ending)
        before = ending
