"""Measures tasks in the worker's own process, which alone sees also those whose process was killed.

What else a task's process measures comes by another way (telemetry/forked.py). A task's value is all that Celery hands back to the worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from celery import Task as CelerysTask
from celery.worker.request import Request

from tocsin.telemetry.metrics import TASK_DURATION

OUTCOMES: Final = frozenset({"done", "left-out", "deferred", "failed", "timed-out"})
"""How a task can end that ends by itself; one whose process ends first is killed."""


def measure_told(task: str, value: object, took_s: float) -> None:
    """Measure a task by its value as the worker gets it, a text in quotes; one that did not come to tell how it ended has failed."""
    told = str(value).strip("'")
    measure(task, told if told in OUTCOMES else "failed", took_s)


def measure(task: str, outcome: str, took_s: float) -> None:
    """Measure a task that ended so."""
    TASK_DURATION.record(took_s, {"task": task, "outcome": outcome})


class MeasuredRequest(Request):  # type: ignore[misc] # celery ships no types
    """One message under way in a worker; see "Requests and custom requests" in Celery's manual."""

    _accepted: float | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """See Celery."""
        super().__init__(*arguments, **options)
        mine: Any = self  # Celery's worker overrides the method in a subclass of its own, but asks each request for it
        self.on_success = partial(self._told, mine.on_success)

    def _told(self, then: Callable[..., Any], ended: tuple[bool, Any, float], **options: Any) -> Any:
        """What Celery calls with whether the task failed, its value and how long it took in seconds."""
        failed, value, took_s = ended
        measure_told(self.name, None if failed else value, took_s)
        return then(ended, **options)

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """See Celery: a process has taken the task."""
        self._accepted = time.monotonic()
        super().on_accepted(pid, time_accepted)

    def on_timeout(self, soft: bool, timeout: float) -> Any:
        """See Celery; a soft limit is told to the task itself."""
        if not soft:
            self._killed()
        return super().on_timeout(soft, timeout)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        """See Celery: the task's process is gone, unless `return_ok` says that it has told so itself."""
        if not return_ok:
            self._killed()
        return super().on_failure(exc_info, send_failed_event, return_ok)

    def _killed(self) -> None:
        """Measure the task as killed: once, for of a hard limit Celery tells both as a time-out and as a failure."""
        accepted, self._accepted = self._accepted, None
        if accepted is not None:
            measure(self.name, "killed", time.monotonic() - accepted)


class MeasuredTask(CelerysTask):  # type: ignore[misc] # celery ships no types
    """A task whose messages are measured."""

    Request: Callable[..., Any] = MeasuredRequest
