"""A producer that writes imaging events in a transaction and never commits it: aborted in good order, or left behind until it is fenced."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from kafka import KafkaProducer
from kafka.errors import KafkaError

from tests.chaos.hospital import HospitalStuck

EVENTS: Final = 5
"""In each transaction, spread over the partitions."""
ACK_WITHIN_S: Final = 10.0
FENCED_WITHIN_S: Final = 120.0
"""A transaction that stays open holds back everything behind it, so that the run waits until the broker has ended it."""
PAUSE_S: Final = 0.5


class Aborting:
    """Safe for threads."""

    def __init__(self, bootstrap_servers: str, imaging: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._imaging = imaging
        self._lock = threading.Lock()
        self._values: list[str] = []

    def values(self) -> tuple[str, ...]:
        """Values, base64, of every event that was sent and not committed until now."""
        with self._lock:
            return tuple(self._values)

    @contextmanager
    def transaction(self, number: int, *, abandoned: bool) -> Iterator[None]:
        """Open while the block lasts. `abandoned`: its producer goes without a word, and another of its name ends it."""
        name = f"chaos-{number}"
        producer = self._begun(name, number)
        try:
            yield
        finally:
            if producer is not None and not abandoned:
                with suppress(KafkaError):
                    producer.abort_transaction()
            if producer is not None:
                producer.close(timeout=0)
            self._fence(name)

    def _begun(self, name: str, number: int) -> KafkaProducer | None:
        """None where Kafka is away, so that there is nothing to abort."""
        try:
            producer = self._producer(name)
        except KafkaError:
            return None
        with suppress(KafkaError):
            producer.init_transactions()
            producer.begin_transaction()
            for each in range(EVENTS):
                self._send(producer, f"aborted-{number}-{each}")
            producer.flush(timeout=ACK_WITHIN_S)
        return producer

    def _send(self, producer: KafkaProducer, id_: str) -> None:
        event = {"version": 1, "id": id_, "source": "urn:chaos:camera", "occurred_at": "2026-03-01T09:30:00+01:00"}
        value = json.dumps(event | {"media": f"Media/{id_}", "subject": "Patient/chaos-0"}).encode()
        with self._lock:
            self._values.append(base64.b64encode(value).decode())
        producer.send(self._imaging, value, id_.encode())

    def _fence(self, name: str) -> None:
        """Returns once no transaction of this name is open. Raises HospitalStuck where that takes too long."""
        deadline = time.monotonic() + FENCED_WITHIN_S
        pause = threading.Event()
        while not self._fenced(name):
            if time.monotonic() > deadline:
                raise HospitalStuck(f"the transaction of {name} was not ended within {FENCED_WITHIN_S:.0f} s")
            pause.wait(PAUSE_S)

    def _fenced(self, name: str) -> bool:
        try:
            producer = self._producer(name)
        except KafkaError:
            return False
        try:
            producer.init_transactions()
        except KafkaError:
            return False
        finally:
            producer.close(timeout=0)
        return True

    def _producer(self, name: str) -> KafkaProducer:
        return KafkaProducer(
            bootstrap_servers=self._bootstrap_servers,
            transactional_id=name,
            max_block_ms=int(ACK_WITHIN_S * 1000),
            request_timeout_ms=int(ACK_WITHIN_S * 500),
            delivery_timeout_ms=int(ACK_WITHIN_S * 1000),
            linger_ms=0,
            metrics_enabled=False,
        )
