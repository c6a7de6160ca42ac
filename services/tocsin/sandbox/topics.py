"""Creates the topics on the embedded broker."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.kafka.topic_admin import topic_admin
from tocsin.kafka.topics import Topic
from tocsin.settings import KafkaSettings


def create_topics(bootstrap_servers: str, topics: Sequence[Topic]) -> None:
    """Create each topic as its file says, but in one copy; return when every partition has its leader."""
    with topic_admin(KafkaSettings(bootstrap_servers=bootstrap_servers)) as admin:
        admin.create([topic.with_replicas(1) for topic in topics])
