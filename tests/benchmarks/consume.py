"""What does one event cost `tocsin consume`?

Runs the very command that production runs, with its default settings, against real Apache Kafka, real Triton with a model that computes
nothing, and a FHIR server in name only, so that what is measured is Tocsin's own part. Prints CPU (user and system, all threads) per event:
saturated, with all events on the bus before it starts; and paced. Each is done twice: decoding every pixel, as the reference card asks for,
and with JPEGs decoded at reduced size, which a card may allow.

The floor is the picture alone, decoded and made the model's tensor on one thread in the same run: what lies beyond it is the journey.
Figures change with what else the machine does: take several runs and the least of them. If an event is lost or told twice, the exit code
is 1 and there are no figures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

from tocsin.errors import Stop
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import Progress, terminal

from tests.benchmarks.account import EventsLost
from tests.benchmarks.cards import DECODINGS, Decoding
from tests.benchmarks.contenders import tocsin
from tests.benchmarks.floor import floor_ms
from tests.benchmarks.processes import this_machine
from tests.benchmarks.scenario import Load, Measured, run
from tests.benchmarks.stage import Stage, set_up
from tests.benchmarks.tell import Results, as_json, as_table
from tests.support.command_line import parser, positive_number, whole_number


def main() -> int:
    """The exit code."""
    options = _options().parse_args()
    quiet_libraries()
    try:
        results = _results(_loads(options), options.runs, terminal())
    except (EventsLost, Stop) as reason:
        print(reason, file=sys.stderr)
        return 1
    print(json.dumps(as_json(results), indent=2) if options.json else as_table(results))
    return 0


def _loads(options: argparse.Namespace) -> list[Load]:
    paced = Load(f"{options.rate:g} a second", max(1, round(options.rate * options.seconds)), options.rate)
    return [Load("saturated", options.events, None), paced]


def _options() -> argparse.ArgumentParser:
    options = parser("tests.benchmarks.consume", __doc__)
    options.add_argument("--events", type=whole_number, default=1000, help="events of a saturated run (1000); fewer give rougher figures")
    options.add_argument("--rate", type=positive_number, default=20.0, help="events a second of a paced run (20)")
    options.add_argument("--seconds", type=positive_number, default=20.0, help="length of a paced run (20)")
    options.add_argument("--runs", type=whole_number, default=1, help="how often everything is done; the table gives medians (1)")
    options.add_argument("--json", action="store_true", help="print one JSON object with every run in it, not the table")
    return options


def _results(loads: list[Load], runs: int, progress: Progress) -> Results:
    floors: dict[str, list[float]] = {decoding: [] for decoding in DECODINGS}
    measured: list[Measured] = []
    with set_up(progress) as stage:
        for number in range(runs):
            for decoding in DECODINGS:
                with progress.step(f"{decoding} decoding: the picture alone"):
                    floors[decoding] += floor_ms(stage.cards[decoding], stage.photographs)
                measured.extend(_measured(stage, decoding, loads, number, progress))
    return Results(this_machine(), floors, measured)


def _measured(stage: Stage, decoding: Decoding, loads: list[Load], number: int, progress: Progress) -> Iterator[Measured]:
    for place, load in enumerate(loads):
        with progress.step(f"{decoding} decoding: {load.events} events, {load.name}"):
            yield run(stage, tocsin(stage, decoding, name=decoding), f"{decoding}-{number}-{place}", load)


if __name__ == "__main__":
    sys.exit(main())
