"""The bus for whoever looks things up or sends."""

from __future__ import annotations

from tocsin.kafka.ports import EventLog, EventSink
from tocsin.kafka.reader import KafkaLog
from tocsin.kafka.sink import KafkaSink
from tocsin.settings import KafkaSettings


def event_log(settings: KafkaSettings) -> EventLog:
    """The bus for whoever looks things up. Raises Unavailable(kafka) if no broker answers in time."""
    return KafkaLog(settings)


def event_sink(settings: KafkaSettings) -> EventSink:
    """The bus for whoever sends. Raises Unavailable(kafka) if no broker answers in time."""
    return KafkaSink(settings)
