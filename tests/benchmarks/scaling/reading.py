"""What had been used at one moment, by the processes that are measured and by all that share the machine with them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from redis import Redis
from tocsin.sandbox.process import Child

from tests.benchmarks.fhir_stub import Traffic
from tests.benchmarks.processes import group_cpu_s, group_threads_and_files, groups_memory_mb, machine_cpu_s, rss_mb
from tests.benchmarks.stage import Stage

BENCHMARK: Final = "benchmark"
EVERY_S: Final = 1.0
"""How often memory is looked at, for its highest."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A part that shares the cores."""

    cpu_s: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class RedisUse:
    """What Redis says of itself."""

    memory_mb: float
    keys: int
    commands: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Totals since the start; sizes in MB (10^6 bytes) or bytes as their names say."""

    events: int
    """That have ended."""
    at: float
    cpu_s: float
    """Of the processes that are measured."""
    memory_mb: float
    highest_mb: float
    """The highest since the last reading, looked at every second."""
    threads: int
    files: int
    """Open ones, sockets among them."""
    machine_s: float
    """That all cores were busy."""
    neighbours: Mapping[str, Neighbour]
    redis: RedisUse
    kafka_bytes: Mapping[str, int]
    """On the broker's disk, by topic."""
    log_bytes: int
    """Of the measured processes' log."""
    fhir: Traffic


class Reader:
    """Reads one run."""

    def __init__(self, stage: Stage, processes: Sequence[Child]) -> None:
        self._stage, self._processes = stage, processes
        self._redis = Redis.from_url(stage.redis.url)
        self._highest_mb, self._looked = 0.0, 0.0

    def look(self, now: float) -> None:
        """Remembers the highest memory, once a second."""
        if now - self._looked >= EVERY_S:
            self._looked = now
            self._highest_mb = max(self._highest_mb, self._memory_mb())

    def read(self, events: int) -> Reading:
        """Now, when so many events have ended."""
        memory_mb, group = self._memory_mb(), self._processes[0].pid
        highest_mb, self._highest_mb = max(memory_mb, self._highest_mb), 0.0
        threads, files = group_threads_and_files(group)
        return Reading(
            events=events,
            at=time.monotonic(),
            cpu_s=group_cpu_s(group),
            memory_mb=memory_mb,
            highest_mb=highest_mb,
            threads=threads,
            files=files,
            machine_s=machine_cpu_s(),
            neighbours={**{name: _neighbour(group) for name, group in self._stage.parts.items()}, BENCHMARK: _this_process()},
            redis=_redis(self._redis),
            kafka_bytes=topic_bytes(self._stage.kafka.folder / "data"),
            log_bytes=sum(each.log.stat().st_size for each in self._processes),
            fhir=self._stage.traffic(),
        )

    def _memory_mb(self) -> float:
        return groups_memory_mb([each.pid for each in self._processes])


def _neighbour(group: int) -> Neighbour:
    return Neighbour(group_cpu_s(group), groups_memory_mb([group]))


def _this_process() -> Neighbour:
    """Not its group, in which a shell may have put what has nothing to do with it."""
    return Neighbour(time.process_time(), rss_mb(os.getpid()))


def _redis(client: Redis) -> RedisUse:
    info: Callable[[str], Any] = client.info
    return RedisUse(info("memory")["used_memory"] / 1e6, int(client.dbsize()), info("stats")["total_commands_processed"])


def topic_bytes(data: Path) -> dict[str, int]:
    """Bytes of each topic's records in a broker's data folder, over all partitions."""
    sizes: dict[str, int] = {}
    for log in data.glob("*/*.log"):
        topic = log.parent.name.rpartition("-")[0]
        sizes[topic] = sizes.get(topic, 0) + log.stat().st_size
    return sizes
