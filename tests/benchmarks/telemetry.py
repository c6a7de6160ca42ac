"""What does it cost `tocsin consume` to be seen?

Runs the same saturated load as tests.benchmarks.consume (every pixel decoded) in turns: without OpenTelemetry's SDK (OTEL_SDK_DISABLED,
as OpenTelemetry defines it), with the defaults (metrics served, nothing exported), with spans held and a share of them exported, and with
every span exported to a collector that drops them. Prints CPU per event and its ratio to the first; take the medians of several runs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from statistics import median
from typing import Final

from tocsin.errors import Stop
from tocsin.telemetry.log import quiet_libraries
from tocsin.terminal import Progress, terminal

from tests.benchmarks.account import EventsLost
from tests.benchmarks.contenders import NO_TELEMETRY, tocsin
from tests.benchmarks.processes import this_machine
from tests.benchmarks.scenario import Load, run
from tests.benchmarks.stage import set_up
from tests.support.command_line import parser, whole_number
from tests.support.web import serving

BARE: Final = "no telemetry"


def main() -> int:
    """The exit code."""
    asked = parser("tests.benchmarks.telemetry", __doc__)
    asked.add_argument("--events", type=whole_number, default=600, help="events of one run (600)")
    asked.add_argument("--runs", type=whole_number, default=3, help="how often each is run, in turns (3)")
    asked.add_argument("--json", action="store_true", help="print one JSON object, not the table")
    options = asked.parse_args()
    quiet_libraries()
    try:
        used = _used(options.events, options.runs, terminal())
    except (EventsLost, Stop) as reason:
        print(reason, file=sys.stderr)
        return 1
    print(json.dumps({"machine": this_machine().as_json(), "cpu_ms": used}, indent=2) if options.json else _table(used))
    return 0


def _used(events: int, runs: int, progress: Progress) -> dict[str, list[float]]:
    """Variant -> CPU of each of its runs, ms per event."""
    used: dict[str, list[float]] = {}
    with set_up(progress) as stage, _collector() as endpoint:
        for number in range(runs):
            for place, (name, more) in enumerate(_variants(endpoint).items()):
                with progress.step(f"{name}: {events} events"):
                    measured = run(stage, tocsin(stage, more=more), f"seen-{number}-{place}", Load("saturated", events, None))
                used.setdefault(name, []).append(measured.cpu_ms)
    return used


def _variants(endpoint: str) -> dict[str, Mapping[str, str]]:
    sent = {"TOCSIN_OTLP__ENDPOINT": endpoint}
    return {
        BARE: NO_TELEMETRY,
        "defaults": {},
        "5 % of traces": sent,
        "every trace": sent | {"TOCSIN_TRACES__RATIO": "1"},
    }


@contextmanager
def _collector() -> Iterator[str]:
    """The address of a collector that takes everything and keeps nothing."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Says nothing."""

    with serving(Handler) as origin:
        yield origin


def _table(used: Mapping[str, list[float]]) -> str:
    bare = median(used[BARE])
    rows = [f"{name:>16} {median(each):7.2f} {min(each):7.2f}..{max(each):.2f} {median(each) / bare:6.3f}" for name, each in used.items()]
    return "\n".join([f"{'':>16}  CPU ms     min..max  ratio", *rows, "", str(this_machine())])


if __name__ == "__main__":
    sys.exit(main())
