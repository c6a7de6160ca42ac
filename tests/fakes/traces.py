"""Back ends of traces: one in memory behind the port, and the query APIs of Jaeger and Zipkin over HTTP, as far as Tocsin asks them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tocsin.traces.ports import NoAnswer, Tagged
from tocsin.traces.types import Span, micros

from tests.support.web import serving

Json = dict[str, Any]


@dataclass
class FakeTraces:
    """TraceStore over a list of spans."""

    spans: list[Span] = field(default_factory=list)
    trouble: str = ""
    """Why nothing is answered; empty while all is."""
    asked: int = 0

    def trace(self, trace_id: str) -> Sequence[Span]:
        """See TraceStore."""
        return self._answer(lambda span: span.trace_id == trace_id)

    def services(self) -> Sequence[str]:
        """See TraceStore."""
        return [span.service for span in self._answer(lambda _span: True)]

    def tagged(self, question: Tagged, traces_max: int) -> Sequence[Span]:
        """See TraceStore."""
        named = list(dict.fromkeys(span.trace_id for span in self.spans if _matches(span, question)))[:traces_max]
        return self._answer(lambda span: span.trace_id in named)

    def _answer(self, wanted: Callable[[Span], bool]) -> list[Span]:
        self.asked += 1
        if self.trouble:
            raise NoAnswer(self.trouble)
        return [span for span in self.spans if wanted(span)]


def _matches(span: Span, question: Tagged) -> bool:
    in_time = micros(question.since) <= span.start_us <= micros(question.until)
    return in_time and span.service == question.service and str(span.attributes.get(question.attribute)) == question.value


@contextmanager
def jaeger_api() -> Iterator[tuple[str, list[Span]]]:
    """Jaeger's query API on a free port until the block ends: its address, and the spans that it keeps."""
    with _api(_jaeger) as found:
        yield found


@contextmanager
def zipkin_api() -> Iterator[tuple[str, list[Span]]]:
    """Zipkin's API v2 on a free port until the block ends: its address, and the spans that it keeps.

    Written from zipkin-api/zipkin2-api.yaml; what runs on it runs on Zipkin 3.5.1 too, which writes the names of spans in small letters.
    """
    with _api(_zipkin) as found:
        yield found


@contextmanager
def _api(answer: Callable[[str, dict[str, str], list[Span]], Any]) -> Iterator[tuple[str, list[Span]]]:
    spans: list[Span] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            told = answer(parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()}, spans)
            body = json.dumps(told).encode()
            self.send_response(404 if told is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Nobody reads it."""

    with serving(Handler) as origin:
        yield origin, spans


def _jaeger(path: str, asked: dict[str, str], spans: list[Span]) -> Json | None:
    if path == "/api/services":
        return {"data": _services(spans) or None, "total": len(_services(spans))}
    if path != "/api/traces":
        found = [span for span in spans if span.trace_id == path.removeprefix("/api/traces/")]
        return {"data": [_jaeger_trace(found)]} if found else None
    ((attribute, value),) = json.loads(asked["tags"]).items()
    begin, end = int(asked["start"]), int(asked["end"])
    named = _named(spans, lambda span: begin <= span.start_us <= end and _has(span, asked["service"], attribute, value))
    return {"data": [_jaeger_trace(each) for each in _whole(spans, named[: int(asked["limit"])])], "errors": None}


def _services(spans: Iterable[Span]) -> list[str]:
    return sorted({span.service for span in spans})


def _named(spans: Iterable[Span], matches: Callable[[Span], bool]) -> list[str]:
    return list(dict.fromkeys(span.trace_id for span in spans if matches(span)))


def _whole(spans: Sequence[Span], named: Iterable[str]) -> list[list[Span]]:
    return [[span for span in spans if span.trace_id == each] for each in named]


def _has(span: Span, service: str, attribute: str, value: str) -> bool:
    return span.service == service and str(span.attributes.get(attribute)) == value


def _jaeger_trace(spans: Sequence[Span]) -> Json:
    return {
        "traceID": spans[0].trace_id,
        "spans": [_jaeger_span(each) for each in spans],
        "processes": {each.service: {"serviceName": each.service, "tags": []} for each in spans},
    }


def _jaeger_span(span: Span) -> Json:
    parent = [] if span.parent is None else [{"refType": "CHILD_OF", "traceID": span.trace_id, "spanID": span.parent}]
    links = [{"refType": "FOLLOWS_FROM", "traceID": each, "spanID": "1"} for each in span.links]
    tags: list[Json] = [{"key": "span.kind", "type": "string", "value": span.kind.lower()}]
    tags += [
        {"key": name, "type": "int64" if isinstance(value, int) else "string", "value": value} for name, value in span.attributes.items()
    ]
    if span.failed:
        tags.append({"key": "error", "type": "bool", "value": True})
    return {
        "traceID": span.trace_id,
        "spanID": span.id,
        "operationName": span.name,
        "references": parent + links,
        "startTime": span.start_us,
        "duration": span.duration_us,
        "tags": tags,
        "logs": [],
        "processID": span.service,
    }


def _zipkin(path: str, asked: dict[str, str], spans: list[Span]) -> list[Any] | None:
    if path == "/api/v2/services":
        return _services(spans)
    if path != "/api/v2/traces":
        found = [zipkin_span(span) for span in spans if span.trace_id == path.removeprefix("/api/v2/trace/")]
        return found or None
    attribute, _, value = asked["annotationQuery"].partition("=")
    end = int(asked["endTs"]) * 1000
    begin = end - int(asked["lookback"]) * 1000
    named = _named(spans, lambda span: begin <= span.start_us <= end and _has(span, asked["serviceName"], attribute, value))
    return [[zipkin_span(span) for span in each] for each in _whole(spans, named[: int(asked["limit"])])]


def zipkin_span(span: Span) -> Json:
    """The span as Zipkin takes it and gives it back; links as OpenTelemetry's collector writes them, since Zipkin has none."""
    tags = {name: str(value) for name, value in span.attributes.items()}
    tags |= {f"otlp.link.{number}": f"{each}|1||{{}}|0" for number, each in enumerate(span.links)}
    tags |= {"error": "true"} if span.failed else {}
    kind = {} if span.kind == "INTERNAL" else {"kind": span.kind}
    parent = {} if span.parent is None else {"parentId": span.parent}
    whole = {"traceId": span.trace_id, "id": span.id, "name": span.name.lower(), "timestamp": span.start_us, "duration": span.duration_us}
    return {**whole, **kind, **parent, "localEndpoint": {"serviceName": span.service}, "tags": tags}
