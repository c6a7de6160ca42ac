"""What does an event cost, and what would it cost by hand on another framework?

One run, all side by side on the same real parts (Apache Kafka, Triton with a model that computes nothing, a FHIR stub, Redis): Tocsin
with its defaults, and without telemetry; a FastStream service, once given Tocsin's decoder and gate and once as its documentation has it;
a Celery task for each event; and the floor, every pixel decoded by libjpeg-turbo and made a tensor on one thread. Peers are in
tests/benchmarks/peers.

Everybody takes the same events, each from topics of its own, one after the other, in passes whose order rotates. Whoever loses an event
or writes another report than the others ends the run with exit code 1 and without figures, and so does Tocsin where it flags one twice. The
peers promise no such thing: where their partitions move, they tell events again, which the tables count.

The last line: ratios of Tocsin to the peer, each the median of the passes' ratios, on the first kind of pictures. faststream_* and
p50_faststream are against the peer that is given our decoder and gate, faststream_docs against the other, saturated. telemetry_share is
the share of Tocsin's CPU that its telemetry takes at the defaults, rss_mb its resident memory. A figure is "-" where it was not measured,
at a rate that one of the two did not keep up with, and for faststream_20 at another --rate than 20.

Each contender's CPU is that of its own processes. Celery's Redis counts as a neighbour (--json tells it), and saturated its feeder has
moved most records to Redis before measuring begins: its CPU is told too low.

Run it alone on the machine: ratios bear neighbours, latencies do not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kafka.errors import KafkaError
from tocsin.errors import Stop
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import Progress, terminal

from tests.benchmarks.account import EventsLost, agree
from tests.benchmarks.alone import alone
from tests.benchmarks.contenders import UNSEEN, Contender, contenders
from tests.benchmarks.photographs import DERMOSCOPY, LARGE_PHOTOGRAPH, PHOTOGRAPH, Kind
from tests.benchmarks.plot import as_svg
from tests.benchmarks.processes import this_machine
from tests.benchmarks.results import PACED, SATURATED, Part, Results
from tests.benchmarks.scenario import Load, Measured, run
from tests.benchmarks.stage import Stage, set_up
from tests.benchmarks.table import as_text
from tests.support.command_line import parser, positive_number, whole_number, writable_file

EVENTS: Final = {PHOTOGRAPH: 500, LARGE_PHOTOGRAPH: 150, DERMOSCOPY: 800}
"""Events of a saturated run: of the first kind 3 to 6 seconds (500 at 85 to 144 a second), so one pass is rough and the median counts."""
SMOKE_EVENTS: Final = 16
"""Of a smoke run, and of its warm-up."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    kinds: Sequence[Kind]
    passes: int
    rate: float
    loads: Mapping[Kind, Sequence[Load]]


def main() -> int:
    """The exit code."""
    options = _options().parse_args()
    quiet_libraries()
    plan = _smoke() if options.smoke else _plan(options)
    try:
        results = Results(this_machine(), plan.rate, [_part(kind, plan, terminal()) for kind in plan.kinds])
    except (EventsLost, Stop, KafkaError) as reason:
        print(reason, file=sys.stderr)
        return 1
    tell(results, options)
    return 0


def tell(results: Results, options: argparse.Namespace) -> None:
    """Print, and then draw: a disk that is full takes the drawing and no figure."""
    print(json.dumps(results.as_json(), indent=2) if options.json else as_text(results), flush=True)
    if options.plot:
        options.plot.write_bytes(as_svg(results))


def _options() -> argparse.ArgumentParser:
    options = parser("tests.benchmarks", __doc__)
    options.add_argument("--quick", action="store_true", help="photographs of 200 KB alone: 25 minutes or less on two cores")
    options.add_argument("--smoke", action="store_true", help="a few events of each: whether all end them rightly; figures mean nothing")
    options.add_argument("--passes", type=whole_number, default=3, help="how often everything is done (3)")
    options.add_argument("--events", type=whole_number, help="events of a saturated run; fewer give rougher figures")
    options.add_argument("--rate", type=positive_number, default=20.0, help="events a second of a paced run (20)")
    options.add_argument("--seconds", type=positive_number, default=15.0, help="length of a paced run (15)")
    options.add_argument("--json", action="store_true", help="print one JSON object with every run in it, not the tables")
    options.add_argument("--plot", type=writable_file, metavar="FILE", help="draw the first kind of pictures as an SVG file")
    return options


def _plan(options: argparse.Namespace) -> Plan:
    kinds = (PHOTOGRAPH,) if options.quick else (PHOTOGRAPH, LARGE_PHOTOGRAPH, DERMOSCOPY)
    paced = Load(PACED, max(1, round(options.rate * options.seconds)), options.rate)
    loads = {kind: (Load(SATURATED, options.events or EVENTS[kind], None), paced) for kind in kinds}
    return Plan(kinds, options.passes, options.rate, loads)


def _smoke() -> Plan:
    """Small pictures, which are drawn and decoded soonest."""
    return Plan((DERMOSCOPY,), 1, 0.0, {DERMOSCOPY: (Load(SATURATED, SMOKE_EVENTS, None, SMOKE_EVENTS),)})


def _part(kind: Kind, plan: Plan, progress: Progress) -> Part:
    with set_up(progress, kind) as stage, contenders(stage) as all_:
        with progress.step("one picture alone"):
            rounds = alone(stage.photographs, stage.environment("full"))
        runs = [each for number in range(plan.passes) for each in _pass(stage, all_, plan.loads[kind], number, progress)]
        return Part(kind, rounds, runs)


def _pass(stage: Stage, all_: Sequence[Contender], loads: Sequence[Load], number: int, progress: Progress) -> Iterator[Measured]:
    """Everybody once under each load; whoever began the pass before ends this one."""
    turn = number % len(all_)
    for load in loads:
        written: dict[str, Mapping[str, Any]] = {}
        for contender in (*all_[turn:], *all_[:turn]):
            if load.rate is not None and contender.name == UNSEEN:
                continue
            with progress.step(f"pass {number + 1}, {load.name}: {contender.name}"):
                yield run(stage, contender, f"{load.name}-{number}", load)
            written[contender.name] = stage.bundles()
        agree(written)


if __name__ == "__main__":
    sys.exit(main())
