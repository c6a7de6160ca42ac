"""One scenario: warm up, measure a contender's CPU and memory over a known number of events, and account for every one of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from tocsin.sandbox.process import Child

from tests.benchmarks.account import Account, EventsLost, account
from tests.benchmarks.bus import Bus
from tests.benchmarks.contenders import Contender
from tests.benchmarks.processes import group_cpu_s, groups_memory_mb
from tests.benchmarks.stage import Stage

WARM_UP: Final = 100
"""Events before the first reading: connections, the first checked Bundle, caches."""
POLL_S: Final = 0.1
STALLED_AFTER_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """How events come."""

    name: str
    events: int
    """Measured ones; those of the warm-up come on top."""
    rate: float | None
    """Events a second; None: all of them lie on the bus before the process starts."""
    warm_up: int = WARM_UP


@dataclass(frozen=True, slots=True)
class Latency:
    """From an event on the bus to its flag on the bus, ms."""

    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one scenario."""

    contender: str
    load: str
    events: int
    """Those that ended between the readings, each once."""
    cpu_ms: float
    """Of all the contender's processes, per event."""
    neighbours_ms: Mapping[str, float]
    """CPU of the others on the same cores, per event."""
    wall_s: float
    latency: Latency | None
    """None where events waited in a queue of the benchmark's own making."""
    memory_mb: float
    """Resident, of all its processes at the last event; what forked processes share counts once."""
    repeated: int = 0
    """Flags besides the first of each event."""

    @property
    def events_a_second(self) -> float:
        """Throughput."""
        return self.events / self.wall_s


@dataclass(frozen=True, slots=True)
class _Reading:
    """What had been used and done at one moment."""

    at: float
    at_ms: float
    """The same moment by the clock that the broker, on this machine, has its records' times from."""
    contender_s: float
    neighbours_s: Mapping[str, float]
    flags: int
    memory_mb: float


def run(stage: Stage, contender: Contender, name: str, load: Load) -> Measured:
    """The scenario, under event ids that begin with `name`. Raises EventsLost."""
    warm_up, ids = _ids(f"{name}-warm", load.warm_up), _ids(name, load.events)
    stage.forget()
    bus = contender.bus
    before = bus.flags_count()
    if load.rate is None:
        bus.publish([*warm_up, *ids])
    with contender.processes(stage.folder / f"{bus.name}-{name}") as processes:
        if load.rate is not None:
            bus.publish(warm_up)
        first = _await(stage, bus, processes, before + load.warm_up)
        if load.rate is not None:
            bus.publish(ids, load.rate)
        last = _last(stage, bus, processes, before, [*warm_up, *ids])
    ended = account(stage, bus, [*warm_up, *ids], contender.promise)
    latency = None if load.rate is None else _latency(ended, ids)
    return _measured(contender.name, load, first, last, latency, ended)


def _ids(name: str, count: int) -> list[str]:
    return [f"{name}-{number}" for number in range(count)]


def _await(stage: Stage, bus: Bus, processes: Sequence[Child], flags: int) -> _Reading:
    """The reading as soon as the broker has so many flags."""
    count = await_flags(bus, processes, flags)
    groups = [each.pid for each in processes]
    used = sum(map(group_cpu_s, groups))
    return _Reading(time.monotonic(), time.time() * 1000, used, _neighbours(stage), count, groups_memory_mb(groups))


def _last(stage: Stage, bus: Bus, processes: Sequence[Child], before: int, ids: Sequence[str]) -> _Reading:
    """The reading as soon as every event has its flag; `before`: how many flags there were before the first of them."""
    flags = before + len(ids)
    while True:
        reading = _await(stage, bus, processes, flags)
        missing = bus.unflagged(ids)
        if not missing:
            return reading
        flags = reading.flags + len(missing)  # some flags were another event's second


def await_flags(bus: Bus, processes: Sequence[Child], flags: int) -> int:
    """How many flags the broker has, as soon as it has so many. Raises EventsLost where they stay away."""
    seen, since = -1, time.monotonic()
    while True:
        count = bus.flags_count()
        if count >= flags:
            return count
        if count > seen:
            seen, since = count, time.monotonic()
        if not all(each.alive for each in processes) or time.monotonic() - since > STALLED_AFTER_S:
            tails = "\n".join(f"The log of {each.name} ends:\n{each.tail()}" for each in processes)
            raise EventsLost(f"{flags - count} flags stayed away. {tails}")
        time.sleep(POLL_S)


def _neighbours(stage: Stage) -> dict[str, float]:
    return {name: group_cpu_s(group) for name, group in stage.neighbours.items()}


def _latency(ended: Account, ids: Sequence[str]) -> Latency:
    took = [ended.flagged[id_] - ended.published[id_] for id_ in ids]
    p50, p99 = np.percentile(took, [50, 99])
    return Latency(float(p50), float(p99))


def _measured(contender: str, load: Load, first: _Reading, last: _Reading, latency: Latency | None, ended: Account) -> Measured:
    since = sum(at_ms > first.at_ms for at_ms in ended.flagged.values())  # by its first flag: one told again has ended once
    events = max(1, since)  # a run of a few events may have ended before the first look
    neighbours = {name: (last.neighbours_s[name] - used) * 1000 / events for name, used in first.neighbours_s.items()}
    cpu_ms = (last.contender_s - first.contender_s) * 1000 / events
    return Measured(contender, load.name, events, cpu_ms, neighbours, last.at - first.at, latency, last.memory_mb, ended.repeated)
