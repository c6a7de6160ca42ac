"""A log line that cannot be written changes nothing: neither how an event ends, nor how the process does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.support.lost_stderr import LOST, start

WITHIN_S: Final = 60
ROOT: Final = Path(__file__).parents[2]

SCRIPT: Final = """
import logging, sys, threading, warnings
from tocsin.telemetry.stderr import never_fails
never_fails()
from tocsin.settings import LogSettings
from tocsin.telemetry.log import logger, set_up_logs
set_up_logs(LogSettings(form=sys.argv[1]))
from tests.fakes.bus import FakeBus
from tests.support.waiting import eventually
from tests.support.consuming import done, lag, letters, publish, running

bus = FakeBus()
for number in range(20):
    publish(bus, number, patient=f"p{number}")
with running(bus, done):
    eventually(lambda: lag(bus) == 0, what="an ending for every event", within_s=30)
logging.getLogger("a.library").warning("it complains of %s", "something")
warnings.warn("a warning", stacklevel=1)
logger().error("\\ud800 is no text", detail=chr(0xd800) + chr(0x1f44b))
print("last words", file=sys.stderr)
sys.exit(3 if letters(bus) == [] else 4)
"""


def environment(**more: str) -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")} | {"PYTHONPATH": str(ROOT)} | more


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("lost", LOST)
def test_an_event_that_ended_is_no_dead_letter_because_its_line_could_not_be_written(lost: str, form: str) -> None:
    with start([sys.executable, "-c", SCRIPT, form], lost, environment()) as process:
        assert process.wait(WITHIN_S) == 3


@pytest.mark.parametrize("encoding", ["ascii:strict", "latin-1:strict", "utf-16"])
def test_an_encoding_that_cannot_say_it_changes_nothing(encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "console"],
        env=environment(PYTHONIOENCODING=encoding),
        capture_output=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 3, done.stderr


@pytest.mark.parametrize("lost", LOST)
def test_a_command_that_cannot_say_why_it_stops_stops_with_its_exit_code(lost: str) -> None:
    command = [str(Path(sys.executable).parent / "tocsin"), "consume"]
    with start(command, lost, environment(TOCSIN_CONSUME__WORKERS="none")) as process:
        assert process.wait(WITHIN_S) == 78


def test_whatever_is_opened_next_does_not_become_the_standard_error() -> None:
    """Else the watchdog's last words would go to a broker."""
    script = "from tocsin.telemetry.stderr import never_fails; never_fails(); f = open('/dev/null'); import sys; sys.exit(f.fileno() + 10)"
    with start([sys.executable, "-c", script], "none-at-all", environment()) as process:
        assert process.wait(WITHIN_S) == 13


UNCAUGHT: Final = """
import threading, warnings
from tocsin.telemetry.stderr import never_fails
never_fails()
from tocsin.settings import LogSettings
from tocsin.telemetry.log import set_up_logs
set_up_logs(LogSettings())

class Thrown:
    def __del__(self):
        raise ValueError(name)

def fail():
    raise KeyError(name)

name = "Jane " + "Canary"
thread = threading.Thread(target=fail)
thread.start()
thread.join()
Thrown()
warnings.warn(name, stacklevel=1)
"""


def test_what_fails_where_nobody_catches_it_is_told_by_kind_and_place_alone() -> None:
    done = subprocess.run([sys.executable, "-c", UNCAUGHT], env=environment(), capture_output=True, timeout=WITHIN_S, check=True)
    said = done.stderr.decode()
    assert "Canary" not in said
    assert all(each in said for each in ("KeyError at ", "ValueError at ", "a library warned: UserWarning"))
    assert len(said.splitlines()) == 3
