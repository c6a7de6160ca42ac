"""A worker measures its tasks in the process that serves metrics, by what the task's own process hands back."""

from __future__ import annotations

from typing import Any

import pytest
from celery.utils.saferepr import saferepr
from tocsin.errors import FhirRejected, Unavailable
from tocsin.telemetry.metrics import TASK_DURATION
from tocsin.work.requests import OUTCOMES, measure_told

from tests.support.measured import measured
from tests.unit.work.test_tasks import raising, task, value

HANDED_BACK_MAX = 1024
"""Celery's Task.resultrepr_maxsize."""


def finished(value: str) -> None:
    """As Celery's child process hands a task's value to the worker."""
    measure_told("redrive", saferepr(value, HANDED_BACK_MAX), 0.3)


def test_a_value_that_is_no_value_of_ours_is_a_failure() -> None:
    with measured() as found:
        for nonsense in ("None", "'x'", "[1, 2]", "x" * 5000):
            finished(nonsense)
        assert found.of(TASK_DURATION, task="redrive", outcome="failed") == 4


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
    handed_back = value(task("redrive", run))
    with measured() as found:
        finished(handed_back)
        assert found.of(TASK_DURATION, task="redrive", outcome=outcome) == 1
    assert outcome in OUTCOMES
