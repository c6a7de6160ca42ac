"""Topics on a real broker: looked at, and made where they are missing; one that exists is never changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

from kafka.admin import ConfigResource, KafkaAdminClient
from kafka.errors import (
    AuthorizationError,
    InvalidConfigurationError,
    InvalidReplicationFactorError,
    InvalidTopicError,
    KafkaError,
    NoError,
    NotControllerError,
    PolicyViolationError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from tocsin.errors import ContractError, TocsinError, Unavailable
from tocsin.kafka.client import NEIGHBOUR, Words, classify, connection, kafka_errors, opened
from tocsin.kafka.topic_drift import Found, text
from tocsin.kafka.topics import Topic
from tocsin.settings import KafkaSettings

LOOK: Final = "allow this user Describe and DescribeConfigs on the topics"
MAKE: Final = "allow this user Create on the cluster, or have somebody who may make them as their files say"

_ADVICE: Final[dict[type[KafkaError], str]] = {
    InvalidConfigurationError: "correct the topic's file",
    InvalidReplicationFactorError: "a cluster of fewer brokers needs TOCSIN_KAFKA__REPLICATION_FACTOR, or --replication-factor",
    InvalidTopicError: "give it a name that Kafka takes (TOCSIN_KAFKA__TOPIC_*)",
    PolicyViolationError: "have whoever runs the brokers except it, or describe the topic as their policy wants it",
}


class Admin(Protocol):
    """What is asked of KafkaAdminClient; each may raise any KafkaError."""

    def describe_cluster(self) -> dict[str, Any]:
        """`brokers`: one entry for each, with `is_fenced` for one that is registered but away."""

    def describe_topics(self, topics: Sequence[str]) -> list[dict[str, Any]]:
        """For each topic its `name`, `error_code` and `partitions`; makes none."""

    def describe_configs(self, config_resources: Sequence[Any], *, config_filter: str) -> dict[str, dict[str, dict[str, Any]]]:
        """`topic` -> name -> configuration -> `value`; without topics that are not there or may not be read."""

    def create_topics(self, new_topics: dict[str, Any], *, raise_errors: bool) -> dict[str, Any]:
        """`topics`: for each its `name`, `error_code` and `error_message`."""

    def wait_for_topics(self, topic_names: Sequence[str], timeout_ms: int) -> None:
        """Returns when every partition has its leader; KafkaTimeoutError after the time."""


@contextmanager
def topic_admin(settings: KafkaSettings) -> Iterator[TopicAdmin]:
    """A TopicAdmin until the block ends. Raises Unavailable(kafka) where no broker answers within connect_timeout_s."""
    timeout_ms = max(1, int(settings.connect_timeout_s * 1000))
    admin = opened(settings, lambda: KafkaAdminClient(**connection(settings), request_timeout_ms=timeout_ms))
    try:
        yield TopicAdmin(admin, timeout_ms)
    finally:
        admin.close()


class TopicAdmin:
    """Looks at topics and makes them; changes none.

    Every method raises Unavailable(kafka) where the broker is away or late, and ContractError with what to do where it refuses.
    """

    def __init__(self, admin: Admin, wait_ms: int) -> None:
        """`wait_ms`: the longest wait for a topic that was made to have its leaders."""
        self._admin = admin
        self._wait_ms = wait_ms
        self._made: set[str] = set()

    def brokers(self) -> int:
        """How many brokers the cluster has, also those that are away."""
        with kafka_errors(_words("the cluster cannot be looked at", LOOK)):
            return len(self._admin.describe_cluster()["brokers"])

    def found(self, names: Sequence[str]) -> dict[str, Found]:
        """Topic -> what the broker has, for those of the topics that exist."""
        with kafka_errors(_words("topics cannot be looked at", LOOK)):
            answers = self._admin.describe_topics(names)
        described = {topic["name"]: _counts(topic) for topic in answers if _exists(topic)}
        configs = self._configs(list(described))
        return {name: Found(*counts, configs[name]) for name, counts in described.items()}

    def create(self, topics: Sequence[Topic]) -> None:
        """Makes the topics and waits until each can be used; one that somebody else made meanwhile is left as it is."""
        wanted = {topic.topic: _described(topic) for topic in topics}
        if not wanted:
            return
        with kafka_errors(_words("no topic was made", MAKE)):
            answers = self._created(wanted)["topics"]
        self._made |= wanted.keys()
        for error, names, said in _refusals(answers):
            raise _meaning(error, _words(f"not made: {', '.join(names)}", MAKE, said))
        with kafka_errors():
            self._admin.wait_for_topics(list(wanted), timeout_ms=self._wait_ms)

    def _created(self, wanted: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._admin.create_topics(wanted, raise_errors=False)
        except RuntimeError:  # kafka-python's answer while the brokers elect a controller; it is none of its own errors
            raise NotControllerError from None

    def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str | None]]:
        if not names:
            return {}
        resources = [ConfigResource("topic", name) for name in names]
        with kafka_errors():
            configs = self._admin.describe_configs(resources, config_filter="all")["topic"]
        for name in names:
            if not configs.get(name):
                raise self._unreadable(name)
        return {name: {each: value["value"] for each, value in configs[name].items()} for name in names}

    def _unreadable(self, name: str) -> TocsinError:
        if name in self._made:
            return Unavailable(NEIGHBOUR, f"{name} was made, but not every broker knows it yet")
        return ContractError(f"{NEIGHBOUR}: the configuration of {name} cannot be read: {LOOK}")


def _words(failed: str, right: str, said: str = "") -> Words:
    """Words for an error: what `failed`, what the broker `said`, and what to do, such as which `right` to give."""

    def words(error: KafkaError) -> ContractError:
        kind = type(error)
        advice = right if issubclass(kind, AuthorizationError) else _ADVICE.get(kind, "look into the broker's log")
        return ContractError(f"{NEIGHBOUR}: {': '.join(filter(None, (failed, kind.__name__, said.rstrip('.'), advice)))}")

    return words


def _meaning(refused: type[KafkaError], words: Words) -> Exception:
    """What an error in the broker's answer means, of one topic among others."""
    error = refused()
    return classify(error, words) or error


def _exists(topic: dict[str, Any]) -> bool:
    error = for_code(topic["error_code"])
    if error is UnknownTopicOrPartitionError:
        return False
    if error is not NoError:
        raise _meaning(error, _words(f"{topic['name']} cannot be looked at", LOOK))
    return True


def _counts(topic: dict[str, Any]) -> tuple[int, tuple[int, int]]:
    copies = [len(partition["replica_nodes"]) for partition in topic["partitions"]]
    return len(copies), (min(copies), max(copies))


def _described(topic: Topic) -> dict[str, Any]:
    config = {name: text(value) for name, value in topic.config.items()}
    return {"num_partitions": topic.partitions, "replication_factor": topic.replication_factor, "configs": config}


def _refusals(answers: Sequence[dict[str, Any]]) -> Iterator[tuple[type[KafkaError], list[str], str]]:
    """Each kind of refusal once, with the topics it is about and the brokers' words on the first of them."""
    fine = {NoError.errno, TopicAlreadyExistsError.errno}
    for code in sorted({answer["error_code"] for answer in answers} - fine):
        refused = [answer for answer in answers if answer["error_code"] == code]
        yield for_code(code), [answer["name"] for answer in refused], refused[0]["error_message"] or ""
