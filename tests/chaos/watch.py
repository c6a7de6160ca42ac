"""When events end, as anybody can see on the bus; and from that, how long they stood still after each fault."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from tests.chaos.evidence import Json, Topics
from tests.chaos.faults import Done
from tests.chaos.load import Load, Published
from tests.chaos.supervisor import Death

POLL_MS: Final = 100
MEMORY_S: Final = 60.0
"""An event of which nothing was heard for so long is not waited for: another event on the same picture has ended it without a word."""
FRESH_S: Final = 1.0
"""An event published this shortly before the next blow may rightly not have ended before it."""
COLLECTOR: Final = frozenset({"collector-dead", "collector-hangs", "collector-busy"})
FROM_THE_BLOW: Final = frozenset({"consumer-killed"}) | COLLECTOR
"""Kinds whose recovery is counted from the blow: what died is the product itself, and coming back is part of the recovery; or it is
nothing that an event may wait for."""
ALL_OF_THEM: Final = "both"
"""The target that leaves nobody to take over, so that recovery is counted from when they may start again."""
ASIDE: Final = frozenset({"celery-killed", "serve-killed", "redis-killed", "redis-burnt"}) | COLLECTOR
"""Kinds that strike what no event waits for; they disturb no other's figure, nor does a wire to Redis."""
BY_PARTITION: Final = frozenset({"consumer-killed", "consumer-frozen"})
"""Kinds that stop some partitions while others go on, so that the slowest one counts. Else the next flag on any partition does."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A flag or dead letter that came."""

    partition: int
    """Of the imaging topic."""
    event: str | None
    """Its id, where the load knows it."""
    at: float
    """time.monotonic()."""
    flag: bool = True
    """Else a dead letter, which may have needed nothing but Kafka."""


class Watch:
    """Reads flags and dead letters as they come, on a thread of its own."""

    def __init__(self, bootstrap_servers: str, topics: Topics) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._topics = topics
        self._stopping = threading.Event()
        self._seen: list[tuple[float, str, Json]] = []
        self._thread = threading.Thread(target=self._run, name="watch")

    def start(self) -> None:
        """From the beginning of the topics."""
        self._thread.start()

    def stop(self) -> None:
        """Nothing more is read."""
        self._stopping.set()
        self._thread.join(30)

    @property
    def count(self) -> int:
        """Flags and dead letters until now."""
        return len(self._seen)

    def flags(self) -> list[Json]:
        """Every flag until now, the earliest first."""
        return [value for _, topic, value in list(self._seen) if topic == self._topics.flags]

    def flags_of(self, event: str) -> list[Json]:
        """The flags that the event with this id led to, until now."""
        return [value for _, topic, value in list(self._seen) if topic == self._topics.flags and value["event"] == event]

    def ended(self, published: Iterable[Published]) -> list[Ended]:
        """What was seen, with the partitions on which those events were published."""
        published = list(published)
        partitions = {each.event: each.partition for each in published}
        events = {(each.partition, each.offset): each.event for each in published}
        seen = (self._ended(*each, partitions, events) for each in list(self._seen))
        return [each for each in seen if each is not None]

    def _ended(
        self, at: float, topic: str, value: Json, partitions: Mapping[str, int], events: Mapping[tuple[int, int], str]
    ) -> Ended | None:
        if topic == self._topics.flags:
            partition = partitions.get(value["event"])
            return None if partition is None else Ended(partition, value["event"], at)
        original = value["original"]
        if original["topic"] != self._topics.imaging:
            return None
        return Ended(original["partition"], events.get((original["partition"], original["offset"])), at, flag=False)

    def _run(self) -> None:
        consumer = KafkaConsumer(bootstrap_servers=self._bootstrap_servers, enable_auto_commit=False, reconnect_backoff_max_ms=500)
        topics = (self._topics.flags, self._topics.dead_letters)
        partitions = [TopicPartition(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        while not self._stopping.is_set():
            try:
                batches = consumer.poll(timeout_ms=POLL_MS)
            except KafkaError:
                self._stopping.wait(POLL_MS / 1000)
                continue
            now = time.monotonic()
            self._seen += [(now, each.topic, json.loads(each.value)) for batch in batches.values() for each in batch]
        consumer.close(autocommit=False)


@contextmanager
def watched(load: Load, watch: Watch) -> Iterator[tuple[Load, Watch]]:
    """Both while the block lasts; the watch begins first and ends last, so that it misses nothing of the load."""
    try:
        watch.start()
        load.start()
        yield load, watch
    finally:
        load.break_off()
        watch.stop()


def standstill_s(since: float, until: float, published: Sequence[Published], ended: Sequence[Ended]) -> float | None:
    """The longest that any partition with work in hand stood still after `since`: until the first of its events ended.

    A partition without work counts from the moment it gets some. None where nothing can be said: no partition had work before `until`,
    or one with work did not move before it.
    """
    known = {each.event: each.at for each in ended if each.event is not None}
    work: dict[int, float] = {}
    for each in published:
        if since - MEMORY_S < each.at < until - FRESH_S and known.get(each.event, until) > since:
            work[each.partition] = min(each.at, work.get(each.partition, until))
    moved: dict[int, float] = {}
    for end in ended:
        if since < end.at < until:
            moved[end.partition] = min(end.at, moved.get(end.partition, until))
    if not work or work.keys() - moved.keys():
        return None
    return max(moved[partition] - max(since, began) for partition, began in work.items())


def recoveries(
    done: Sequence[Done], deaths: Sequence[Death], published: Sequence[Published], ended: Sequence[Ended], *, until: float
) -> dict[str, list[float]]:
    """Kind of fault -> seconds until events ended again, of those faults after which nothing else went wrong before they did.

    Counted from when the part was ready or the trouble over, for FROM_THE_BLOW from its beginning.
    """
    found: dict[str, list[float]] = {}
    struck = [each for each in done if each.fault.kind not in ASIDE and each.fault.target != "redis"]
    anywhere = [replace(each, partition=0) for each in published], [replace(each, partition=0) for each in ended if each.flag]
    for each in done:
        since = each.began_at if each.fault.kind in FROM_THE_BLOW and each.fault.target != ALL_OF_THEM else each.ended_at
        others = [other for other in struck if other is not each]
        if any(other.began_at < since < other.ended_at for other in others):
            continue
        by_partition = each.fault.kind in BY_PARTITION
        blows = [other.began_at for other in others] + [death.at for death in deaths if by_partition and not death.struck]
        work = (published, ended) if by_partition else anywhere
        seconds = standstill_s(since, min([blow for blow in blows if blow >= since], default=until), *work)
        if seconds is not None:
            found.setdefault(each.fault.kind, []).append(seconds)
    return found
