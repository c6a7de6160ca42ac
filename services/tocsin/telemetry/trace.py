"""Trace context: one trace follows a picture from the event that announced it to the flag it became (W3C Trace Context)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Headers = Sequence[tuple[str, bytes]]
"""Kafka record headers."""

TRACE_HEADERS = ("traceparent", "tracestate")

_propagator = TraceContextTextMapPropagator()


def set_up_traces(service: str) -> None:
    """Give every journey a trace id; spans are exported nowhere until an exporter is configured."""
    trace.set_tracer_provider(TracerProvider(resource=Resource.create({SERVICE_NAME: service})))


@contextmanager
def journey_span(topic: str, partition: int, offset: int, headers: Headers) -> Iterator[trace.Span]:
    """A consumer span that continues the trace in the record's headers (OpenTelemetry messaging conventions)."""
    carrier = {name: value.decode("ascii", "replace") for name, value in headers if name in TRACE_HEADERS}
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": str(partition),
        "messaging.kafka.offset": offset,
    }
    tracer = trace.get_tracer("tocsin")
    with tracer.start_as_current_span(
        f"process {topic}",
        context=_propagator.extract(carrier),
        kind=trace.SpanKind.CONSUMER,
        attributes=attributes,
        record_exception=False,  # an exception's text is for the log's redaction, not for a span
        set_status_on_exception=False,
    ) as span:
        yield span


def trace_id() -> str:
    """The current trace's id, 32 hex digits; empty outside of any trace."""
    found = trace.get_current_span().get_span_context()
    return trace.format_trace_id(found.trace_id) if found.is_valid else ""


def trace_headers() -> list[tuple[str, bytes]]:
    """The current trace as Kafka record headers; empty outside a journey."""
    carrier = trace_context()
    return [(name, value.encode("ascii")) for name, value in carrier.items()]


def trace_context() -> dict[str, str]:
    """The current trace as lower-case header names and values."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier
