"""An OpenTelemetry collector (OTLP by HTTP) that fails the way collectors do, as long as it is told to. It keeps no span."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final, Literal

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.relay import ConnectionCut, Request, relay
from tests.support.web import Reply

Trouble = Literal["dead", "hangs", "503", "slow"]
"""dead: connections are refused; hangs: it takes requests and never answers; slow: it answers late, within the product's patience."""

SLOW_S: Final = 2.0
HANGS_AT_MOST_S: Final = 120.0
MESSAGES: Final[Mapping[str, tuple[type[Any], str]]] = {
    "/v1/traces": (ExportTraceServiceRequest, "resource_spans"),
    "/v1/metrics": (ExportMetricsServiceRequest, "resource_metrics"),
    "/v1/logs": (ExportLogsServiceRequest, "resource_logs"),
}
"""Path -> the message that comes there, and its field that says whose it is."""


class Collector:
    """Takes what is sent to it, unless it is in trouble. Safe for threads."""

    def __init__(self) -> None:
        self.port = 0
        """Where it listens; the same after each trouble."""
        self._listening = ExitStack()
        self._trouble: Trouble | None = None
        self._over = threading.Event()
        self._heard: set[tuple[str, str]] = set()
        self._listen()

    @property
    def heard(self) -> frozenset[tuple[str, str]]:
        """Service name and path of everything it took since the last trouble ended."""
        return frozenset(self._heard)

    def fail(self, how: Trouble) -> None:
        """From now on it fails like this."""
        self._over.clear()
        self._trouble = how
        if how == "dead":
            self._listening.close()

    def mend(self) -> None:
        """From now on it takes everything. Raises OSError where its port is no longer free."""
        dead, self._trouble = self._trouble == "dead", None
        self._heard = set()
        self._over.set()
        if dead:
            self._listen()

    def close(self) -> None:
        """It is gone, and whoever was kept waiting is let go."""
        self._trouble = "dead"
        self._over.set()
        self._listening.close()

    def _listen(self) -> None:
        origin = self._listening.enter_context(relay(self._answer, port=self.port))
        self.port = int(origin.rpartition(":")[2])

    def _answer(self, request: Request) -> Reply:
        match self._trouble:
            case "dead":  # on a connection that is older than its death
                raise ConnectionCut
            case "hangs":
                self._over.wait(HANGS_AT_MOST_S)
                raise ConnectionCut
            case "503":
                return Reply(503)
            case "slow":
                self._over.wait(SLOW_S)
        self._heard.update((service, request.path) for service in _services(request))
        return Reply(200, b"", {"Content-Type": "application/x-protobuf"})


def _services(request: Request) -> Iterator[str]:
    """Whose spans, metrics or lines they are."""
    message, whose = MESSAGES[request.path]
    for each in getattr(message.FromString(request.body), whose):
        yield from (pair.value.string_value for pair in each.resource.attributes if pair.key == "service.name")


@contextmanager
def collector() -> Iterator[Collector]:
    """On a free port until the block ends."""
    standing = Collector()
    try:
        yield standing
    finally:
        standing.close()
