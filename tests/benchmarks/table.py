"""The results for a person: a table for each kind of picture, and the last line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from tests.benchmarks.alone import FLOOR, OURS, PILLOW, STAGES, Rounds
from tests.benchmarks.results import PACED, SATURATED, Part, Results, cpu, events_a_second, memory, p50, p99

NAMES: Final = {FLOOR: "libjpeg-turbo alone: the floor", OURS: "Tocsin", PILLOW: "Pillow, as documented"}
NAME_WIDTH, WIDTH = 40, 11


def as_text(results: Results) -> str:
    """Everything, for a terminal."""
    parts = [line for part in results.parts for line in _part(part, results.rate)]
    return "\n".join([*parts, str(results.machine), last_line(results)])


def last_line(results: Results) -> str:
    """The ratios of the first kind of picture."""
    told = (f"{name} {_figure(value, 3)}" for name, value in results.parts[0].ratios(results.rate).items())
    return f"ratios {' '.join(told)}"


def _part(part: Part, rate: float) -> Iterator[str]:
    contenders = list(dict.fromkeys(run.contender for run in part.runs))
    yield f"{part.kind}: medians of {len(part.of(contenders[0], SATURATED))} interleaved passes of {part.runs[0].events} events"
    yield ""
    yield _line("saturated", ("CPU ms", "min..max", "/floor", "events/s", "a core", "RSS MB"))
    yield from (_saturated(part, each) for each in contenders)
    if any(run.load == PACED for run in part.runs):
        yield ""
        yield _line(f"{rate:g} a second", ("CPU ms", "min..max", "/floor", "p50 ms", "p99 ms", "RSS MB"))
        yield from (_paced(part, each, rate) for each in contenders if part.of(each, PACED))
    yield from _repeats(part, contenders)
    yield ""
    yield from _stages(part.alone)
    yield ""


def _repeats(part: Part, contenders: Sequence[str]) -> Iterator[str]:
    repeated = {name: sum(run.repeated for run in part.runs if run.contender == name) for name in contenders}
    if any(repeated.values()):
        yield ""
        yield f"flags told a second time: {', '.join(f'{name} {count}' for name, count in repeated.items() if count)}"


def _saturated(part: Part, contender: str) -> str:
    used = part.median(contender, SATURATED, cpu)
    a_core = None if not used else 1000 / used
    figures = (part.median(contender, SATURATED, events_a_second), a_core, part.median(contender, SATURATED, memory))
    return _line(contender, (*_cpu(part, contender, SATURATED), *(_figure(each, 1) for each in figures)))


def _paced(part: Part, contender: str, rate: float) -> str:
    behind = "" if part.kept_up(contender, rate) else "*"
    waited = [f"{_figure(part.median(contender, PACED, figure), 0)}{behind}" for figure in (p50, p99)]
    note = f"  * took {part.reached(contender):.1f} a second: the wait is a queue's" if behind else ""
    return _line(contender, (*_cpu(part, contender, PACED), *waited, _figure(part.median(contender, PACED, memory), 0))) + note


def _cpu(part: Part, contender: str, load: str) -> tuple[str, str, str]:
    used = [run.cpu_ms for run in part.of(contender, load)]
    return f"{median(used):.1f}", f"{min(used):.1f}..{max(used):.1f}", f"{median(used) / part.floor_ms:.2f}"


def _stages(alone: Rounds) -> Iterator[str]:
    yield _line("one picture, one thread, CPU ms", (*STAGES, "together"))
    for way, stages in alone.items():
        spent = {stage: median(rounds) for stage, rounds in stages.items()}
        yield _line(NAMES[way], (*(_figure(spent.get(stage), 1) for stage in STAGES), f"{sum(spent.values()):.1f}"))


def _line(name: str, cells: Sequence[str]) -> str:
    return f"{name:<{NAME_WIDTH}}" + "".join(f"{cell:>{WIDTH}}" for cell in cells)


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
