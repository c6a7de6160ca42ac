"""The tasks: what each is called, where it waits, and the border between its work and Celery.

A task's message names the task and at most one id. Whatever a task leaves undone, its next run finds undone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from celery import Celery, Task
from celery.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError

from tocsin.errors import Deferred, Refused, TocsinError, Unavailable, where
from tocsin.settings import Settings
from tocsin.telemetry.log import logger
from tocsin.work.lock import alone
from tocsin.work.redis_client import reason

NEIGHBOUR: Final = "redis"

REDRIVE: Final = "redrive"
RECONCILE: Final = "reconcile"
RESUME_BACKFILLS: Final = "resume_backfills"
BACKFILL_STEP: Final = "backfill_step"

SCHEDULE_QUEUE: Final = "tocsin.schedule"
BACKFILL_QUEUE: Final = "tocsin.backfill"
QUEUES: Final = {REDRIVE: SCHEDULE_QUEUE, RECONCILE: SCHEDULE_QUEUE, RESUME_BACKFILLS: SCHEDULE_QUEUE, BACKFILL_STEP: BACKFILL_QUEUE}
"""Where each task waits; workers empty the first queue before they look into the second."""


@dataclass(frozen=True, slots=True)
class Work:
    """What the tasks do. Each call opens the clients it needs and closes them, since forked processes must never share any."""

    redrive: Callable[[], object]
    """Replay the transient dead letters that are due."""
    reconcile: Callable[[], object]
    """Compare the record with what was announced, and mend the difference."""
    backfill_step: Callable[[str], float | None]
    """The next page of the backfill of this id; seconds until its next step, None where there is none."""
    overdue_backfills: Callable[[], Iterable[str]]
    """Ids of backfills whose step got lost."""


def register(app: Celery, settings: Settings, work: Work) -> None:
    """Makes `app` able to do the work."""

    def resume() -> None:
        for backfill in work.overdue_backfills():
            send_step(app, backfill)

    def go_on(backfill: str, pause_s: float | None) -> None:
        if pause_s is not None:
            send_step(app, backfill, pause_s)

    tasks: dict[str, tuple[Callable[..., Any], Callable[..., object] | None]] = {
        REDRIVE: (work.redrive, None),
        RECONCILE: (work.reconcile, None),
        RESUME_BACKFILLS: (resume, None),
        BACKFILL_STEP: (work.backfill_step, go_on),
    }
    for name, (do, then) in tasks.items():
        app.task(_bordered(name, do, then, settings), name=name, bind=True, shared=False)


def send_step(app: Celery, backfill: str, pause_s: float = 0.0) -> None:
    """Have a worker take a step of this backfill once the pause is over. Raises Unavailable(redis)."""
    try:
        app.send_task(BACKFILL_STEP, (backfill,), countdown=pause_s, retry=False)
    except OperationalError as error:
        raise Unavailable(NEIGHBOUR, reason(error)) from None


def _bordered(name: str, do: Callable[..., object], then: Callable[..., object] | None, settings: Settings) -> Callable[..., None]:
    """`then` is given the ids and what `do` answered, once others may be at it: what it queues may be taken at that moment."""

    def run(task: Task, *ids: str) -> None:
        answers: list[object] = []
        with alone(settings.redis, ".".join((name, *ids)), task.request.id, settings.work.task_kill_after_s) as mine:
            if mine:
                _run(name, lambda: answers.append(do(*ids)))
            else:
                logger().info("left to the worker that is at it", reason=name)
        if then is not None and answers:
            _guarded(name, lambda: then(*ids, *answers))

    run.__name__ = name
    return run


def _run(name: str, do: Callable[[], object]) -> None:
    began = time.monotonic()
    if _guarded(name, do):
        logger().info("task done", reason=name, duration_ms=round((time.monotonic() - began) * 1000, 1))


def _guarded(name: str, do: Callable[[], object]) -> bool:
    """Whether it went well. Whatever goes wrong ends in a log line: Celery's own would quote the error's text."""
    try:
        do()
    except SoftTimeLimitExceeded:
        logger().warning("task ended by its time-out; the next one goes on", reason=name)
    except Deferred as away:
        logger().warning("task deferred; the next one goes on", reason=name, neighbour=away.neighbour, detail=away.detail)
    except Refused as refused:
        logger().error("task failed", reason=name, detail=str(refused), advice=refused.advice)
    except TocsinError as error:
        logger().error("task failed", reason=name, detail=str(error))
    except Exception as error:  # the border between one task and the worker
        logger().error("task failed", reason=name, detail=where(error), advice="This is a defect of Tocsin: report the detail.")
    else:
        return True
    return False
