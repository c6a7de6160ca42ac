"""Is the bus there, and are its topics fit for what Tocsin reads and writes?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from tocsin.event.kafka import connection
from tocsin.preflight import Check, check
from tocsin.settings import KafkaSettings

PART = "kafka"


def kafka_preflight(settings: KafkaSettings) -> Iterator[Check]:
    """Broker, then each topic."""
    try:
        admin = KafkaAdminClient(**connection(settings))
    except KafkaError as error:
        fix = "set TOCSIN_KAFKA__BOOTSTRAP_SERVERS, and look whether a broker answers there"
        yield check(PART, "broker", False, f"{settings.bootstrap_servers}: {type(error).__name__}", fix)
        return
    try:
        yield from _looked_at(admin, settings)
    finally:
        admin.close()


def _looked_at(admin: Any, settings: KafkaSettings) -> Iterator[Check]:
    cluster = admin.describe_cluster()
    yield check(PART, "broker", True, f"{settings.bootstrap_servers}: {len(cluster['brokers'])} broker(s)", "")
    partitions = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
    for name in (settings.topic_imaging, settings.topic_flags, settings.topic_dead_letters):
        yield _topic(name, partitions.get(name, 0))


def _topic(name: str, partitions: int) -> Check:
    found = f"{partitions} partition(s)" if partitions else "does not exist, or this user may not see it"
    return check(
        PART, f"topic {name}", partitions > 0, found, f"create it as schemas/topics/{name}.yaml says, and allow this user to use it"
    )
