"""A worker measures its tasks in the process that serves metrics, by what the task's own process hands back."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from celery.utils.saferepr import saferepr
from tocsin.errors import FhirRejected, Unavailable
from tocsin.telemetry.metrics import ANNOUNCED, REPLAYS, TASK_DURATION, add_carried, record_elsewhere, take_carried
from tocsin.work.requests import OUTCOMES, measure_told, value_of

from tests.support.measured import measured
from tests.unit.work.test_tasks import raising, task, value

HANDED_BACK_MAX = 1024
"""Celery's Task.resultrepr_maxsize."""


def in_a_fork(count: Callable[[], None]) -> str:
    """The value of a task that is done in a process forked from this one, which counts."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        record_elsewhere()
        count()
        os.write(writing, value_of("done").encode())
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(reading, 10_000).decode()


def finished(value: str) -> None:
    """As Celery's child process hands a task's value to the worker."""
    measure_told("redrive", saferepr(value, HANDED_BACK_MAX), 0.3)


def test_what_a_forked_process_counts_is_counted_by_its_worker() -> None:
    def count() -> None:
        for _ in range(3):
            REPLAYS.add(1, {"by": "redrive"})
        ANNOUNCED.add(2, {"by": "backfill"})

    handed_back = in_a_fork(count)
    with measured() as found:
        finished(handed_back)
        assert (found.of(REPLAYS, by="redrive"), found.of(ANNOUNCED, by="backfill")) == (3, 2)
        assert found.of(TASK_DURATION, task="redrive", outcome="done") == 1


def test_a_value_that_is_no_value_of_ours_is_a_failure() -> None:
    with measured() as found:
        for nonsense in ("None", "'x'", "[1, 2]", "x" * 5000):
            finished(nonsense)
        assert found.of(TASK_DURATION, task="redrive", outcome="failed") == 4


def test_what_is_handed_back_may_name_no_metric_or_label_of_its_own() -> None:
    with measured() as found:
        add_carried([("tocsin.invented", 1, {}), (REPLAYS.name, 1, {"by": "redrive", "media": "Media/1"})])
        assert found.series() == {}


def test_a_process_that_serves_metrics_itself_hands_nothing_on() -> None:
    REPLAYS.add(1, {"by": "operator"})
    assert take_carried() == []


@pytest.mark.parametrize(
    ("run", "outcome"),
    [
        (lambda: None, "done"),
        (raising(Unavailable("kafka", "KafkaTimeoutError")), "deferred"),
        (raising(FhirRejected("HTTP 403")), "failed"),
        (raising(ValueError("x")), "failed"),
    ],
)
def test_a_task_tells_how_it_ended(run: Any, outcome: str) -> None:
    assert orjson.loads(value(task("redrive", run))) == [outcome, []]
    assert outcome in OUTCOMES
