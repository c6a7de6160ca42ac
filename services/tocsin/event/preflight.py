"""Is the bus there, and are its topics fit for what Tocsin reads and writes?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, NoError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError, for_code

from tocsin.event.kafka import connection
from tocsin.event.topics import topic_names
from tocsin.preflight import Check, check
from tocsin.settings import KafkaSettings

PART: Final = "kafka"

ABSENT: Final = (
    "set TOCSIN_KAFKA__BOOTSTRAP_SERVERS, and look whether a broker answers there; one that wants TLS or a user needs "
    "TOCSIN_KAFKA__SECURITY_PROTOCOL, TOCSIN_KAFKA__TLS_CA_FILE and TOCSIN_KAFKA__SASL_*"
)
REFUSED: Final = "look into the broker's log for why it refused or kept silent; the user of TOCSIN_KAFKA__SASL_USERNAME may lack rights"

_SAID: Final = {
    TopicAuthorizationFailedError: "this user may not use it",
    UnknownTopicOrPartitionError: "does not exist, or this user may not see it",
}


class Admin(Protocol):
    """What is asked of KafkaAdminClient; each may raise any KafkaError."""

    def describe_cluster(self) -> dict[str, Any]:
        """`brokers` lists each one's `broker_id`, and `is_fenced` for one that is registered but away."""

    def get_broker_version_data(self, broker_id: int) -> Any:
        """Its `broker_version` is a tuple of numbers: the newest Kafka whose requests the broker knows."""

    def describe_topics(self, topics: Sequence[str]) -> list[dict[str, Any]]:
        """For each topic its `name`, `error_code` and `partitions`."""


def kafka_preflight(settings: KafkaSettings) -> Iterator[Check]:
    """Broker, then each topic."""
    try:
        admin = KafkaAdminClient(**connection(settings), request_timeout_ms=max(1, int(settings.connect_timeout_s * 1000)))
    except KafkaError as error:
        yield check(PART, "broker", False, f"{settings.bootstrap_servers}: {type(error).__name__}", ABSENT)
        return
    try:
        yield from looked_at(admin, settings)
    finally:
        admin.close()


def looked_at(admin: Admin, settings: KafkaSettings) -> Iterator[Check]:
    """What a broker that was reached says of itself, and of our topics."""
    try:
        brokers = [broker for broker in admin.describe_cluster()["brokers"] if not broker.get("is_fenced")]
        version = ".".join(map(str, admin.get_broker_version_data(brokers[0]["broker_id"]).broker_version))
    except KafkaError as error:
        yield check(PART, "broker", False, f"{settings.bootstrap_servers}: {type(error).__name__}", REFUSED)
        return
    yield check(PART, "broker", True, f"{settings.bootstrap_servers}: {len(brokers)} broker(s), Kafka {version}", "")
    yield from _topics(admin, tuple(topic_names(settings).values()))


def _topics(admin: Admin, names: Sequence[str]) -> Iterator[Check]:
    try:
        described = {topic["name"]: topic for topic in admin.describe_topics(names)}
    except KafkaError as error:
        yield check(PART, "topics", False, type(error).__name__, REFUSED)
        return
    for name in names:
        yield _topic(name, described[name])


def _topic(name: str, topic: dict[str, Any]) -> Check:
    error = for_code(topic["error_code"])
    found = f"{len(topic['partitions'])} partition(s)" if error is NoError else _SAID.get(error, error.__name__)
    fix = "make it with `tocsin topics --create`, and allow this user to use it"
    return check(PART, f"topic {name}", error is NoError, found, fix)
