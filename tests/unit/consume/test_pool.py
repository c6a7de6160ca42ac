"""Threads begin when they are told to, and nothing is forgotten on its way to them or back."""

from __future__ import annotations

import threading
import time

from tocsin.consume.attempt import Attempt
from tocsin.consume.liveness.progress import Progress
from tocsin.consume.pool import JourneyPool
from tocsin.outcome import Outcome, Published

from tests.builders import record
from tests.support.waiting import eventually


def handle(attempt: Attempt) -> Outcome:
    return Published("DiagnosticReport/r", "high")


def test_no_thread_begins_before_it_is_told_to() -> None:
    before = threading.active_count()
    workers = JourneyPool(4, handle, Progress(time.monotonic))
    assert threading.active_count() == before
    workers.submit(Attempt(record()))
    workers.start()
    eventually(lambda: len(workers.finished(0.1)) == 1, what="an ending")
    workers.stop()
    eventually(lambda: threading.active_count() == before, what="the end of every thread")


def test_what_is_taken_back_is_no_longer_busy_and_threads_end_all_the_same() -> None:
    before = threading.active_count()
    workers = JourneyPool(2, handle, Progress(time.monotonic))
    for offset in range(2):
        workers.submit(Attempt(record(offset=offset)))
    workers.stop()
    workers.submit(Attempt(record(offset=2)))
    assert [each.position.offset for each in workers.cancel_unstarted()] == [0, 1, 2]
    assert workers.busy == 0
    workers.start()
    eventually(lambda: threading.active_count() == before, what="the end of every thread")
