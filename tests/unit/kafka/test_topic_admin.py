"""What brokers answer where topics are looked at or made: what passes waits, what is lacking is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from kafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidReplicationFactorError,
    KafkaError,
    KafkaTimeoutError,
    LeaderNotAvailableError,
    PolicyViolationError,
    ThrottlingQuotaExceededError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from tocsin.errors import ContractError, Deferred
from tocsin.kafka.topic_admin import TopicAdmin
from tocsin.kafka.topic_drift import Found

from tests.support.topics import topic


@dataclass
class FakeAdmin:
    """Brokers that answer as real ones may."""

    refusals: Mapping[str, type[Exception]] = field(default_factory=dict)
    """Question -> error of the whole request."""
    errors: Mapping[str, type[KafkaError]] = field(default_factory=dict)
    """Topic -> what is said of it when it is looked at or made."""
    unreadable: bool = False

    def describe_cluster(self) -> dict[str, Any]:
        self._answer("describe_cluster")
        return {"brokers": [{}, {}, {}]}

    def describe_topics(self, topics: Sequence[str]) -> list[dict[str, Any]]:
        self._answer("describe_topics")
        return [{"name": name, "error_code": self._code(name), "partitions": [{"replica_nodes": [1, 2, 3]}]} for name in topics]

    def describe_configs(self, config_resources: Sequence[Any], *, config_filter: str) -> dict[str, dict[str, dict[str, Any]]]:
        self._answer("describe_configs")
        assert config_filter == "all", "the defaults are in effect too"
        config = {} if self.unreadable else {"retention.ms": {"value": "1"}}
        return {"topic": {each.name: config for each in config_resources}}

    def create_topics(self, new_topics: dict[str, Any], *, raise_errors: bool) -> dict[str, Any]:
        self._answer("create_topics")
        assert not raise_errors, "its errors would quote the whole request"
        return {"topics": [{"name": name, "error_code": self._code(name), "error_message": "So it is."} for name in new_topics]}

    def wait_for_topics(self, topic_names: Sequence[str], timeout_ms: int) -> None:
        self._answer("wait_for_topics")

    def _code(self, name: str) -> int:
        error = self.errors.get(name)
        return 0 if error is None else int(error.errno)

    def _answer(self, question: str) -> None:
        if question in self.refusals:
            raise self.refusals[question]


def said(admin: FakeAdmin, *, create: bool) -> str:
    """The refusal that a person reads."""
    with pytest.raises(ContractError) as caught:
        TopicAdmin(admin, 1000).create([topic(), topic(topic="u")]) if create else TopicAdmin(admin, 1000).found(["t", "u"])
    return str(caught.value)


def test_a_topic_that_is_not_there_is_not_found() -> None:
    admin = TopicAdmin(FakeAdmin(errors={"t": UnknownTopicOrPartitionError}), 1000)
    assert admin.found(["t"]) == {}
    assert admin.found(["t", "u"]) == {"u": Found(1, (3, 3), {"retention.ms": "1"})}


@pytest.mark.parametrize("question", ["describe_topics", "describe_configs"])
def test_brokers_that_fall_silent_while_topics_are_looked_at_are_away(question: str) -> None:
    with pytest.raises(Deferred, match="kafka: KafkaTimeoutError"):
        TopicAdmin(FakeAdmin({question: KafkaTimeoutError}), 1000).found(["t"])


@pytest.mark.parametrize("question", ["create_topics", "wait_for_topics"])
def test_brokers_that_fall_silent_while_topics_are_made_are_away(question: str) -> None:
    with pytest.raises(Deferred, match="kafka: KafkaTimeoutError"):
        TopicAdmin(FakeAdmin({question: KafkaTimeoutError}), 1000).create([topic()])


def test_brokers_without_a_controller_are_away() -> None:
    with pytest.raises(Deferred, match="NotControllerError"):
        TopicAdmin(FakeAdmin({"create_topics": RuntimeError}), 1000).create([topic()])


@pytest.mark.parametrize("error", [LeaderNotAvailableError, ThrottlingQuotaExceededError])
def test_what_passes_by_itself_is_not_for_a_person(error: type[KafkaError]) -> None:
    with pytest.raises(Deferred, match=error.__name__):
        TopicAdmin(FakeAdmin(errors={"t": error}), 1000).found(["t"])
    with pytest.raises(Deferred, match=error.__name__):
        TopicAdmin(FakeAdmin(errors={"t": error}), 1000).create([topic()])


def test_a_right_that_is_lacking_to_look_is_named() -> None:
    assert "t cannot be looked at" in said(FakeAdmin(errors={"t": TopicAuthorizationFailedError}), create=False)
    for admin in (FakeAdmin(errors={"t": TopicAuthorizationFailedError}), FakeAdmin(unreadable=True)):
        assert said(admin, create=False).endswith("allow this user Describe and DescribeConfigs on the topics")


@pytest.mark.parametrize(
    "admin",
    [FakeAdmin({"create_topics": ClusterAuthorizationFailedError}), FakeAdmin(errors={"t": TopicAuthorizationFailedError})],
)
def test_a_right_that_is_lacking_to_make_them_is_named(admin: FakeAdmin) -> None:
    assert "allow this user Create on the cluster" in said(admin, create=True)


def test_a_topic_that_somebody_else_makes_meanwhile_is_left_as_it_is() -> None:
    TopicAdmin(FakeAdmin(errors={"t": TopicAlreadyExistsError}), 1000).create([topic()])


def test_what_the_brokers_say_of_many_topics_is_said_once() -> None:
    refused = FakeAdmin(errors={"t": InvalidReplicationFactorError, "u": InvalidReplicationFactorError})
    assert said(refused, create=True) == (
        "kafka: not made: t, u: InvalidReplicationFactorError: So it is: "
        "a cluster of fewer brokers needs TOCSIN_KAFKA__REPLICATION_FACTOR, or --replication-factor"
    )
    assert said(FakeAdmin(errors={"u": PolicyViolationError}), create=True).startswith(
        "kafka: not made: u: PolicyViolationError: So it is: "
    )


def test_a_topic_that_was_made_and_that_a_broker_does_not_know_yet_is_asked_for_later() -> None:
    admin = TopicAdmin(FakeAdmin(unreadable=True), 1000)
    admin.create([topic()])
    with pytest.raises(Deferred, match="t was made, but not every broker knows it yet"):
        admin.found(["t"])
