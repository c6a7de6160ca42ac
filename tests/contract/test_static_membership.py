"""Members that are known by name (group.instance.id), as a rolling update restarts them: what public bug reports say of other clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from tocsin.kafka.source import KafkaSource
from tocsin.sandbox.kafka import Kafka

from tests.support.buses import WITHIN_S, KafkaHouse, Member, polling
from tests.support.waiting import eventually


@pytest.fixture
def house(kafka: Kafka) -> Iterator[KafkaHouse]:
    """A bus whose members look every second whether topics have changed, and none of whom is given up while it restarts."""
    with closing(KafkaHouse(kafka.bootstrap_servers)) as made:
        made.settings = made.settings.model_copy(update={"topics_look_every_s": 1.0, "session_timeout_ms": 60_000})
        yield made


def member(house: KafkaHouse, name: str) -> Member:
    return Member(KafkaSource(house.settings.model_copy(update={"group_id": house.group("readers"), "group_instance_id": name})))


def send_to(house: KafkaHouse, partition: int) -> None:
    with closing(KafkaProducer(bootstrap_servers=house.settings.bootstrap_servers)) as producer:
        producer.send(house.topic, b"%d" % partition, partition=partition).get(timeout=WITHIN_S)


def test_partitions_that_are_added_after_a_rolling_restart_are_read_too(house: KafkaHouse) -> None:
    """KAFKA-13435: a leader that came back under its name no longer knew that it leads, and nobody asked for the new partitions."""
    first, second = member(house, "consume-0"), member(house, "consume-1")
    with polling(first, second):
        eventually(lambda: len(first.owned) == len(second.owned) == 1, within_s=WITHIN_S, what="a share for each")
    first.close()
    first = member(house, "consume-0")
    with polling(first, second):
        eventually(lambda: len(first.owned) == 1, within_s=WITHIN_S, what="its share again")
    second.close()
    second = member(house, "consume-1")
    with polling(first, second):
        eventually(lambda: len(second.owned) == 1, within_s=WITHIN_S, what="its share again")
        with closing(KafkaAdminClient(bootstrap_servers=house.settings.bootstrap_servers)) as admin:
            admin.create_partitions({house.topic: 4})
        for partition in range(4):
            send_to(house, partition)
        eventually(lambda: len({each.value for each in first.read + second.read}) == 4, within_s=WITHIN_S, what="each partition's record")
    first.close()
    second.close()
