"""The whole stack comes up beside itself and is gone afterwards, however its process ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tocsin.sandbox.artifacts import cache_folder

from tests.support.stack import NOOP_MODEL, cached_jars, running

SCRIPT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it starts in the background
from pathlib import Path
from tocsin.terminal import Lines
from tocsin.sandbox.stack import running_stack
print("begins", flush=True)
with running_stack(cache=Path(sys.argv[1]), models=lambda *_: Path(sys.argv[2]), progress=Lines(sys.stdout)) as stack:
    print("ready", flush=True)
    time.sleep(300)
"""


DROPPED = f"""
import gc, os, signal, threading
def collecting(phase, info):
    if threading.current_thread() is threading.main_thread() and threading.active_count() > 1:
        gc.callbacks.clear()
        gc.set_threshold(700)
        os.kill(os.getpid(), signal.SIGINT)
gc.callbacks.append(collecting)
gc.set_threshold(1)
{SCRIPT}"""
"""Is told to end while it collects garbage, where Python drops whatever a handler of signals raises."""


class Showing:
    """A process that runs the stack, with all its files below `temporary`."""

    def __init__(self, cache: Path, temporary: Path, script: str = SCRIPT) -> None:
        temporary.mkdir()
        self.temporary = temporary
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, str(cache), str(NOOP_MODEL)],
            env={**os.environ, "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def await_line(self, beginning: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(beginning):
                return
        raise AssertionError(f"the process ended without saying {beginning!r}")

    def parts(self) -> list[int]:
        """The processes that name the temporary folder, other than ours."""
        return [int(entry.parent.name) for entry in Path("/proc").glob("[0-9]*/cmdline") if str(self.temporary) in _command(entry)]

    def end(self, number: signal.Signals, *, again: bool = False) -> int:
        self.process.send_signal(number)
        while again and self.process.poll() is None:
            time.sleep(0.05)
            self.process.send_signal(number)
        return self.process.wait(timeout=60)


def _command(entry: Path) -> str:
    try:
        return entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _gone(showing: Showing, within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while showing.parts():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Callable[..., Showing]]:
    """Runs the stack in a process of its own; takes the cache folder, and the script where it is another."""
    showings: list[Showing] = []

    def begin(cache: Path, script: str = SCRIPT) -> Showing:
        showings.append(Showing(cache, tmp_path / f"temporary-{len(showings)}", script))
        return showings[-1]

    yield begin
    for showing in showings:
        showing.process.kill()
        showing.process.wait()


@pytest.fixture(scope="module")
def cache() -> Path:
    """A cache that holds every jar."""

    class Nothing:
        def stop(self) -> None:
            """There is nothing to end."""

    def fetch() -> Nothing:
        cached_jars("kafka")
        cached_jars("fhir")
        return Nothing()

    with running(fetch):
        return cache_folder(os.environ)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment_s", [0.0, 0.4, 1.2, 4.0])
def test_nothing_is_left_when_it_is_told_to_end_while_it_starts(
    show: Callable[[Path], Showing], cache: Path, number: signal.Signals, moment_s: float
) -> None:
    showing = show(cache)
    showing.await_line("begins")
    time.sleep(moment_s)
    code = showing.end(number)
    assert code in ((-signal.SIGINT, 130) if number == signal.SIGINT else (-signal.SIGTERM, 143))
    assert _gone(showing)
    assert not list(showing.temporary.iterdir())


def test_it_ends_also_where_python_drops_what_the_signal_raised(show: Callable[..., Showing], cache: Path) -> None:
    showing = show(cache, DROPPED)
    showing.await_line("begins")
    assert showing.process.wait(timeout=120) in (-signal.SIGINT, 130)
    assert _gone(showing)
    assert not list(showing.temporary.iterdir())


def test_nothing_is_left_when_it_is_told_to_end_while_it_fetches(show: Callable[[Path], Showing], tmp_path: Path) -> None:
    showing = show(tmp_path / "cache")
    showing.await_line("begins")
    time.sleep(1.5)
    showing.end(signal.SIGINT)
    assert _gone(showing)
    assert not list(showing.temporary.iterdir())
    assert not list((tmp_path / "cache").rglob("incoming-*"))


def test_impatience_changes_nothing(show: Callable[[Path], Showing], cache: Path) -> None:
    showing = show(cache)
    showing.await_line("ready")
    assert len(showing.parts()) >= 3
    showing.end(signal.SIGINT, again=True)
    assert _gone(showing)
    assert not list(showing.temporary.iterdir())


@pytest.mark.parametrize("line", ["begins", "starting Apache Kafka", "ready"])
def test_no_process_survives_when_it_is_killed_outright(show: Callable[[Path], Showing], cache: Path, line: str) -> None:
    showing = show(cache)
    showing.await_line(line)
    showing.end(signal.SIGKILL)
    assert _gone(showing)
