"""What one call of the benchmark found, and the ratios in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from tests.benchmarks.alone import FLOOR, Rounds
from tests.benchmarks.contenders import DOCUMENTED, GIVEN, TOCSIN, UNSEEN
from tests.benchmarks.photographs import Kind
from tests.benchmarks.processes import Machine
from tests.benchmarks.scenario import Measured

SATURATED: Final = "saturated"
PACED: Final = "paced"
KEPT_UP: Final = 0.9
"""Share of the rate below which a contender was not able to keep up, so that its latency is a queue's."""
RATE_NAMED: Final = 20.0
"""Events a second that `faststream_20` is about."""

Figure = Callable[[Measured], float | None]
RATIOS: Final = ("floor", "faststream_saturated", "faststream_20", "p50_faststream", "telemetry_share", "rss_mb", "faststream_docs")
"""The figures of the last line, in its order."""


def cpu(run: Measured) -> float:
    """CPU an event, ms."""
    return run.cpu_ms


def p50(run: Measured) -> float | None:
    """Median latency, ms."""
    return None if run.latency is None else run.latency.p50


def p99(run: Measured) -> float | None:
    """Latency of the slowest hundredth, ms."""
    return None if run.latency is None else run.latency.p99


def memory(run: Measured) -> float:
    """Resident memory, MB."""
    return run.memory_mb


def events_a_second(run: Measured) -> float:
    """Throughput."""
    return run.events_a_second


@dataclass(frozen=True, slots=True)
class Part:
    """The figures of one kind of picture."""

    kind: Kind
    alone: Rounds
    runs: Sequence[Measured]
    """In the order in which they were measured: pass by pass."""

    @property
    def floor_ms(self) -> float:
        """CPU of every pixel decoded by the fastest decoder, and of the tensor, on one thread."""
        return sum(map(median, self.alone[FLOOR].values()))

    def of(self, contender: str, load: str) -> list[Measured]:
        """Its runs, one of each pass."""
        return [run for run in self.runs if (run.contender, run.load) == (contender, load)]

    def median(self, contender: str, load: str, figure: Figure) -> float | None:
        """The median of the passes; None where there is no such figure."""
        found = [value for value in map(figure, self.of(contender, load)) if value is not None]
        return median(found) if found else None

    def ratio(self, load: str, of: str, to: str, figure: Figure = cpu) -> float | None:
        """The median of the passes' ratios, since a machine may change from pass to pass.

        None where one of the two was not run, or `to` ended its few events between two readings and has no figure to divide by.
        """
        pairs = zip(map(figure, self.of(of, load)), map(figure, self.of(to, load)), strict=False)
        found = [one / other for one, other in pairs if one is not None and other]
        return median(found) if found else None

    def reached(self, contender: str) -> float:
        """Events a second that it ended where they came at a rate; 0 where that was not measured."""
        return self.median(contender, PACED, events_a_second) or 0.0

    def kept_up(self, contender: str, rate: float) -> bool:
        """Whether it ended events as they came, so many a second: its waits are its own, and no queue's."""
        return self.reached(contender) >= KEPT_UP * rate

    def ratios(self, rate: float) -> Mapping[str, float | None]:
        """The figures of the last line by their names; None where this call did not measure one.

        Nothing is compared at a `rate` (events a second of the paced runs) that one of the two did not keep up with.
        """
        paced = all(self.kept_up(each, rate) for each in (TOCSIN, GIVEN))
        used, unseen = self.median(TOCSIN, SATURATED, cpu), self.ratio(SATURATED, UNSEEN, TOCSIN)
        values = (
            None if used is None else used / self.floor_ms,
            self.ratio(SATURATED, TOCSIN, GIVEN),
            self.ratio(PACED, TOCSIN, GIVEN) if paced and rate == RATE_NAMED else None,
            self.ratio(PACED, TOCSIN, GIVEN, p50) if paced else None,
            None if unseen is None else 1 - unseen,
            self.median(TOCSIN, SATURATED, memory),
            self.ratio(SATURATED, TOCSIN, DOCUMENTED),
        )
        return dict(zip(RATIOS, values, strict=True))


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that was found, and where."""

    machine: Machine
    rate: float
    """Events a second of the paced runs."""
    parts: Sequence[Part]

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        return {"machine": self.machine.as_json(), "rate": self.rate, "parts": [_part(each, self.rate) for each in self.parts]}


def _part(part: Part, rate: float) -> dict[str, Any]:
    runs = [{**asdict(run), "events_a_second": run.events_a_second} for run in part.runs]
    paced = dict.fromkeys(run.contender for run in part.runs if run.load == PACED)
    return {
        "pictures": str(part.kind),
        "floor_cpu_ms": part.floor_ms,
        "alone_cpu_ms": part.alone,
        "ratios": part.ratios(rate),
        "kept_up": {each: part.kept_up(each, rate) for each in paced},
        "runs": runs,
    }
