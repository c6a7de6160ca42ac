"""Is the bus there?

A poll does not tell: kafka-python answers it with nothing where the broker is away.
"""

from __future__ import annotations

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from tocsin.errors import Unavailable
from tocsin.kafka.client import NEIGHBOUR, connection
from tocsin.kafka.reach import obstacle
from tocsin.settings import KafkaSettings


class KafkaPing:
    """Adapter of the Ping port."""

    neighbour = NEIGHBOUR

    def __init__(self, settings: KafkaSettings) -> None:
        """Connects when it is first asked."""
        self._settings = settings
        self._admin: KafkaAdminClient | None = None

    def ask(self) -> None:
        """See Ping.ask: asks which brokers are there (0.5 ms of CPU)."""
        try:
            if self._admin is None:
                wait_ms = max(1, int(self._settings.commit_timeout_s * 1000))
                self._admin = KafkaAdminClient(**connection(self._settings), request_timeout_ms=wait_ms)
            self._admin.describe_cluster()
        except KafkaError as error:
            found = obstacle(self._settings)
            raise Unavailable(NEIGHBOUR, type(error).__name__ if found is None else str(found)) from None

    def close(self) -> None:
        """See Ping.close."""
        if self._admin is not None:
            self._admin.close()
