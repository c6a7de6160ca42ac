"""The bus for whoever sends: kafka-python behind the EventSink port."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from kafka import KafkaProducer
from kafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

from tocsin.errors import RecordTooLarge, Unavailable
from tocsin.kafka.client import CLOSE_WAIT_S, NEIGHBOUR, allowed, connection, opened
from tocsin.kafka.producer_patches import has_id, renew_lost_ids
from tocsin.settings import KafkaSettings

ID_LOOK_S: Final = 0.02
"""Pause between two looks whether the producer has its id again."""


class KafkaSink:
    """Adapter of the EventSink port: idempotent, acks=all, safe for threads."""

    def __init__(self, settings: KafkaSettings, heard: Callable[[], None] = lambda: None) -> None:
        """Raises Unavailable(kafka) where no broker answers in time. `heard` is called on the sending thread after each answer."""
        self._heard = heard
        self._timeout_s = settings.send_timeout_s
        self._producer = opened(settings, lambda: _producer(settings))
        renew_lost_ids(self._producer)

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """See EventSink.send."""
        self._await_id()
        self._heard()
        try:
            with allowed(topic, "Write"):
                sent = self._producer.send(topic, value, key, list(headers))
            self._heard()  # the topic's brokers are known
            with allowed(topic, "Write"):
                sent.get(timeout=self._timeout_s)
            self._heard()
        except (MessageSizeTooLargeError, RecordListTooLargeError):
            size = len(value) + len(key or b"") + sum(len(name.encode()) + len(content) for name, content in headers)
            raise RecordTooLarge(
                f"{topic} takes no record of {size} bytes: raise its max.message.bytes and TOCSIN_KAFKA__SEND_BYTES_MAX"
            ) from None

    def _await_id(self) -> None:
        """Waits until the producer has an id. Raises Unavailable(kafka) after `send_timeout_s`.

        A record queued without one would go out once there is one, after its sender was told that it had not.
        """
        deadline = time.monotonic() + self._timeout_s
        while not has_id(self._producer):
            if time.monotonic() > deadline:
                raise Unavailable(NEIGHBOUR, "Kafka gave this producer no id")
            time.sleep(ID_LOOK_S)

    def close(self) -> None:
        """See EventSink.close; every send has been waited for, so that there is nothing to flush."""
        self._producer.close(timeout=CLOSE_WAIT_S)


def _producer(settings: KafkaSettings) -> KafkaProducer:
    timeout_ms = int(settings.send_timeout_s * 1000)
    return KafkaProducer(
        **connection(settings),
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        linger_ms=settings.send_linger_ms,
        max_request_size=settings.send_bytes_max,
        max_block_ms=timeout_ms,
        delivery_timeout_ms=timeout_ms,
        request_timeout_ms=max(1, timeout_ms // 2),
        metrics_enabled=False,
    )
