"""A task as a value, and the border between its work and Celery; bootstrap/work.py lists the tasks.

A task's message names the task and at most one id. Whatever a task leaves undone, its next run finds undone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError
from opentelemetry.trace import Span, SpanKind

from tocsin.errors import Deferred, Refused, TocsinError, Unavailable, where
from tocsin.settings import Settings
from tocsin.telemetry.log import logger
from tocsin.telemetry.trace import ENDING, TRACE_PARENT, context_in, note, root_span, trace_context
from tocsin.work.lock import alone
from tocsin.work.redis_client import reason

NEIGHBOUR: Final = "redis"


@dataclass(frozen=True, slots=True)
class Message:
    """Asks a worker for one run of a task."""

    task: str
    """The task's name."""
    ids: tuple[str, ...] = ()
    """What `Task.run` is given; ids alone, since Redis may hold nothing else."""
    pause_s: float = 0.0
    """The run begins no sooner than this many seconds after the message was sent."""


def nothing(*_answer_and_ids: object) -> Iterable[Message]:
    """What follows a task that asks for no other: no message."""
    return ()


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of job. Its name and its queue are on the wire: workers of two versions take each other's messages."""

    name: str
    queue: str
    """Where its messages wait."""
    run: Callable[..., Any]
    """Does the job, given the ids of its message. Opens and closes the clients it needs: forked processes must never share any."""
    every_s: float | None = None
    """Seconds between two messages of the scheduler; None: it sends none."""
    then: Callable[..., Iterable[Message]] = nothing
    """Gives the messages to send next, from what `run` answered and the ids; called once the lock on the task is given back."""


def queues(tasks: Sequence[Task]) -> list[str]:
    """The queues of these tasks, the first task's first: workers empty it before they look into the next."""
    return list(dict.fromkeys(task.queue for task in tasks))


def register(app: Celery, settings: Settings, tasks: Sequence[Task]) -> None:
    """Make the app able to do these tasks."""
    for task in tasks:
        app.task(_bordered(app, task, settings), name=task.name, bind=True, shared=False)


def send(app: Celery, message: Message) -> None:
    """Return once the message waits in its queue. Raises Unavailable(redis)."""
    try:
        app.send_task(message.task, message.ids, countdown=message.pause_s, retry=False, headers=trace_context())
    except OperationalError as error:
        raise Unavailable(NEIGHBOUR, reason(error)) from None


def _bordered(app: Celery, task: Task, settings: Settings) -> Callable[..., str]:
    def run(bound: Any, *ids: str) -> str:
        with _traced(bound, task), _border(task.name) as ended:
            with alone(settings.redis, ".".join((task.name, *ids)), bound.request.id, settings.work.task_kill_after_s) as mine:
                if not mine:
                    logger().info("task left out: another worker is doing it", task=task.name)
                    ended.how = "left-out"
                    note(ENDING, "done")
                    return ended.how
                answer = _timed(task, *ids)
            for message in task.then(answer, *ids):
                send(app, message)
            ended.how = "done"
            note(ENDING, "done")
        return ended.how

    run.__name__ = task.name
    return run


def _traced(bound: Any, task: Task) -> AbstractContextManager[Span]:
    """The span of one run of the task: a trace of its own, which links to that of whoever sent the message."""
    stated = getattr(bound.request, TRACE_PARENT, None)
    sender = context_in([(TRACE_PARENT, stated.encode("ascii", "replace"))]) if isinstance(stated, str) else None
    attributes = {"messaging.operation.name": "process", "messaging.operation.type": "process", "messaging.destination.name": task.queue}
    return root_span(f"run {task.name}", SpanKind.CONSUMER, attributes, links=[] if sender is None else [sender])


def _timed(task: Task, *ids: str) -> Any:
    began = time.monotonic()
    answer = task.run(*ids)
    logger().info("task done", task=task.name, duration_ms=round((time.monotonic() - began) * 1000, 1))
    return answer


@dataclass(slots=True)
class Ended:
    """How a task ended: one of requests.OUTCOMES."""

    how: str = "failed"


@contextmanager
def _border(name: str) -> Iterator[Ended]:
    """Whatever goes wrong inside ends in a log line: Celery's own would quote the error's text."""
    ended = Ended()
    try:
        yield ended
    except SoftTimeLimitExceeded:
        ended.how = "timed-out"
        logger().warning("task stopped after TOCSIN_WORK__TASK_TIMEOUT_S; its next run goes on where it stopped", task=name)
    except Deferred as away:
        ended.how = "deferred"
        logger().warning(
            "task deferred: a neighbour is away; its next run goes on where it stopped",
            task=name,
            neighbour=away.neighbour,
            detail=away.detail,
        )
    except Refused as refused:
        logger().warning("task failed", task=name, detail=str(refused), advice=refused.advice)
    except TocsinError as error:
        advice = "Run `tocsin check`; the task is tried again at its next time."
        logger().warning("task failed", task=name, detail=str(error), advice=advice)
    except Exception as error:  # the border between one task and the worker
        logger().error("task failed", task=name, detail=where(error), advice="This is a defect of Tocsin: report the detail.")
