"""`tocsin check` says what brokers that were reached answer of themselves, of our topics and of our rights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import pytest
from kafka.errors import (
    ClusterAuthorizationFailedError,
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    LeaderNotAvailableError,
    RequestTimedOutError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from kafka.protocol.broker_version_data import BrokerVersionData
from tocsin.kafka.preflight import looked_at
from tocsin.settings import KafkaSettings

from tests.support.checks import Card, failed


@dataclass
class FakeAdmin:
    """A broker that was reached and answers as a real one may; `refusals` says which question it answers with which error."""

    refusals: Mapping[str, type[KafkaError]] = field(default_factory=dict)
    topic_errors: Mapping[str, type[KafkaError]] = field(default_factory=dict)

    def describe_cluster(self) -> Card:
        self._answer("describe_cluster")
        return {"brokers": [{"broker_id": 1, "is_fenced": True}, {"broker_id": 2, "is_fenced": False}]}

    def get_broker_version_data(self, broker_id: int) -> BrokerVersionData:
        self._answer("get_broker_version_data")
        assert broker_id == 2, "the other one is away"
        return BrokerVersionData((3, 9))

    def describe_topics(self, topics: Sequence[str]) -> list[Card]:
        self._answer("describe_topics")
        return [{"name": name, **self._topic(name)} for name in topics]

    def describe_groups(self, group_ids: Sequence[str]) -> dict[str, Card]:
        self._answer("describe_groups")
        return {each: {"error": None, "authorized_operations": ["READ", "DESCRIBE"]} for each in group_ids}

    def _topic(self, name: str) -> Card:
        error = self.topic_errors.get(name)
        return {"error_code": 0, "partitions": [{}, {}]} if error is None else {"error_code": error.errno, "partitions": []}

    def _answer(self, question: str) -> None:
        if question in self.refusals:
            raise self.refusals[question]


def test_a_broker_says_its_version_and_the_partitions_of_our_topics() -> None:
    checks = list(looked_at(FakeAdmin(), KafkaSettings()))
    assert [(each.what, each.found) for each in checks] == [
        ("broker", "localhost:9092: 1 broker(s), Kafka 3.9"),
        ("topic imaging.events.v1", "2 partition(s)"),
        ("topic tocsin.flags.v1", "2 partition(s)"),
        ("topic imaging.events.v1.dead-letters", "2 partition(s)"),
        ("topic tocsin.backfill.v1", "2 partition(s)"),
        ("topic tocsin.replays.v1", "2 partition(s)"),
        ("topic tocsin.backfills.v1", "2 partition(s)"),
        ("topic tocsin.notices.v1", "2 partition(s)"),
        ("topic tocsin.verdicts.v1", "2 partition(s)"),
        ("topic tocsin.feedback.v1", "2 partition(s)"),
        ("group tocsin", "may be joined"),
    ]


@pytest.mark.parametrize(
    "error", [ClusterAuthorizationFailedError, RequestTimedOutError, IncompatibleBrokerVersion, KafkaConnectionError, KafkaTimeoutError]
)
@pytest.mark.parametrize(
    ("question", "wrong"),
    [
        ("describe_cluster", "broker"),
        ("get_broker_version_data", "broker"),
        ("describe_topics", "topics"),
        ("describe_groups", "group tocsin"),
    ],
)
def test_a_broker_that_refuses_after_it_was_reached_is_a_failed_check_with_a_fix(
    question: str, wrong: str, error: type[KafkaError]
) -> None:
    checks = list(looked_at(FakeAdmin({question: error}), KafkaSettings()))
    assert failed([asdict(each) for each in checks]) == [("kafka", wrong)]
    assert any(error.__name__ in each.found for each in checks if not each.passed)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TopicAuthorizationFailedError, "this user may not use it"),
        (UnknownTopicOrPartitionError, "does not exist, or this user may not see it"),
        (LeaderNotAvailableError, "LeaderNotAvailableError"),
    ],
)
def test_what_is_wrong_with_a_topic_is_said(error: type[KafkaError], said: str) -> None:
    checks = list(looked_at(FakeAdmin(topic_errors={"tocsin.flags.v1": error}), KafkaSettings()))
    assert failed([asdict(each) for each in checks]) == [("kafka", "topic tocsin.flags.v1")]
    assert [each.found for each in checks if not each.passed] == [said]
