"""Kafka for the commands that look things up or send."""

from __future__ import annotations

from tocsin.kafka.ports import EventSink, TopicReader
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.sink import KafkaSink
from tocsin.settings import KafkaSettings


def topic_reader(settings: KafkaSettings) -> TopicReader:
    """A reader of Kafka's topics. Raises Unavailable(kafka) if no broker answers in time."""
    return KafkaTopicReader(settings)


def event_sink(settings: KafkaSettings) -> EventSink:
    """A sink that sends records to Kafka. Raises Unavailable(kafka) if no broker answers in time."""
    return KafkaSink(settings)
