"""The findings for a person, line by line as they come, so that whoever interrupts a long run has what there was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tests.benchmarks.fhir_stub import REPORTS_KEPT
from tests.benchmarks.scaling.cores import Together, ratio
from tests.benchmarks.scaling.growth import FIGURES, PER, POINTS_MIN, Slope, Stretch, slopes
from tests.benchmarks.scaling.reading import Reading

DIGITS: Final[Mapping[str, int]] = {"p50 ms": 0, "p99 ms": 0, "threads": 0, "files": 0, "Redis MB": 2, "Redis keys": 0}
GROWING: Final[Mapping[str, str]] = {
    "Kafka MB": "  until its retention",
    "log MB": "  a line an event",
    "stub MB": f"  for its last {REPORTS_KEPT:,} reports, then no more",
}
"""What grows with the events by its nature."""
WIDTH: Final = 11
SHOWN: Final = tuple(name for name in FIGURES if name not in ("stub MB", "benchmark MB"))
"""In the table; the slopes are of all."""


def growth_heading() -> str:
    """Of the lines of a growing number of events."""
    return _line(("events", "events/s", "others ms", *SHOWN))


def growth_line(stretch: Stretch) -> str:
    """One stretch."""
    figures = (f"{FIGURES[name](stretch):.{DIGITS.get(name, 1)}f}" for name in SHOWN)
    others = sum(stretch.neighbours_ms.values())
    return _line((f"{stretch.last.events:,}", f"{stretch.events_a_second:.1f}", f"{others:.1f}", *figures))


def growth_end(slices: Sequence[Stretch], tenfolds: Sequence[Stretch]) -> Iterator[str]:
    """What the stretches say together."""
    if tenfolds:
        yield ""
        yield "each line from the end of the one before"
        yield growth_heading()
        yield from map(growth_line, tenfolds)
    if len(slices) >= POINTS_MIN:
        yield ""
        yield f"growth for {PER:,} further events +- its standard error, over {len(slices)} slices; a drift is well beyond twice the error"
        yield from (f"  {name:<14}{_slope(each)}{GROWING.get(name, '')}" for name, each in slopes(slices).items())
    if slices:
        yield from _an_event(slices)


def _slope(found: Slope | None) -> str:
    return "-" if found is None else f"{found.growth:+12.3f} +- {found.error:.3f}"


def _an_event(slices: Sequence[Stretch]) -> Iterator[str]:
    """What each event leaves and asks for, over all slices."""
    first, last = slices[0].first, slices[-1].last
    whole = Stretch(first, last, Counter())
    topics = {name: size - first.kafka_bytes.get(name, 0) for name, size in last.kafka_bytes.items()}
    on_kafka = ", ".join(f"{name} {size / whole.events:.0f}" for name, size in topics.items() if size >= whole.events)
    requests, read, written = (whole.an_event(figure) for figure in (_requests, _read_kb, _written_kb))
    yield ""
    yield f"an event leaves {sum(topics.values()) / whole.events:.0f} bytes on Kafka ({on_kafka})"
    yield f"  and {whole.an_event(lambda each: each.log_bytes):.0f} in the log"
    yield f"an event asks the FHIR server {requests:.2f} times, reads {read:.1f} KB and writes {written:.1f} KB"
    yield f"an event takes {whole.an_event(lambda each: each.redis.commands):.2f} commands of Redis"
    yield f"others on the same cores, ms an event: {', '.join(f'{name} {used:.1f}' for name, used in whole.neighbours_ms.items())}"


def _requests(reading: Reading) -> float:
    return reading.fhir.requests


def _read_kb(reading: Reading) -> float:
    return reading.fhir.sent / 1e3


def _written_kb(reading: Reading) -> float:
    return reading.fhir.received / 1e3


def cores_heading() -> str:
    """Of the lines of a growing number of processes."""
    return _line(("processes", "events/s", "ratio", "CPU ms", "others ms", "RSS MB")) + "  limit"


def cores_line(all_: Sequence[Together], one: Together) -> str:
    """One number of processes; `all_` begins with the one it is compared with."""
    stretch = one.stretch
    others = sum(stretch.neighbours_ms.values())
    figures = (stretch.events_a_second, ratio(all_, one), stretch.cpu_ms, others, stretch.last.memory_mb)
    cells = (f"{figure:.{digits}f}" for figure, digits in zip(figures, (1, 2, 1, 1, 0), strict=True))
    return f"{_line((str(one.processes), *cells))}  {one.limit}"


def _line(cells: Sequence[str]) -> str:
    return "".join(f"{cell:>{WIDTH}}" for cell in cells)
