"""What Tocsin relies on beyond the documentation of Celery, kombu, billiard and redis-py, with the versions in which it was looked at."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import Any

import pytest
from billiard import heap  # type: ignore[import-untyped] # billiard ships no types
from celery import beat
from celery.apps.worker import Worker
from celery.worker import state
from celery.worker.consumer.consumer import Consumer
from kombu.connection import Connection
from kombu.transport import redis, virtual
from redis.connection import SSLConnection
from tocsin.work.patches import VERIFIED

PRIVATE: list[tuple[Any, str, tuple[str, ...]]] = [
    (redis.Channel, "_connparams", ("self", "asynchronous")),
    (redis.Channel, "connection_class_ssl", ()),
    (redis.Transport, "connection_errors", ()),
    (redis.Transport, "channel_errors", ()),
    (redis.Transport, "establish_connection", ("self",)),
    (redis.Transport, "close_connection", ("self", "connection")),
    (redis.QoS, "ack", ("self", "delivery_tag")),
    (redis.QoS, "reject", ("self", "delivery_tag", "requeue")),
    (virtual.QoS, "ack", ("self", "delivery_tag")),
    (Connection, "get_transport_cls", ("self",)),
    (Connection, "ensure_connection", ("self", "args", "kwargs")),
    (SSLConnection, "_wrap_socket_with_ssl", ("self", "sock")),
    (Worker, "install_platform_tweaks", ("self", "worker")),
    (Consumer, "cancel_active_requests", ("self",)),
    (state, "should_stop", ()),
    (state, "total_count", ()),
    (state, "active_requests", ()),
    (beat.Scheduler, "apply_entry", ("self", "entry", "producer")),
    (beat.Scheduler, "sync", ("self",)),
    (beat.PersistentScheduler, "sync", ("self",)),
    (heap, "tempfile", ()),
]


@pytest.mark.parametrize("library", VERIFIED)
def test_the_libraries_whose_private_parts_are_used_are_the_ones_that_were_looked_at(library: str) -> None:
    assert version(library) == VERIFIED[library], (
        f"look at what work/patches.py, work/redis_client.py and work/schedule.py override or use of {library}, run "
        "tests/journey/test_work.py and tests/integration/test_redis_tls.py, then name its version in work/patches.py"
    )


@pytest.mark.parametrize(("owner", "name", "parameters"), PRIVATE, ids=lambda each: each if isinstance(each, str) else "")
def test_what_is_overridden_or_used_is_there_and_takes_what_it_took(owner: Any, name: str, parameters: tuple[str, ...]) -> None:
    found = getattr(owner, name)
    if parameters:
        assert tuple(inspect.signature(found).parameters) == parameters
