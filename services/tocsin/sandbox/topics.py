"""Makes the topics on the embedded broker."""

from __future__ import annotations

from collections.abc import Sequence

from kafka.admin import KafkaAdminClient

from tocsin.event.topics import Topic


def create_topics(bootstrap_servers: str, topics: Sequence[Topic]) -> None:
    """Each as its file says, with one replica, since there is one broker; returns when every partition has its leader."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers)
    try:
        admin.create_topics({topic.topic: _described(topic) for topic in topics}, wait_for_metadata=True)
    finally:
        admin.close()


def _described(topic: Topic) -> dict[str, object]:
    config = {name: str(value) for name, value in topic.config.items()}
    return {"num_partitions": topic.partitions, "replication_factor": 1, "configs": config}
