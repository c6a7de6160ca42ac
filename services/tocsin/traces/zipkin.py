"""Zipkin's API v2 (zipkin-api/zipkin2-api.yaml): `/api/v2/trace/{id}` and `/api/v2/traces?annotationQuery=`.

Zipkin writes the names of spans in small letters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from tocsin.fhir.datatypes import Json, an_object, objects, text
from tocsin.traces.asking import Asking
from tocsin.traces.ports import Tagged
from tocsin.traces.types import SHOWN, Span, Value, hex_id, kind_of, time_us, value_of, words

_LINK: Final = "otlp.link."
"""Begins the tag that holds a link, `TRACE|SPAN|...`: Zipkin has none, and OpenTelemetry's collector writes them so."""
_NOT_FAILED: Final = (None, "false")


class ZipkinTraces:
    """Adapter of the TraceStore port. Safe for threads."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def trace(self, trace_id: str) -> Sequence[Span]:
        """See TraceStore.trace."""
        return list(_spans(self._asking.ask(f"api/v2/trace/{trace_id}")))

    def services(self) -> Sequence[str]:
        """See TraceStore.services."""
        return self._asking.names("api/v2/services", lambda answer: answer)

    def tagged(self, question: Tagged, traces_max: int) -> Sequence[Span]:
        """See TraceStore.tagged."""
        answer = self._asking.ask(
            "api/v2/traces",
            serviceName=question.service.lower(),
            annotationQuery=f"{question.attribute}={question.value}",
            endTs=str(int(question.until.timestamp() * 1000)),
            lookback=str((question.until - question.since) // timedelta(milliseconds=1)),
            limit=str(traces_max),
        )
        traces = answer[:traces_max] if isinstance(answer, list) else []  # Zipkin counts those as one whose ids end alike
        return [span for trace in traces for span in _spans(trace)]


def _spans(trace: Any) -> Iterator[Span]:
    for each in objects(trace):
        span = _span(each)
        if span is not None:
            yield span


def _span(stated: Json) -> Span | None:
    """The span; None where it lacks an id, or a time that can be. Zipkin's texts are numbers too: `1` may be an attempt."""
    trace_id, id_ = hex_id(stated.get("traceId"), 32), hex_id(stated.get("id"), 16)
    start, duration = time_us(stated.get("timestamp")), time_us(stated.get("duration", 0))
    if trace_id is None or id_ is None or start is None or duration is None:
        return None
    tags = an_object(stated.get("tags"))
    return Span(
        trace_id=trace_id,
        id=id_,
        parent=hex_id(stated.get("parentId"), 16),
        service=words(an_object(stated.get("localEndpoint")).get("serviceName")),
        name=words(stated.get("name")),
        kind=kind_of(stated.get("kind")),
        start_us=start,
        duration_us=duration,
        failed=tags.get("error") not in _NOT_FAILED or tags.get("otel.status_code") == "ERROR",
        attributes={name: _value(value) for name, value in tags.items() if name in SHOWN},
        links=tuple(_links(tags, trace_id)),
    )


def _links(tags: Json, trace_id: str) -> Iterator[str]:
    for name, value in tags.items():
        found = hex_id(text(value).partition("|")[0], 32) if name.startswith(_LINK) else None
        if found is not None and found != trace_id:
            yield found


def _value(value: object) -> Value:
    said = text(value)
    return int(said) if said.isascii() and said.isdigit() and len(said) <= 18 else value_of(value)
