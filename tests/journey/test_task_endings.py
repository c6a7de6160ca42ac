"""A worker measures a task also where the task itself can no longer tell how it ended."""

from __future__ import annotations

import os
import signal

from tocsin.sandbox.kafka import Kafka
from tocsin.telemetry.metrics import TASK_DURATION

from tests.support.scraped import Scrapes
from tests.support.stack import frozen
from tests.support.waiting import eventually
from tests.support.work_desk import UNHURRIED, Desk, children

WITHIN_S = 60.0


def await_outcome(scrapes: Scrapes, outcome: str) -> None:
    eventually(lambda: scrapes.value(TASK_DURATION, task="redrive", outcome=outcome) == 1, within_s=WITHIN_S, what=f"one task {outcome}")


def test_a_task_that_is_stopped_at_its_limit_and_one_that_does_not_even_hear_that_are_measured(desk: Desk, kafka: Kafka) -> None:
    worker = desk.start("work", TOCSIN_WORK__TASK_TIMEOUT_S="3", TOCSIN_WORK__TASK_KILL_AFTER_S="5")
    scrapes = Scrapes(desk, "work", "working")
    with frozen(kafka.child):
        desk.ask_and_wait("redrive")
        await_outcome(scrapes, "timed-out")
        desk.ask_and_wait("redrive")
        (deaf,) = children(worker)
        os.kill(deaf, signal.SIGSTOP)
        await_outcome(scrapes, "killed")
    assert scrapes.value(TASK_DURATION) == 2
    assert [line for line in desk.log("work").splitlines() if not line.startswith("{")] == []


def test_a_task_whose_process_is_killed_is_measured_and_so_is_its_next_run(desk: Desk, kafka: Kafka) -> None:
    worker = desk.start("work", **UNHURRIED)
    scrapes = Scrapes(desk, "work", "working")
    with frozen(kafka.child):
        desk.ask_and_wait("redrive")
        (pid,) = children(worker)
        os.kill(pid, signal.SIGKILL)
        await_outcome(scrapes, "killed")
    await_outcome(scrapes, "done")
