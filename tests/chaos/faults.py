"""What each kind of fault does to the stage."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from tocsin.sandbox.redis import Redis

from tests.chaos.collector import Trouble
from tests.chaos.exports import Endured, endure
from tests.chaos.gateway import busy
from tests.chaos.parts import CONSUMERS, TOPICS, Stage
from tests.chaos.plan import Fault
from tests.chaos.refusing import refusing
from tests.chaos.transactions import Aborting

SLOW_DELAY_S: Final = 0.2
SLOW_BYTES_A_SECOND: Final = 200_000.0
TROUBLES: Final[Mapping[str, Trouble]] = {"collector-dead": "dead", "collector-hangs": "hangs"}
BUSY: Final[Mapping[str, Trouble]] = {"503": "503", "slow": "slow"}
"""Target of collector-busy -> how it is busy."""


@dataclass(frozen=True, slots=True)
class Done:
    """A fault that has happened; times are time.monotonic()."""

    fault: Fault
    began_at: float
    ended_at: float
    """The part was ready again, or the trouble over."""


class Faults:
    """Does them. Two that strike the same thing follow one another; safe for threads otherwise."""

    def __init__(self, stage: Stage, stopping: threading.Event, endings: Callable[[], int]) -> None:
        """Once `stopping` is set, every fault ends as soon as it can; `endings` says how many events have ended until now."""
        self._stage = stage
        self._stopping = stopping
        self._endings = endings
        self._endured: list[Endured] = []
        self._aborting = Aborting(stage.kafka, TOPICS.imaging)
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._deeds: Mapping[str, Callable[[Fault], None]] = {
            "consumer-killed": self._kill_processes,
            "celery-killed": self._kill_processes,
            "serve-killed": self._kill_processes,
            "consumer-frozen": self._freeze_process,
            "redis-killed": self._kill_part,
            "redis-burnt": self._burn_redis,
            "triton-killed": self._kill_part,
            "fhir-killed": self._kill_part,
            "kafka-killed": self._kill_part,
            "kafka-frozen": self._freeze_part,
            "wire-cut": self._cut,
            "wire-slow": self._slow,
            "fhir-429": self._busy,
            "fhir-503": self._busy,
            "fhir-500-stored": self._swallow,
            "fhir-truncated": self._truncate,
            "fhir-quirk": self._quirk,
            "transaction-aborted": self._abort,
            "redis-refuses": self._refuse,
            "collector-dead": self._endure,
            "collector-hangs": self._endure,
            "collector-busy": self._endure,
        }

    def aborted(self) -> tuple[str, ...]:
        """Values, base64, of the events that were put on the bus and never committed."""
        return self._aborting.values()

    def endured(self) -> Sequence[Endured]:
        """The collector's troubles that are over."""
        return tuple(self._endured)

    def do(self, fault: Fault) -> Done:
        """Returns when it is over. Raises PartDidNotStart where a part does not come back."""
        with self._alone(_struck(fault)):
            began_at = time.monotonic()
            self._deeds[fault.kind](fault)
            return Done(fault, began_at, time.monotonic())

    @contextmanager
    def _alone(self, things: tuple[str, ...]) -> Iterator[None]:
        with ExitStack() as held:
            for thing in sorted(things):
                held.enter_context(self._locks[thing])
            yield

    def _last(self, fault: Fault) -> None:
        self._stopping.wait(fault.lasts_s)

    def _kill_processes(self, fault: Fault) -> None:
        processes = [self._stage.processes[name] for name in _processes(fault)]
        for process in processes:
            process.kill()
        self._last(fault)
        for process in processes:
            process.release()

    def _freeze_process(self, fault: Fault) -> None:
        process = self._stage.processes[fault.target]
        process.freeze()
        self._last(fault)
        process.thaw()

    def _kill_part(self, fault: Fault) -> None:
        part = self._stage.parts[fault.target]
        part.kill()
        self._last(fault)
        part.begin()

    def _burn_redis(self, fault: Fault) -> None:
        part = self._stage.parts["redis"]
        part.kill()
        self._stage.burn_redis()
        self._last(fault)
        part.begin()

    def _freeze_part(self, fault: Fault) -> None:
        part = self._stage.parts[fault.target]
        part.freeze()
        self._last(fault)
        part.thaw()

    def _cut(self, fault: Fault) -> None:
        wire = self._stage.wires[fault.target]
        wire.close()
        self._last(fault)
        wire.mend()

    def _slow(self, fault: Fault) -> None:
        wire = self._stage.wires[fault.target]
        wire.slow(delay_s=SLOW_DELAY_S, bytes_a_second=SLOW_BYTES_A_SECOND)
        self._last(fault)
        wire.mend()

    def _busy(self, fault: Fault) -> None:
        status = int(fault.kind.rpartition("-")[2])
        self._stage.gateway.instead = lambda: busy(status, fault.target)
        self._last(fault)
        self._stage.gateway.mend()

    def _swallow(self, fault: Fault) -> None:
        self._stage.gateway.swallows_writes = True
        self._last(fault)
        self._stage.gateway.mend()

    def _truncate(self, fault: Fault) -> None:
        self._stage.gateway.truncates = fault.target
        self._last(fault)
        self._stage.gateway.mend()

    def _quirk(self, fault: Fault) -> None:
        self._stage.gateway.quirk = fault.target
        self._last(fault)
        self._stage.gateway.mend()

    def _abort(self, fault: Fault) -> None:
        with self._aborting.transaction(fault.number, abandoned=fault.target == "abandoned"):
            self._last(fault)

    def _refuse(self, fault: Fault) -> None:
        redis = self._stage.parts["redis"].now
        assert isinstance(redis, Redis)
        with refusing(redis.url, fault.target):
            self._last(fault)

    def _endure(self, fault: Fault) -> None:
        how = TROUBLES.get(fault.kind) or BUSY[fault.target]
        stage = self._stage
        self._endured.append(endure(fault, how, stage.collector, stage.pages, self._endings, self._stopping))


def _processes(fault: Fault) -> tuple[str, ...]:
    return CONSUMERS if fault.target == "both" else (fault.target,)


def _struck(fault: Fault) -> tuple[str, ...]:
    """What no other fault may strike meanwhile."""
    if fault.kind.startswith("wire-"):
        return (f"wire {fault.target}",)
    if fault.kind.startswith("fhir-") and fault.kind != "fhir-killed":
        return ("gateway",)
    if fault.kind == "transaction-aborted":
        return ("kafka",)
    if fault.kind == "redis-refuses":
        return ("redis",)
    if fault.kind.startswith("collector-"):
        return ("collector",)
    return _processes(fault)
