"""The Celery app: Redis carries the names of tasks and may be lost; what is to be done stands in Kafka and the FHIR server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP

from tocsin.settings import Settings
from tocsin.work.patches import RedisConnection
from tocsin.work.redis_client import tls_options
from tocsin.work.requests import MeasuredTask
from tocsin.work.schedule import entries
from tocsin.work.tasks import Task, queues, register

RECONNECT_INITIAL_S = 0.2


class _Amqp(AMQP):  # type: ignore[misc] # celery ships no types
    Connection = RedisConnection


def client(settings: Settings, tasks: Sequence[Task]) -> Celery:
    """An app that can send these tasks and knows their schedule. Raises ConfigurationError; reaches out to nobody yet."""
    app = Celery("tocsin", amqp=_Amqp, task_cls=MeasuredTask, broker=settings.redis.url.get_secret_value(), set_as_current=False)
    app.conf.update(_configuration(settings, tasks))
    return app


def make_app(settings: Settings, tasks: Sequence[Task]) -> Celery:
    """An app that can do these tasks as well. Raises ConfigurationError; reaches out to nobody yet."""
    app = client(settings, tasks)
    register(app, settings, tasks)
    return app


def _configuration(settings: Settings, tasks: Sequence[Task]) -> dict[str, Any]:
    work, names = settings.work, queues(tasks)
    return {
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_backend": None,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_soft_time_limit": work.task_timeout_s,
        "task_time_limit": work.task_kill_after_s,
        "task_queues": {name: {"exchange": name, "routing_key": name} for name in names},
        "task_default_queue": names[0],
        "task_create_missing_queues": False,
        "task_routes": {task.name: {"queue": task.queue} for task in tasks},
        "worker_pool": "prefork",  # the only pool that can kill a task that hangs, and knows when a task's process died
        "worker_concurrency": work.processes,
        "worker_prefetch_multiplier": 1,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_max_retries": None,
        "broker_connection_retry_on_startup": True,
        "broker_connection_timeout": settings.redis.connect_timeout_s,
        "broker_transport_options": _transport(settings),
        "broker_use_ssl": tls_options(settings.redis) or False,  # without these options kombu would verify no server, and only warn of it
        "beat_schedule": entries(tasks),
    }


def _transport(settings: Settings) -> dict[str, Any]:
    """Options of kombu 5.7's Redis transport (kombu/transport/redis.py) and of its connections."""
    return {
        "visibility_timeout": settings.work.visibility_timeout_s,
        "unacked_restore_interval": settings.work.restore_every_s,
        "unacked_restore_throttle": 1,  # each look counts: with kombu's own numbers a dead worker's task came back up to 100 s late
        "unacked_mutex_expire": max(1, round(settings.work.restore_every_s)),  # kombu's 300 s would outlive a worker that dies as it looks
        "queue_order_strategy": "priority",
        "socket_connect_timeout": settings.redis.connect_timeout_s,
        "socket_timeout": settings.redis.connect_timeout_s,
        "health_check_interval": settings.redis.silence_max_s,
        "interval_start": RECONNECT_INITIAL_S,
        "interval_step": RECONNECT_INITIAL_S,
        "interval_max": settings.redis.reconnect_wait_max_s,
    }
