"""One run: starts the processes, keeps events under way, reads at each boundary, and accounts for every event at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from kafka.errors import KafkaError
from tocsin.sandbox.process import Child
from tocsin.terminal import Progress, Step

from tests.benchmarks.account import EventsLost, Verdicts
from tests.benchmarks.bus import Bus
from tests.benchmarks.contenders import fleet
from tests.benchmarks.scaling.flow import Endings, Flow, tails
from tests.benchmarks.scaling.growth import Stretch
from tests.benchmarks.scaling.reading import Reader
from tests.benchmarks.stage import Stage

SHARED_WITHIN_S: Final = 120.0
LOOK_S: Final = 0.2
WARM_UP: Final = 100
"""Events for each process before the first reading: connections, the first checked Bundle, caches."""


@dataclass(frozen=True, slots=True)
class Run:
    """What is done."""

    name: str
    """Of its lane, its group and its events."""
    processes: int
    boundaries: Sequence[int]
    """Numbers of events after which something is read, in rising order."""
    under_way: int
    """Events that are under way at any time, for each process."""
    warm_up: int = WARM_UP

    @property
    def total(self) -> int:
        """All events: those of the warm-up come before what is measured, and as many as are under way after it."""
        return self.processes * (self.warm_up + self.under_way) + self.boundaries[-1]


def stretches(stage: Stage, run: Run, progress: Progress) -> Iterator[Stretch]:
    """Each as soon as it is over. Raises EventsLost, at the latest after the last."""
    stage.forget()
    with closing(stage.lane(run.name)) as bus:
        flow = Flow(bus, Endings(run.name, Verdicts.of_stage(stage)), run.total, run.processes * run.under_way)
        contender = fleet(stage, bus, run.processes)
        with contender.processes(stage.folder / run.name) as processes, progress.step(contender.name, total=run.total) as step:
            _await_shared(bus, run.processes, processes)
            yield from _measured(flow, run, Reader(stage, processes), processes, step)
        flow.check(stage)


def _measured(flow: Flow, run: Run, reader: Reader, processes: Sequence[Child], step: Step) -> Iterator[Stretch]:
    """All events, the warm-up's first."""
    warm_up = run.processes * run.warm_up

    def look(ended: int) -> None:
        step.advance(ended)
        reader.look(time.monotonic())

    flow.until(warm_up, processes, look)
    first = reader.read(flow.endings.ended - warm_up)
    for boundary in run.boundaries:
        took = flow.until(warm_up + boundary, processes, look)
        last = reader.read(flow.endings.ended - warm_up)
        yield Stretch(first, last, took)
        first = last
    flow.until(run.total, processes, look)


def _await_shared(bus: Bus, wanted: int, processes: Sequence[Child]) -> None:
    """Until so many processes share the partitions: before, some would stand idle. Raises EventsLost."""
    deadline = time.monotonic() + SHARED_WITHIN_S
    while _sharing(bus) < wanted:
        if time.monotonic() > deadline or not all(each.alive for each in processes):
            raise EventsLost(f"{wanted} processes did not come to share the partitions. {tails(processes)}")
        time.sleep(LOOK_S)


def _sharing(bus: Bus) -> int:
    try:
        return bus.sharing()
    except KafkaError:
        return 0  # the broker is still making a place for groups
