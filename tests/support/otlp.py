"""A small OpenTelemetry collector on a free port: keeps the spans, metrics and log lines that it is sent, by HTTP or by gRPC."""

from __future__ import annotations

import gzip
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, Literal

import grpc
import orjson
from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped] # ships no types
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from tests.support.web import serving

Protocol = Literal["http/protobuf", "grpc"]

STATUSES: Final = ("UNSET", "OK", "ERROR")
KINDS: Final = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
HANGS_AT_MOST_S: Final = 60.0
JSON: Final = "application/json"
IDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})


@dataclass(frozen=True)
class Span:
    """One span as it was sent; ids in hexadecimal digits, empty where there is none."""

    name: str
    kind: str
    """One of KINDS."""
    trace_id: str
    span_id: str
    parent_id: str
    status: str
    """One of STATUSES."""
    attributes: Mapping[str, Any]
    links: Sequence[tuple[str, str]]
    """Trace id and span id of each."""
    began_ns: int
    ended_ns: int
    resource: Mapping[str, Any]


@dataclass(frozen=True)
class Point:
    """One value of one metric as it was sent last."""

    name: str
    unit: str
    labels: Mapping[str, str]
    value: float
    """Of a histogram, how many values it has seen."""
    resource: Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """One log line as it was sent."""

    body: str
    severity: str
    trace_id: str
    span_id: str
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]


class Collector:
    """What was received. Set `status` (an HTTP status) or `hangs` to make it answer otherwise. Safe for threads."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        """For TOCSIN_OTLP__ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT."""
        self.status = 200
        self.hangs = False
        self.requests = 0
        """All that came, also those that were answered otherwise."""
        self.headers: list[Mapping[str, str]] = []
        """Of each request; names in lower case."""
        self._lock = threading.Lock()
        self._let_go = threading.Event()
        self._spans: list[Span] = []
        self._points: list[Point] = []
        self._lines: list[Line] = []

    @property
    def spans(self) -> list[Span]:
        """Every span, in the order in which they came."""
        with self._lock:
            return list(self._spans)

    @property
    def points(self) -> list[Point]:
        """Every value of every metric, again with each export."""
        with self._lock:
            return list(self._points)

    @property
    def lines(self) -> list[Line]:
        """Every log line, in the order in which they came."""
        with self._lock:
            return list(self._lines)

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of one trace, the first begun first."""
        return sorted((each for each in self.spans if each.trace_id == trace_id), key=lambda each: each.began_ns)

    def latest(self, name: str, **labels: str) -> float | None:
        """The metric's value as it was sent last; dots in the names of labels are written as underscores."""
        found = [each for each in self.points if each.name == name and _has(each.labels, labels)]
        return found[-1].value if found else None

    def close(self) -> None:
        """Lets go whoever was kept waiting."""
        self._let_go.set()

    def asked(self, headers: Mapping[str, str]) -> int:
        """The HTTP status of the answer to a request with these headers; waits while it hangs."""
        with self._lock:
            self.requests += 1
            self.headers.append(headers)
        if self.hangs:
            self._let_go.wait(HANGS_AT_MOST_S)
        return self.status

    def take_spans(self, request: ExportTraceServiceRequest) -> ExportTraceServiceResponse:
        """Keeps the spans."""
        with self._lock:
            self._spans.extend(_spans(request))
        return ExportTraceServiceResponse()

    def take_points(self, request: ExportMetricsServiceRequest) -> ExportMetricsServiceResponse:
        """Keeps the metrics."""
        with self._lock:
            self._points.extend(_points(request))
        return ExportMetricsServiceResponse()

    def take_lines(self, request: ExportLogsServiceRequest) -> ExportLogsServiceResponse:
        """Keeps the log lines."""
        with self._lock:
            self._lines.extend(_lines(request))
        return ExportLogsServiceResponse()


def exporting(to: Collector, protocol: Protocol = "http/protobuf", **more: str) -> dict[str, str]:
    """The variables of a process that sends there, and soon."""
    return {"TOCSIN_OTLP__ENDPOINT": to.endpoint, "TOCSIN_OTLP__PROTOCOL": protocol, "TOCSIN_OTLP__EVERY_S": "0.2", **more}


@contextmanager
def collector(protocol: Protocol = "http/protobuf") -> Iterator[Collector]:
    """Collect until the block ends."""
    with _by_http() if protocol == "http/protobuf" else _by_grpc() as made:
        try:
            yield made
        finally:
            made.close()


