"""How the benchmark speaks: a table, or one JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final

from tests.benchmarks.photographs import PHOTOGRAPH
from tests.benchmarks.processes import Machine
from tests.benchmarks.scenario import Measured

HEADS: Final = ("decoding", "load", "events", "CPU ms", "min..max", "/floor", "beyond it", "events/s", "p50 ms", "p99 ms")
WIDTHS: Final = (8, 12, 6, 7, 13, 6, 9, 8, 6, 6)


@dataclass(frozen=True, slots=True)
class Results:
    """Everything one call of the benchmark found."""

    machine: Machine
    floor_ms: Mapping[str, Sequence[float]]
    """CPU of decoding and tensor alone, ms per picture, by round."""
    runs: Sequence[Measured]


def as_table(results: Results) -> str:
    """For a person."""
    rows = [HEADS, *(_row(results, *key) for key in dict.fromkeys((run.contender, run.load) for run in results.runs))]
    floors = ", ".join(f"{decoding} decoding {median(rounds):.1f}" for decoding, rounds in results.floor_ms.items())
    return "\n".join(
        [
            f"CPU of `tocsin consume` on {PHOTOGRAPH}, ms per event",
            "",
            *(" ".join(f"{cell:>{width}}" for cell, width in zip(row, WIDTHS, strict=True)) for row in rows),
            "",
            f"floor: the picture alone (decode + image_tensor, one thread), ms: {floors}",
            f"others on the same cores, ms per event, {_neighbours(results)}",
            str(results.machine),
        ]
    )


def as_json(results: Results) -> dict[str, Any]:
    """For a program."""
    return {
        "machine": results.machine.as_json(),
        "floor_cpu_ms": results.floor_ms,
        "runs": [{**asdict(run), "events_a_second": run.events_a_second} for run in results.runs],
    }


def _row(results: Results, decoding: str, load: str) -> tuple[str, ...]:
    runs = [run for run in results.runs if (run.contender, run.load) == (decoding, load)]
    used = [run.cpu_ms for run in runs]
    cpu_ms, floor_ms = median(used), median(results.floor_ms[decoding])
    return (
        decoding,
        load,
        str(sum(run.events for run in runs)),
        f"{cpu_ms:.1f}",
        f"{min(used):.1f}..{max(used):.1f}",
        f"{cpu_ms / floor_ms:.2f}",
        f"{cpu_ms - floor_ms:.1f}",
        f"{median(run.events_a_second for run in runs):.1f}",
        *_latencies(runs),
    )


def _latencies(runs: Sequence[Measured]) -> tuple[str, str]:
    known = [run.latency for run in runs if run.latency is not None]
    if not known:
        return "-", "-"
    return f"{median(each.p50 for each in known):.0f}", f"{median(each.p99 for each in known):.0f}"


def _neighbours(results: Results) -> str:
    run = results.runs[0]
    return f"{run.load}: " + ", ".join(f"{name} {used:.1f}" for name, used in run.neighbours_ms.items())
