"""What tasks `tocsin beat` sends and how often; it goes on by itself after Redis was away."""

from __future__ import annotations

import dbm
import os
from collections.abc import Sequence
from typing import Any

from celery.beat import PersistentScheduler, SchedulingError
from celery.beat import Scheduler as CelerysScheduler
from redis.exceptions import RedisError

from tocsin.telemetry.log import logger
from tocsin.telemetry.metrics import TASKS_SENT
from tocsin.work.health import Pulse
from tocsin.work.redis_client import reason
from tocsin.work.tasks import NEIGHBOUR, Task


def entries(tasks: Sequence[Task]) -> dict[str, dict[str, Any]]:
    """Celery's beat_schedule. Each task expires when the next of its kind is sent, so that an outage leaves no pile behind."""
    every_s = {task.name: task.every_s for task in tasks if task.every_s is not None}
    return {name: {"task": name, "schedule": pause_s, "options": {"expires": pause_s}} for name, pause_s in every_s.items()}


class Scheduler(CelerysScheduler):  # type: ignore[misc] # celery ships no types
    """Celery's scheduler, which adds no task to a full queue, and logs what it could not send in one line.

    Celery's own would log a stack. This one writes no file: it forgets at its end what it sent when.
    """

    def __init__(self, *args: Any, waiting_max: int, pulse: Pulse, **options: Any) -> None:
        """`waiting_max` is the length of a queue to which nothing is added."""
        self._waiting_max = waiting_max
        self._pulse = pulse
        super().__init__(*args, **options)

    def tick(self, *args: Any, **options: Any) -> Any:
        """See Celery."""
        self._pulse.turned()
        return super().tick(*args, **options)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send one due task, or leave it for its next time."""
        try:
            if self._waiting(entry.task) >= self._waiting_max:
                TASKS_SENT.add(1, {"task": entry.task, "result": "queue-full"})
                logger().warning(
                    "task not sent: its queue is full; tried again at its next time",
                    task=entry.task,
                    advice="Start `tocsin work`, or see what it waits for (GET /ready).",
                )
            else:
                self.apply_async(entry, producer=producer, advance=False)
                TASKS_SENT.add(1, {"task": entry.task, "result": "sent"})
        except (SchedulingError, RedisError) as error:
            TASKS_SENT.add(1, {"task": entry.task, "result": "failed"})
            logger().warning(
                "task not sent: Redis did not take it; tried again at its next time",
                task=entry.task,
                neighbour=NEIGHBOUR,
                detail=reason(error),
            )

    def _waiting(self, task: str) -> int:
        queue = self.app.amqp.router.route({}, task)["queue"].name
        return int(self.producer.channel.client.llen(queue))


class RememberingScheduler(Scheduler, PersistentScheduler):  # type: ignore[misc] # celery ships no types
    """Keeps in a file what it sent when. A file that cannot be written is logged, and costs at most one interval at a restart."""

    def sync(self) -> None:
        """See Celery."""
        try:
            super().sync()
        except dbm.error as error:  # a tuple, OSError in it
            times_not_kept(error)


def times_not_kept(error: Exception) -> None:
    """Log why the times of sent tasks are forgotten at a restart."""
    detail = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
    logger().warning(
        "the schedule file cannot be written: a restart may delay or repeat each task by one interval",
        detail=detail,
        advice="Make room in TOCSIN_WORK__STATE_FOLDER, or name a folder that can be written.",
    )
