"""A process that is stuck ends, says what hangs, and never does so for nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import orjson
import pytest
from tocsin.consume.liveness.deadlines import Deadlines
from tocsin.consume.liveness.progress import Progress
from tocsin.consume.liveness.watchdog import Stuck, stuck, watching
from tocsin.kafka.types import Position, TopicPartition

from tests.support.waiting import eventually

DEADLINES = Deadlines(turn_max_s=100, wedged_after_s=200, commit_overdue_s=50)
PLACE = ("imaging.events.v1", 2, 41)
AT = Position(TopicPartition(*PLACE[:2]), PLACE[2])
WITHIN_S = 30


class Clock:
    """Seconds, moved by hand, or from a script that counts as it is asked."""

    def __init__(self, script: Iterable[float] = ()) -> None:
        self.now = 0.0
        self.asked = 0
        self._script = iter(script)

    def __call__(self) -> float:
        self.asked += 1
        self.now = next(self._script, self.now)
        return self.now


@pytest.mark.parametrize(
    ("turned_ago_s", "running_s", "what"),
    [(100, 200, ""), (101, 0, "the loop has not moved"), (0, 201, "a journey has had no answer"), (0, 0, "")],
    ids=["at-both-deadlines", "loop", "journey", "healthy"],
)
def test_a_loop_and_a_journey_may_each_take_their_limit_and_no_longer(turned_ago_s: float, running_s: float, what: str) -> None:
    clock = Clock()
    progress = Progress(clock)
    clock.now = 300 - running_s
    progress.began(AT)
    clock.now = 300 - turned_ago_s
    progress.turned(undecided=1, paused_for=frozenset(), held_by=None)
    clock.now = 300
    found = stuck(progress.snapshot(), DEADLINES, 0.0)
    assert ("" if found is None else found.what) == what


def test_a_journey_that_is_stuck_is_named_by_its_place_and_time() -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.began(AT)
    clock.now = 260
    progress.turned(undecided=1, paused_for=frozenset(), held_by=None)
    found = stuck(progress.snapshot(), DEADLINES, 0.0)
    assert found == Stuck("a journey has had no answer", 260, 200, AT)
    assert str(found) == "a journey has had no answer for 260 s, longer than 200 s"


@pytest.mark.parametrize(
    ("committed_ago_s", "bus_answers_for_s", "what"),
    [(51, 900, "no commit was taken although the bus answers"), (50, 900, ""), (900, 0, ""), (900, 50, "")],
    ids=["overdue", "at-its-deadline", "the-bus-is-away", "the-bus-has-only-just-come-back"],
)
def test_commits_that_nobody_takes_are_stuck_once_the_bus_has_answered_for_as_long(
    committed_ago_s: float, bus_answers_for_s: float, what: str
) -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.committed()
    clock.now = committed_ago_s
    progress.turned(undecided=1, paused_for=frozenset(), held_by=None)
    found = stuck(progress.snapshot(), DEADLINES, bus_answers_for_s)
    assert ("" if found is None else found.what) == what


@contextmanager
def watched(clock: Clock, bus_answers_for_s: float = 0.0) -> Iterator[list[Stuck]]:
    ends = list[Stuck]()
    with watching(Progress(clock), DEADLINES, lambda: bus_answers_for_s, end=ends.append, every_s=0.005):
        yield ends


def test_commits_that_stay_stuck_end_the_process() -> None:
    with watched(Clock([0, 60]), bus_answers_for_s=60) as ends:
        eventually(lambda: bool(ends), what="the end")
    assert [each.what for each in ends] == ["no commit was taken although the bus answers"]


def test_what_stays_stuck_ends_the_process_once() -> None:
    with watched(Clock([0, 101])) as ends:
        eventually(lambda: bool(ends), what="the end")
    assert [each.what for each in ends] == ["the loop has not moved"]


def test_a_process_that_was_stopped_as_a_whole_gets_a_moment_to_go_on() -> None:
    clock = Clock([0, *[101, 101, 0] * 5])
    with watched(clock) as ends:
        eventually(lambda: clock.asked > 15, what="looks")
    assert ends == []


SCRIPT = """
import os, re, threading, time
from tocsin.consume.liveness.deadlines import Deadlines
from tocsin.kafka.types import Position, TopicPartition
from tocsin.consume.liveness.progress import Progress
from tocsin.consume.liveness.watchdog import end_process, watching
from tocsin.settings import LogSettings
from tocsin.telemetry.log import set_up_logs

def wedge(how):
    progress.began(Position(TopicPartition("imaging.events.v1", 2), 41))
    how()
    progress.ended()

def turn(for_s=float("inf")):
    over = time.monotonic() + for_s
    while time.monotonic() < over:
        progress.turned(undecided=1, paused_for=frozenset(), held_by=None)
        time.sleep(0.01)

def talk_for_ever():
    while True:
        os.write(2, b"x" * 64)

set_up_logs(LogSettings())
progress = Progress(time.monotonic)
deadlines = Deadlines(turn_max_s=TURN_MAX_S, wedged_after_s=0.3, commit_overdue_s=1)
with watching(progress, deadlines, lambda: 0.0, end=lambda found: end_process(found, speak_within_s=0.5), every_s=0.02):
    threading.Thread(target=wedge, args=(HOW,), daemon=True, name="journey-0").start()
    LOOP
"""


@contextmanager
def running(how: str, loop: str = "turn()", turn_max_s: float = 60.0) -> Iterator[subprocess.Popen[bytes]]:
    script = SCRIPT.replace("HOW", how).replace("LOOP", loop).replace("TURN_MAX_S", str(turn_max_s))
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_wedged_journey_ends_the_process_with_its_place_on_the_bus_and_in_the_code() -> None:
    with running("threading.Event().wait") as process:
        _, said = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 70
    line = orjson.loads(said.splitlines()[0])
    assert (line["level"], line["event"], line["topic"], line["partition"], line["offset"]) == ("error", "stuck", *PLACE)
    assert "a journey has had no answer for 0 s, longer than 0.3 s" in line["detail"]
    assert b"in wedge" in said


def test_a_process_that_gets_on_outlives_every_limit() -> None:
    with running("lambda: None", loop="turn(for_s=2)", turn_max_s=1.0) as process:
        _, said = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, said) == (0, b"")


def test_a_log_that_nobody_reads_does_not_keep_a_stuck_process_alive() -> None:
    with running("threading.Event().wait", loop="talk_for_ever()") as process:
        assert process.wait(timeout=WITHIN_S) == 70


def test_a_thread_that_never_lets_go_of_the_interpreter_ends_the_process() -> None:
    with running("lambda: re.match(r'(a+)+$', 'a' * 64 + 'b')", turn_max_s=1.0) as process:
        _, said = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 1
    assert b"Timeout" in said
    assert b"in wedge" in said
