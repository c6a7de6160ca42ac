"""Spans into a collector, by OTLP over HTTP in JSON (OpenTelemetry protocol 1.9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import orjson
from tocsin.traces.types import Span, Value

WITHIN_S = 30
_KINDS = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}


def send_spans(base_url: str, spans: Sequence[Span]) -> None:
    """Return once the collector has taken all of them."""
    by_service: dict[str, list[Span]] = defaultdict(list)
    for each in spans:
        by_service[each.service].append(each)
    body = orjson.dumps({"resourceSpans": [_resource(service, each) for service, each in by_service.items()]})
    parts = urlsplit(base_url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=WITHIN_S)
    try:
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
    finally:
        connection.close()


def _resource(service: str, spans: Sequence[Span]) -> dict[str, Any]:
    resource = {"attributes": [_attribute("service.name", service)]}
    return {"resource": resource, "scopeSpans": [{"scope": {"name": "tocsin"}, "spans": [_span(each) for each in spans]}]}


def _span(span: Span) -> dict[str, Any]:
    whole = {
        "traceId": span.trace_id,
        "spanId": span.id,
        "name": span.name,
        "kind": _KINDS[span.kind],
        "startTimeUnixNano": str(span.start_us * 1000),
        "endTimeUnixNano": str(span.end_us * 1000),
        "attributes": [_attribute(name, value) for name, value in span.attributes.items()],
        "links": [{"traceId": each, "spanId": "00000000000000ff"} for each in span.links],
        "status": {"code": 2} if span.failed else {},
    }
    return whole | ({} if span.parent is None else {"parentSpanId": span.parent})


def _attribute(name: str, value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"key": name, "value": {"boolValue": value}}
    return {"key": name, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
