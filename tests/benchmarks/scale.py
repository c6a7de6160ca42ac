"""Does an event cost the same after a hundred thousand others, and what do more processes bring?

Growth (--events): one `tocsin consume` works through so many events while as many as --under-way are on their way at any time, each being
sent as another ends. A line for each of --slices equal parts, then one for each number given, then by how much each figure grows with
the events. A figure that drifts is a leak: of memory, of threads, of open files, of keys in Redis, of time.

Cores (--processes): `tocsin consume --processes N` over the imaging topic's partitions, with more events waiting than it takes. Events a
second and their ratio to the first number; and what was scarce: the cores, a part with one thread, or nothing. Parts are on the same
cores, as they are not in a hospital, and their CPU is told.

Both are done unless one is asked for. Parts are those of `python -m tests.benchmarks`: real Kafka, Redis and Triton with a model that
computes nothing, and a FHIR stub. Pictures are photographs of 200 KB, every pixel of them decoded; --tiny takes 256 x 256 pixels, so
that very many events fit into a night.

Every event is accounted for, in bounded memory: read once, written once, flagged once, and rightly. If one is not, the exit code is 1. No
time is asserted. Lines come as they are found; Ctrl-C ends a run with what there is, and exit code 130.

On two cores that nothing else uses, about (at 45 and 85 events a second, a minute for the start included):

  events       photographs   --tiny     disk
  10,000       5 min         3 min      0.1 GB
  100,000      40 min        20 min     0.2 GB
  1,000,000    6 h           3 h 20     1.6 GB

Latencies and CPU need a machine that does nothing else; counts, bytes and memory do not. Examples:

  python -m tests.benchmarks.scale --events 1000,10000,100000 --plot growth.svg
  python -m tests.benchmarks.scale --tiny --events 1000,10000,100000,1000000 --slices 20
  python -m tests.benchmarks.scale --events 10000 --under-way 10000      # all of them wait on the bus from the start
  python -m tests.benchmarks.scale --processes 1,2,4,8,12
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kafka.errors import KafkaError
from tocsin.errors import Stop
from tocsin.kafka.topics import read_topics
from tocsin.packaged import TOPICS, packaged
from tocsin.settings import KafkaSettings
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import Progress, terminal

from tests.benchmarks.account import EventsLost
from tests.benchmarks.photographs import PHOTOGRAPH, TINY, Kind
from tests.benchmarks.processes import this_machine
from tests.benchmarks.scaling.cores import Together
from tests.benchmarks.scaling.growth import Stretch, joined, slopes
from tests.benchmarks.scaling.plot import as_svg
from tests.benchmarks.scaling.run import WARM_UP, Run, stretches
from tests.benchmarks.scaling.table import cores_heading, cores_line, growth_end, growth_heading, growth_line
from tests.benchmarks.stage import Stage, set_up
from tests.support.command_line import parser, whole_number, writable_file

INTERRUPTED: Final = 130
"""As a shell has it for a program that SIGINT ended."""
SATURATED: Final = 96
"""Events under way for each of several processes: beyond what one hands to its workers."""
SMOKE_EVENTS: Final = 48


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    kind: Kind
    events: Sequence[int]
    processes: Sequence[int]
    slices: int
    under_way: int
    each: int
    """Events for each of several processes."""
    warm_up: int
    quiet: bool
    """Whether lines are kept to the end."""


@dataclass(slots=True)
class Found:
    """What there is so far."""

    plan: Plan
    slices: list[Stretch] = field(default_factory=list)
    tenfolds: list[Stretch] = field(default_factory=list)
    together: list[Together] = field(default_factory=list)
    interrupted: bool = False

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        drifts = {name: found and {"growth": found.growth, "error": found.error} for name, found in slopes(self.slices).items()}
        return {
            "machine": this_machine().as_json(),
            "pictures": str(self.plan.kind),
            "under_way": self.plan.under_way,
            "interrupted": self.interrupted,
            "slices": [each.as_json() for each in self.slices],
            "tenfolds": [each.as_json() for each in self.tenfolds],
            "growth_of_ten_thousand": drifts,
            "processes": [each.as_json() for each in self.together],
        }


def main() -> int:
    """The exit code."""
    options = _options().parse_args()
    quiet_libraries()
    found, code = Found(_plan(options)), 0
    try:
        _measure(found, terminal())
    except KeyboardInterrupt:
        found.interrupted, code = True, INTERRUPTED
        print("interrupted: this is what there was", file=sys.stderr)
    except (EventsLost, Stop, KafkaError) as reason:
        print(reason, file=sys.stderr)
        return 1
    tell(found, options)
    return code


def _measure(found: Found, progress: Progress) -> None:
    plan = found.plan
    with set_up(progress, plan.kind) as stage:
        if plan.events:
            _grow(stage, found, progress)
        for processes in plan.processes:
            _share(stage, found, processes, progress)


def _grow(stage: Stage, found: Found, progress: Progress) -> None:
    """One process, and ever more events."""
    plan, most = found.plan, found.plan.events[-1]
    ends = {most * (number + 1) // plan.slices for number in range(plan.slices)} - {0}
    run = Run("scale-events", 1, sorted(ends | set(plan.events)), plan.under_way, plan.warm_up)
    _say(plan, f"`tocsin consume` on {plan.kind}, {plan.under_way} events under way at any time; {most:,} events", "", growth_heading())
    a_slice: list[Stretch] = []
    a_tenfold: list[Stretch] = []
    for boundary, stretch in zip(run.boundaries, stretches(stage, run, progress), strict=True):
        a_slice.append(stretch)
        a_tenfold.append(stretch)
        if boundary in ends:
            found.slices.append(joined(a_slice))
            _say(plan, growth_line(found.slices[-1]))
            a_slice.clear()
        if boundary in plan.events:
            found.tenfolds.append(joined(a_tenfold))
            a_tenfold.clear()


def _share(stage: Stage, found: Found, processes: int, progress: Progress) -> None:
    """So many processes, which share the partitions."""
    plan = found.plan
    run = Run(f"scale-processes-{processes}-{len(found.together)}", processes, [plan.each * processes], SATURATED, plan.warm_up)
    (stretch,) = stretches(stage, run, progress)
    one = Together(processes, this_machine().cores, _partitions(), stretch)
    if not found.together:
        _say(plan, "", f"`tocsin consume --processes N` on {plan.kind}, {_partitions()} partitions", "", cores_heading())
    found.together.append(one)
    _say(plan, cores_line(found.together, one))


def _partitions() -> int:
    (topic,) = (each for each in read_topics(packaged(TOPICS)) if each.topic == KafkaSettings().topic_imaging)
    return topic.partitions


def tell(found: Found, options: argparse.Namespace) -> None:
    """Print, and then draw: a disk that is full takes the drawing and no figure."""
    end = [*growth_end(found.slices, found.tenfolds), "", str(this_machine())]
    print(json.dumps(found.as_json(), indent=2) if options.json else "\n".join(end), flush=True)
    if options.plot:
        title = f"How what an event costs grows: {found.plan.kind}"
        options.plot.write_bytes(as_svg(title, str(this_machine()), found.slices, found.together))


def _say(plan: Plan, *lines: str) -> None:
    if not plan.quiet:
        print("\n".join(lines), flush=True)


def _options() -> argparse.ArgumentParser:
    options = parser("tests.benchmarks.scale", __doc__)
    cores = this_machine().cores
    options.add_argument("--events", type=_numbers, metavar="N,N", help="numbers of events, in one run up to the largest (1000,10000)")
    options.add_argument("--processes", type=_numbers, metavar="N,N", help=f"numbers of processes, one run each ({_told(_doubled(cores))})")
    options.add_argument("--tiny", action="store_true", help="pictures of 256 x 256 pixels")
    options.add_argument("--slices", type=whole_number, default=10, help="equal parts of the run up to the largest number of events (10)")
    options.add_argument("--under-way", type=whole_number, default=16, help="events on their way at any time: two for each worker (16)")
    options.add_argument("--each", type=whole_number, default=1000, help="events for each process of --processes (1000)")
    options.add_argument("--smoke", action="store_true", help="a few events: whether all end once and rightly; figures mean nothing")
    options.add_argument("--json", action="store_true", help="print one JSON object at the end, not the tables")
    options.add_argument("--plot", type=writable_file, metavar="FILE", help="draw curves and bars as an SVG file")
    return options


def _plan(options: argparse.Namespace) -> Plan:
    if options.smoke:
        return Plan(TINY, (SMOKE_EVENTS // 2, SMOKE_EVENTS), (2,), 4, 16, SMOKE_EVENTS, SMOKE_EVENTS // 3, options.json)
    neither = options.events is None and options.processes is None
    events = (1000, 10_000) if neither else options.events or ()
    processes = _doubled(this_machine().cores) if neither else options.processes or ()
    kind = TINY if options.tiny else PHOTOGRAPH
    return Plan(kind, events, processes, options.slices, options.under_way, options.each, WARM_UP, options.json)


def _numbers(text: str) -> tuple[int, ...]:
    """Whole numbers in rising order, from a list with commas."""
    return tuple(sorted({whole_number(each.replace("_", "")) for each in text.split(",")}))


def _doubled(most: int) -> tuple[int, ...]:
    """1, 2, 4, ... up to `most`, and that itself."""
    return tuple(sorted({1 << power for power in range(most.bit_length())} | {most}))


def _told(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


if __name__ == "__main__":
    sys.exit(main())
