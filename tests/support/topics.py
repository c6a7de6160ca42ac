"""A topic as a file describes it."""

from __future__ import annotations

from typing import Any

from tocsin.kafka.topics import Topic

DAY_MS = 86_400_000
CONFIG = {"cleanup.policy": "delete", "retention.ms": 7 * DAY_MS, "min.insync.replicas": 2, "max.message.bytes": 1_048_576}
"""A topic's, as a file states it."""


def topic(**changes: Any) -> Topic:
    described = {
        "topic": "t",
        "owner": "us",
        "producers": [],
        "consumers": [],
        "value": "v",
        "key": "k",
        "partitions": 12,
        "config": CONFIG,
    }
    return Topic.model_validate(described | {"replication_factor": 3} | changes)
