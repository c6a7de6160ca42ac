"""The troubles that a run makes are what they say, on the real parts."""

from __future__ import annotations

import secrets

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from redis import Redis as Client
from redis.exceptions import ReadOnlyError, ResponseError
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.redis import Redis

from tests.chaos.evidence import Topics, read_bus
from tests.chaos.refusing import refusing
from tests.chaos.transactions import EVENTS, Aborting
from tests.support.waiting import eventually


def a_bus(kafka: Kafka) -> Topics:
    mark = secrets.token_hex(4)
    topics = Topics(f"imaging-{mark}", f"flags-{mark}", f"letters-{mark}", f"group-{mark}")
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    names = (topics.imaging, topics.flags, topics.dead_letters)
    admin.create_topics({name: {"num_partitions": 2, "replication_factor": 1} for name in names}, wait_for_metadata=True)
    admin.close()
    return topics


@pytest.mark.parametrize("abandoned", [False, True])
def test_what_an_aborted_transaction_wrote_is_no_event_of_the_bus(kafka: Kafka, abandoned: bool) -> None:
    topics = a_bus(kafka)
    aborting = Aborting(kafka.bootstrap_servers, topics.imaging)
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    producer.send(topics.imaging, b"before").get(timeout=15)
    with aborting.transaction(1, abandoned=abandoned):
        producer.send(topics.imaging, b"within").get(timeout=15)
    assert len(aborting.values()) == EVENTS
    producer.send(topics.imaging, b"behind").get(timeout=15)
    producer.close()
    eventually(
        lambda: {seen.value for seen in read_bus(kafka.bootstrap_servers, topics).events} == {b"before", b"within", b"behind"},
        within_s=60.0,
        what="the committed events alone",
    )


@pytest.mark.parametrize(("how", "refusal"), [("full", ResponseError), ("read-only", ReadOnlyError)])
def test_a_refusing_redis_answers_and_takes_no_writes_until_it_is_over(redis_server: Redis, how: str, refusal: type[Exception]) -> None:
    client = Client.from_url(redis_server.url)
    with refusing(redis_server.url, how):
        assert client.ping()
        with pytest.raises(refusal):
            client.set("chaos", "1")
    assert client.set("chaos", "1")
    client.close()
