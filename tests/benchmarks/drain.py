"""Does `tocsin consume` keep its memory while it drains a long queue?

All events lie on the bus before it starts. Prints its resident memory after the first 1,000 flags, at the end, at its highest in between,
and the ratio of the last two to the first; 1.2 is what the service promises (deploy/operations.md). The parts are those of
`python -m tests.benchmarks.consume`. The exit code is 1 if an event is lost.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass

from tocsin.errors import Stop
from tocsin.sandbox.commands import running
from tocsin.sandbox.process import Child
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import terminal

from tests.benchmarks.account import EventsLost
from tests.benchmarks.consume import whole_number
from tests.benchmarks.processes import rss_mb, this_machine
from tests.benchmarks.scenario import await_flags
from tests.benchmarks.stage import Stage, set_up

FIRST = 1000
"""Flags after which everything is warm."""


@dataclass(frozen=True, slots=True)
class Drained:
    """Resident memory of the process, MB."""

    events: int
    seconds: float
    first_mb: float
    """After FIRST flags."""
    highest_mb: float
    """From then on."""
    last_mb: float

    @property
    def ratio(self) -> float:
        """The highest to the first."""
        return self.highest_mb / self.first_mb


def main() -> int:
    """The exit code."""
    options = _options().parse_args()
    quiet_libraries()
    try:
        with set_up(terminal()) as stage:
            drained = drain(stage, options.events)
    except (EventsLost, Stop) as reason:
        print(reason, file=sys.stderr)
        return 1
    print(json.dumps({**asdict(drained), "ratio": drained.ratio}) if options.json else _told(drained))
    return 0


def drain(stage: Stage, events: int) -> Drained:
    """All of them, from the start of the process to the last flag. Raises EventsLost."""
    stage.bus.publish([f"drain-{number}" for number in range(events)])
    began = time.monotonic()
    with running(stage.folder / "drain", stage.environment("full"), "consume") as (consume,):
        _, first_mb = _watched(stage, consume, FIRST)
        highest_mb, last_mb = _watched(stage, consume, events)
    return Drained(events, time.monotonic() - began, first_mb, highest_mb, last_mb)


def _watched(stage: Stage, consume: Child, flags: int) -> tuple[float, float]:
    """The highest and the last memory until the broker has so many flags."""
    looks: list[float] = []
    await_flags(stage.bus, [consume], flags, lambda: looks.append(rss_mb(consume.pid)))
    return max(looks), looks[-1]


def _told(drained: Drained) -> str:
    return (
        f"{this_machine()}\n{drained.events} events in {drained.seconds:.0f} s. Resident memory: {drained.first_mb:.0f} MB after {FIRST}, "
        f"at most {drained.highest_mb:.0f} MB afterwards ({drained.ratio:.2f} x), {drained.last_mb:.0f} MB at the end."
    )


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.benchmarks.drain", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=whole_number, default=10_000, help="events on the bus (10000)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
