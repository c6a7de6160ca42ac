"""Says how a consumer is at the moment, as metrics: from snapshots, since whoever asks is on another thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tocsin.consume.liveness.progress import Progress
from tocsin.consume.measures import NEIGHBOURS, ORIGINS, OTHER, neighbour_label
from tocsin.consume.partitions.backlog import Partition, View
from tocsin.telemetry.instruments import Measured
from tocsin.telemetry.metrics import (
    BREAKER_OPEN,
    CONSUMER_EVENTS,
    CONSUMER_HELD,
    CONSUMER_LAG,
    CONSUMER_LAG_TIME,
    CONSUMER_STALLED,
    EVENT_OLDEST_AGE,
)


def watch(progress: Progress, view: Callable[[], View], now_s: Callable[[], float]) -> None:
    """Answer for this consumer from now on; `now_s` gives seconds since 1970."""
    CONSUMER_LAG.watch(lambda: [(each.lag, _labels(each)) for each in view().partitions])
    CONSUMER_LAG_TIME.watch(lambda: [(_age_s(each.since_s, now_s()), _labels(each)) for each in view().partitions])
    EVENT_OLDEST_AGE.watch(lambda: _oldest(view().oldest, now_s()))
    CONSUMER_EVENTS.watch(lambda: _events(progress))
    CONSUMER_HELD.watch(lambda: [(float(progress.snapshot().held_by is not None), {})])
    CONSUMER_STALLED.watch(lambda: [(len(progress.snapshot().stalled), {})])
    BREAKER_OPEN.watch(lambda: _breakers(progress.snapshot().paused_for))


def _labels(partition: Partition) -> Mapping[str, str]:
    return {"topic": partition.topic_partition.topic, "partition": str(partition.topic_partition.partition)}


def _age_s(since_s: float | None, now_s: float) -> float:
    return 0.0 if since_s is None else max(0.0, now_s - since_s)


def _oldest(oldest: Mapping[str, float], now_s: float) -> Measured:
    return [(_age_s(oldest.get(origin), now_s), {"origin": origin}) for origin in ORIGINS]


def _events(progress: Progress) -> Measured:
    snapshot = progress.snapshot()
    yield snapshot.running, {"state": "running"}
    yield max(0, snapshot.undecided - snapshot.running), {"state": "waiting"}


def _breakers(paused_for: tuple[str, ...]) -> Measured:
    waited_for = set(map(neighbour_label, paused_for))
    return [(float(name in waited_for), {"neighbour": name}) for name in (*NEIGHBOURS, OTHER)]
