"""One scenario: warm up, measure the CPU of `tocsin consume` over a known number of events, and account for every one of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from tocsin.sandbox.commands import running
from tocsin.sandbox.process import Child

from tests.benchmarks.bus import Said
from tests.benchmarks.cards import Decoding
from tests.benchmarks.processes import cpu_s, group_cpu_s
from tests.benchmarks.stage import Stage

WARM_UP: Final = 100
"""Events before the first reading: connections, the first checked Bundle, caches."""
POLL_S: Final = 0.1
STALLED_AFTER_S: Final = 60.0


NOTHING: Final[Mapping[str, str]] = {}


class EventsLost(Exception):
    """Not every event came to exactly one report and one flag, so no figure of the run means anything."""


@dataclass(frozen=True, slots=True)
class Load:
    """How events come."""

    name: str
    events: int
    """Measured ones; those of the warm-up come on top."""
    rate: float | None
    """Events a second; None: all of them lie on the bus before the process starts."""


@dataclass(frozen=True, slots=True)
class Latency:
    """From an event on the bus to its flag on the bus, ms."""

    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one scenario."""

    decoding: Decoding
    load: str
    events: int
    cpu_ms: float
    """Of the consume process, per event."""
    neighbours_ms: Mapping[str, float]
    """CPU of the others on the same cores, per event."""
    wall_s: float
    latency: Latency | None
    """None where events waited in a queue of the benchmark's own making."""

    @property
    def events_a_second(self) -> float:
        """Throughput."""
        return self.events / self.wall_s


@dataclass(frozen=True, slots=True)
class _Reading:
    """What had been used and done at one moment."""

    at: float
    consume_s: float
    neighbours_s: Mapping[str, float]
    flags: int


def run(stage: Stage, name: str, decoding: Decoding, load: Load, more: Mapping[str, str] = NOTHING) -> Measured:
    """The scenario, under event ids that begin with `name`, with these variables beside the stage's. Raises EventsLost."""
    warm_up, ids = _ids(f"{name}-warm", WARM_UP), _ids(name, load.events)
    before = stage.bus.flags_count()
    if load.rate is None:
        stage.bus.publish([*warm_up, *ids])
    with running(stage.folder / name, {**stage.environment(decoding), **more}, "consume") as (consume,):
        if load.rate is not None:
            stage.bus.publish(warm_up)
        first = _await(stage, consume, before + WARM_UP)
        if load.rate is not None:
            stage.bus.publish(ids, load.rate)
        last = _await(stage, consume, before + WARM_UP + load.events)
    said = _account(stage, [*warm_up, *ids])
    latency = None if load.rate is None else _latency(said, ids)
    return _measured(decoding, load, first, last, latency)


def _ids(name: str, count: int) -> list[str]:
    return [f"{name}-{number}" for number in range(count)]


def _await(stage: Stage, consume: Child, flags: int) -> _Reading:
    """The reading as soon as the broker has so many flags."""
    count = await_flags(stage, consume, flags)
    return _Reading(time.monotonic(), cpu_s(consume.pid), _neighbours(stage), count)


def await_flags(stage: Stage, consume: Child, flags: int, look: Callable[[], None] = lambda: None) -> int:
    """How many flags the broker has, as soon as it has so many; `look` is called at each look. Raises EventsLost where they stay away."""
    seen, since = -1, time.monotonic()
    while True:
        count = stage.bus.flags_count()
        look()
        if count >= flags:
            return count
        if count > seen:
            seen, since = count, time.monotonic()
        if not consume.alive or time.monotonic() - since > STALLED_AFTER_S:
            raise EventsLost(f"{flags - count} flags stayed away. The log of tocsin consume ends:\n{consume.tail()}")
        time.sleep(POLL_S)


def _neighbours(stage: Stage) -> dict[str, float]:
    return {name: group_cpu_s(group) for name, group in stage.neighbours.items()}


def _account(stage: Stage, ids: Sequence[str]) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """When each event and its flag were on the bus, by Media's id. Raises EventsLost."""
    wanted, counts = set(ids), stage.counts()
    flags = [each for each in stage.bus.flags() if each.media in wanted]
    flagged = Counter(each.media for each in flags if each.content["outcome"] == "assessed")
    wrong = [id_ for id_ in ids if {flagged[id_], counts["read"].get(id_), counts["written"].get(id_)} != {1}]
    if wrong or len(flags) != len(ids):
        endings = f"{len(flags)} flags, {len(stage.bus.dead_letters())} dead letters"
        raise EventsLost(f"{len(wrong)} of {len(ids)} events were not tried once, written once and flagged once ({endings})")
    return _times([each for each in stage.bus.events() if each.media in wanted]), _times(flags)


def _times(said: Sequence[Said]) -> dict[str, int]:
    return {each.media: each.at_ms for each in said}


def _latency(said: tuple[Mapping[str, int], Mapping[str, int]], ids: Sequence[str]) -> Latency:
    published, flagged = said
    took = [flagged[id_] - published[id_] for id_ in ids]
    p50, p99 = np.percentile(took, [50, 99])
    return Latency(float(p50), float(p99))


def _measured(decoding: Decoding, load: Load, first: _Reading, last: _Reading, latency: Latency | None) -> Measured:
    events = last.flags - first.flags
    neighbours = {name: (last.neighbours_s[name] - used) * 1000 / events for name, used in first.neighbours_s.items()}
    cpu_ms = (last.consume_s - first.consume_s) * 1000 / events
    return Measured(decoding, load.name, events, cpu_ms, neighbours, last.at - first.at, latency)
