"""How long `tocsin trace` takes on a back end with many traces: `python -m tests.benchmarks.trace`. Builds Jaeger where the cache lacks it.

Each run is a process of its own, timed from its start to its end, as whoever types it waits.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

from tocsin.clock import utc_now
from tocsin.sandbox import jaeger
from tocsin.sandbox.artifacts import cache_folder
from tocsin.terminal import terminal
from tocsin.traces.types import Span, micros

from tests.support.journey_spans import journey
from tests.support.otlp_spans import send_spans

TRACES: Final = 10_000
SENT_AT_ONCE: Final = 200
RUNS: Final = 11
WITHIN_S: Final = 120


def main() -> None:
    """Prints the median and the longest of the runs, in seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=TRACES, help="How many traces the back end keeps.")
    parser.add_argument("--runs", type=int, default=RUNS, help="How often each question is asked.")
    asked = parser.parse_args()
    program = jaeger.binary(cache_folder(os.environ), terminal(), threading.Event())
    with tempfile.TemporaryDirectory() as folder:
        part = jaeger.start(program, Path(folder))
        try:
            _measure(part, asked.traces, asked.runs)
        finally:
            part.stop()


def _measure(part: jaeger.Jaeger, traces: int, runs: int) -> None:
    names = list(_seeded(part, traces))
    chosen = names[len(names) // 2]
    print(f"{traces} traces of 5 spans, {runs} runs of each question, seconds: median, longest")
    for name, code in (*((each, 0) for each in chosen), ("Media/of-nobody", 75)):
        took = [_took(part, name, code) for _ in range(runs)]
        print(f"  {name:<40} {median(took):.2f}  {max(took):.2f}")


def _seeded(part: jaeger.Jaeger, traces: int) -> Iterator[tuple[str, str, str]]:
    """The names of each trace that was sent: its id, its Media, its report."""
    numbers, batch, now = random.Random(7), list[Span](), micros(utc_now())
    for number in range(traces):
        names = (f"{numbers.getrandbits(128):032x}", f"Media/m{number}", f"DiagnosticReport/r{number}")
        batch += journey(names[0], media=names[1], report=names[2], start_us=now - number * 1_000)
        if (number + 1) % SENT_AT_ONCE == 0 or number + 1 == traces:
            send_spans(part.otlp_http_url, batch)
            batch = []
        yield names


def _took(part: jaeger.Jaeger, name: str, code: int) -> float:
    """Seconds of one run. Neither record nor bus is there: whoever is not in the back end is missed at once."""
    nowhere = "127.0.0.1:1"
    more = {
        "TOCSIN_TRACES__QUERY_URL": part.query_url,
        "TOCSIN_FHIR__BASE_URL": f"http://{nowhere}/fhir",
        "TOCSIN_KAFKA__BOOTSTRAP_SERVERS": nowhere,
    }
    argv = (sys.executable, "-m", "tocsin", "trace", name, "--within", "1")
    began = time.monotonic()
    done = subprocess.run(argv, env={**os.environ, **more}, stdout=subprocess.DEVNULL, timeout=WITHIN_S, check=False)
    if done.returncode != code:
        raise SystemExit(f"tocsin trace {name} ended with exit code {done.returncode}")
    return time.monotonic() - began


if __name__ == "__main__":
    main()
