"""A process that is asked to end ends, whatever it is doing at that moment."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

WAITS = """
from tocsin.stopping import stopped_by_signals
stopped = stopped_by_signals()
print("ready", flush=True)
while not stopped.wait(0):
    pass
"""
"""Nearly always holds the event's lock."""
TRIES = 8
WITHIN_S = 60.0


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_process_that_looks_all_the_time_whether_it_is_to_end_hears_each_time_that_it_is(asked: signal.Signals) -> None:
    for _ in range(TRIES):
        with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            process.send_signal(asked)
            try:
                assert process.wait(WITHIN_S) == 0
            finally:
                process.kill()
