"""The bus for whoever looks things up or sends."""

from __future__ import annotations

from tocsin.kafka.ports import EventSink, TopicReader
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.sink import KafkaSink
from tocsin.settings import KafkaSettings


def topic_reader(settings: KafkaSettings) -> TopicReader:
    """The bus for whoever looks things up. Raises Unavailable(kafka) if no broker answers in time."""
    return KafkaTopicReader(settings)


def event_sink(settings: KafkaSettings) -> EventSink:
    """The bus for whoever sends. Raises Unavailable(kafka) if no broker answers in time."""
    return KafkaSink(settings)
