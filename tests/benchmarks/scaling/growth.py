"""What one stretch of a run cost, and whether that grows from stretch to stretch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from tests.benchmarks.scaling.reading import BENCHMARK, Reading
from tests.benchmarks.stage import STUB

PER: Final = 10_000
"""Slopes are for so many further events."""
POINTS_MIN: Final = 3
"""Fewer say nothing of a slope's error."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """From one reading to a later one."""

    first: Reading
    last: Reading
    took: Counter[int]
    """How many events took how many ms, from being sent until the broker had their flags."""

    @property
    def events(self) -> int:
        """That ended in it."""
        return max(1, self.last.events - self.first.events)

    @property
    def wall_s(self) -> float:
        """How long it took."""
        return self.last.at - self.first.at

    @property
    def events_a_second(self) -> float:
        """Throughput."""
        return self.events / self.wall_s

    @property
    def cpu_ms(self) -> float:
        """Of the measured processes, an event."""
        return (self.last.cpu_s - self.first.cpu_s) * 1000 / self.events

    @property
    def neighbours_ms(self) -> Mapping[str, float]:
        """Of the others on the same cores, an event."""
        used = {name: self.last.neighbours[name].cpu_s - neighbour.cpu_s for name, neighbour in self.first.neighbours.items()}
        return {name: seconds * 1000 / self.events for name, seconds in used.items()}

    @property
    def strangers_s(self) -> float:
        """CPU of all that has nothing to do with the benchmark."""
        return max(0.0, self.last.machine_s - self.first.machine_s - (self.cpu_ms + sum(self.neighbours_ms.values())) * self.events / 1000)

    def took_ms(self, share: float) -> float:
        """The time within which this share of the events ended."""
        left = share * self.took.total()
        for ms, count in sorted(self.took.items()):
            left -= count
            if left <= 0:
                return float(ms)
        return 0.0

    def an_event(self, total: Callable[[Reading], float]) -> float:
        """By how much this total grew for each event."""
        return (total(self.last) - total(self.first)) / self.events

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        figures = {name: figure(self) for name, figure in FIGURES.items()}
        return {
            "to": self.last.events,
            "events": self.events,
            "events_a_second": self.events_a_second,
            **figures,
            "neighbours_ms": self.neighbours_ms,
            "strangers_s": self.strangers_s,
            "last": asdict(self.last),
        }


def joined(stretches: Sequence[Stretch]) -> Stretch:
    """Stretches that follow each other, as one."""
    highest_mb = max(each.last.highest_mb for each in stretches)
    took = sum((each.took for each in stretches), Counter[int]())
    return Stretch(stretches[0].first, replace(stretches[-1].last, highest_mb=highest_mb), took)


FIGURES: Final[Mapping[str, Callable[[Stretch], float]]] = {
    "CPU ms": lambda each: each.cpu_ms,
    "p50 ms": lambda each: each.took_ms(0.5),
    "p99 ms": lambda each: each.took_ms(0.99),
    "RSS MB": lambda each: each.last.memory_mb,
    "highest": lambda each: each.last.highest_mb,
    "threads": lambda each: each.last.threads,
    "files": lambda each: each.last.files,
    "Redis MB": lambda each: each.last.redis.memory_mb,
    "Redis keys": lambda each: each.last.redis.keys,
    "Kafka MB": lambda each: sum(each.last.kafka_bytes.values()) / 1e6,
    "log MB": lambda each: each.last.log_bytes / 1e6,
    "stub MB": lambda each: each.last.neighbours[STUB].memory_mb,
    "benchmark MB": lambda each: each.last.neighbours[BENCHMARK].memory_mb,
}
"""What is looked at for a drift, by its heading. Costs and times are of the whole stretch, sizes as it ends."""


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth for PER further events, and its standard error."""

    growth: float
    error: float


def slope(points: Sequence[tuple[float, float]]) -> Slope | None:
    """Of the line through (events, value) with the least squares; None for too few points."""
    count = len(points)
    if count < POINTS_MIN:
        return None
    mean_x, mean_y = (sum(each) / count for each in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    by_event = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    left = sum((y - mean_y - by_event * (x - mean_x)) ** 2 for x, y in points)
    return Slope(by_event * PER, (left / (count - 2) / spread) ** 0.5 * PER)


def slopes(slices: Sequence[Stretch]) -> dict[str, Slope | None]:
    """Of every figure, by its heading."""
    return {name: slope([(each.last.events, figure(each)) for each in slices]) for name, figure in FIGURES.items()}