@contextmanager
def _by_http() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status = made.asked({name.lower(): value for name, value in self.headers.items()})
            answer, form = b"", self.headers.get("Content-Type", "")
            if status == 200:
                unpacked = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
                answer = _taken_as_json(made, self.path, unpacked) if form == JSON else _taken(made, self.path, unpacked)
            self.send_response(status)
            self.send_header("Content-Type", form)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_args: object) -> None:
            """Requests are counted, not printed."""

    with serving(Handler) as origin:
        made = Collector(origin)
        yield made


def _taken(by: Collector, path: str, body: bytes) -> bytes:
    answer: Any
    match path:
        case "/v1/traces":
            answer = by.take_spans(ExportTraceServiceRequest.FromString(body))
        case "/v1/metrics":
            answer = by.take_points(ExportMetricsServiceRequest.FromString(body))
        case "/v1/logs":
            answer = by.take_lines(ExportLogsServiceRequest.FromString(body))
        case _:
            raise AssertionError(f"no such signal: {path}")
    return bytes(answer.SerializeToString())


def _taken_as_json(by: Collector, path: str, body: bytes) -> bytes:
    """As `_taken`, of spans alone: who else writes JSON sends nothing else."""
    assert path == "/v1/traces", f"no such signal as JSON: {path}"
    by.take_spans(ParseDict(_with_bytes(orjson.loads(body)), ExportTraceServiceRequest(), ignore_unknown_fields=True))
    return b"{}"


def _with_bytes(told: Any) -> Any:
    """The same, with ids as protobuf's own JSON has bytes: OTLP writes them in hexadecimal digits (OTLP 1.9, JSON encoding)."""
    if isinstance(told, list):
        return [_with_bytes(each) for each in told]
    if not isinstance(told, dict):
        return told
    return {name: b64encode(bytes.fromhex(value)).decode() if name in IDS else _with_bytes(value) for name, value in told.items()}


@contextmanager
def _by_grpc() -> Iterator[Collector]:
    server = grpc.server(ThreadPoolExecutor(4))
    made = Collector(f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    for add, take in _SERVICES.items():
        add(_service(made, partial(take, made)), server)
    server.start()
    try:
        yield made
    finally:
        made.close()
        server.stop(None).wait()


_SERVICES: Final[Mapping[Callable[..., Any], Callable[..., Any]]] = {
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server: Collector.take_spans,
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server: Collector.take_points,
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server: Collector.take_lines,
}
"""Registers a service with a server -> what takes its requests."""


def _service(by: Collector, take: Callable[[Any], Any]) -> Any:
    class Service:
        def Export(self, request: Any, call: Any) -> Any:  # noqa: N802 - gRPC finds its methods by these names
            status = by.asked(dict(call.invocation_metadata()))
            if status != 200:
                call.abort(grpc.StatusCode.UNAVAILABLE, "out of order")
            return take(request)

    return Service()


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        whose = _attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    name=span.name,
                    kind=KINDS[span.kind],
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    status=STATUSES[span.status.code],
                    attributes=_attributes(span.attributes),
                    links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                    began_ns=span.start_time_unix_nano,
                    ended_ns=span.end_time_unix_nano,
                    resource=whose,
                )


def _points(request: ExportMetricsServiceRequest) -> Iterator[Point]:
    for resource in request.resource_metrics:
        whose = _attributes(resource.resource.attributes)
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in getattr(metric, str(metric.WhichOneof("data"))).data_points:
                    yield Point(metric.name, metric.unit, _attributes(point.attributes), _value(point), whose)


def _value(point: Any) -> float:
    if hasattr(point, "bucket_counts"):
        return float(point.count)
    return float(getattr(point, point.WhichOneof("value")))


def _lines(request: ExportLogsServiceRequest) -> Iterator[Line]:
    for resource in request.resource_logs:
        whose = _attributes(resource.resource.attributes)
        for scope in resource.scope_logs:
            for line in scope.log_records:
                yield Line(
                    body=line.body.string_value,
                    severity=line.severity_text,
                    trace_id=line.trace_id.hex(),
                    span_id=line.span_id.hex(),
                    attributes=_attributes(line.attributes),
                    resource=whose,
                )


def _attributes(pairs: Sequence[KeyValue]) -> dict[str, Any]:
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    return None if kind is None else getattr(value, kind)


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return {name.replace(".", "_"): value for name, value in labels.items()}.items() >= wanted.items()
