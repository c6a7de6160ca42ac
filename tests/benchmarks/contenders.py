"""Who is measured: `tocsin consume`, and the same job as it would be written by hand on FastStream or Celery."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tocsin.sandbox.commands import GRACE_S, launch, running
from tocsin.sandbox.process import Child, Launch

from tests.benchmarks.account import Promise
from tests.benchmarks.bus import Bus
from tests.benchmarks.cards import Decoding
from tests.benchmarks.stage import ROOT, Stage

TOCSIN: Final = "Tocsin"
UNSEEN: Final = "Tocsin without telemetry"
GIVEN: Final = "FastStream, given our decoder and gate"
DOCUMENTED: Final = "FastStream, as documented"
CELERY: Final = "Celery, a task an event"

NO_TELEMETRY: Final = {"OTEL_SDK_DISABLED": "true"}
"""As OpenTelemetry defines it: whatever is left is Tocsin's logs and health pages."""
NOTHING: Final[Mapping[str, str]] = {}

PEERS: Final = "tests.benchmarks.peers"


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to take events to their flags."""

    name: str
    bus: Bus
    """Its own topics."""
    promise: Promise
    processes: Callable[[Path], AbstractContextManager[Sequence[Child]]]
    """Starts it, with its logs below a folder, for as long as a block lasts; each process leads a group that holds all of its own."""


@contextmanager
def contenders(stage: Stage) -> Iterator[list[Contender]]:
    """Everybody, each on topics of its own."""
    with ExitStack() as lanes:

        def lane(name: str) -> Bus:
            bus = stage.lane(name)
            lanes.callback(bus.close)
            return bus

        yield [
            tocsin(stage, name=TOCSIN, bus=lane("tocsin")),
            _peer(stage, GIVEN, lane("given"), ("faststream_service", "given")),
            tocsin(stage, name=UNSEEN, bus=lane("unseen"), more=NO_TELEMETRY),
            _peer(stage, DOCUMENTED, lane("documented"), ("faststream_service", "documented")),
            _peer(stage, CELERY, lane("celery"), ("celery_tasks",), ("celery_feeder",)),
        ]


def tocsin(
    stage: Stage, decoding: Decoding = "full", more: Mapping[str, str] = NOTHING, *, name: str = TOCSIN, bus: Bus | None = None
) -> Contender:
    """`tocsin consume` with its default settings, but for these variables; without a bus, on the stage's."""
    of_its_own = bus or stage.bus
    variables = {**stage.environment(decoding), **of_its_own.variables, **more}
    return Contender(name, of_its_own, "once", lambda folder: running(folder, variables, "consume"))


def fleet(stage: Stage, bus: Bus, processes: int) -> Contender:
    """`tocsin consume --processes N` with its default settings."""
    variables = {**stage.environment("full"), **bus.variables}

    def launched(folder: Path) -> Launch:
        one = launch("consume", folder, variables)
        return replace(one, argv=(*one.argv, "--processes", str(processes)))

    return Contender(f"consume --processes {processes}", bus, "once", lambda folder: _running(folder, [launched(folder)]))


def _peer(stage: Stage, name: str, bus: Bus, *programs: tuple[str, ...]) -> Contender:
    variables = {**stage.environment("full"), **bus.variables, "OPENBLAS_NUM_THREADS": "1"}  # as Tocsin sets it

    def launches(folder: Path) -> Iterator[Launch]:
        for module, *arguments in programs:
            argv = (sys.executable, "-m", f"{PEERS}.{module}", *arguments)
            yield Launch(name, argv, ROOT, folder / f"{module}.log", variables)

    return Contender(name, bus, "at least once", lambda folder: _running(folder, list(launches(folder))))


@contextmanager
def _running(folder: Path, launches: Sequence[Launch]) -> Iterator[list[Child]]:
    folder.mkdir(parents=True, exist_ok=True)
    children: list[Child] = []
    try:
        for each in launches:
            children.append(Child(each))
        yield children
    finally:
        with ThreadPoolExecutor(len(launches)) as enders:
            for child in children:
                enders.submit(child.stop, grace_s=GRACE_S)
