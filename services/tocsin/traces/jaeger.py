"""Jaeger's query API, as its own page uses it: `/api/traces/{id}` and `/api/traces?service=&tags=` (Jaeger 1.x and 2.x)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson

from tocsin.fhir.datatypes import Json, an_object, objects, text
from tocsin.traces.asking import Asking
from tocsin.traces.ports import Tagged
from tocsin.traces.types import SHOWN, Span, hex_id, kind_of, micros, time_us, value_of, words

_CHILD: Final = "CHILD_OF"


class JaegerTraces:
    """Adapter of the TraceStore port. Safe for threads."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def trace(self, trace_id: str) -> Sequence[Span]:
        """See TraceStore.trace."""
        return list(_spans(self._asking.ask(f"api/traces/{trace_id}")))

    def services(self) -> Sequence[str]:
        """See TraceStore.services."""
        return self._asking.names("api/services", _named)

    def tagged(self, question: Tagged, traces_max: int) -> Sequence[Span]:
        """See TraceStore.tagged."""
        answer = self._asking.ask(
            "api/traces",
            service=question.service,
            tags=orjson.dumps({question.attribute: question.value}).decode(),
            start=str(micros(question.since)),
            end=str(micros(question.until)),
            limit=str(traces_max),
        )
        return list(_spans(answer))


def _named(answer: Any) -> Any:
    """The list of a non-empty Jaeger; an empty one says null."""
    told = an_object(answer)
    return told["data"] or [] if "data" in told else None


def _spans(answer: Any) -> Iterator[Span]:
    for trace in objects(an_object(answer).get("data")):
        services = {name: text(an_object(each).get("serviceName")) for name, each in an_object(trace.get("processes")).items()}
        for each in objects(trace.get("spans")):
            span = _span(each, services)
            if span is not None:
                yield span


def _span(stated: Json, services: dict[str, str]) -> Span | None:
    """The span; None where it lacks an id, or a time that can be."""
    trace_id, id_ = hex_id(stated.get("traceID"), 32), hex_id(stated.get("spanID"), 16)
    start, duration = time_us(stated.get("startTime")), time_us(stated.get("duration"))
    if trace_id is None or id_ is None or start is None or duration is None:
        return None
    tags = {text(each.get("key")): each.get("value") for each in objects(stated.get("tags"))}
    references = objects(stated.get("references"))
    return Span(
        trace_id=trace_id,
        id=id_,
        parent=next((hex_id(each.get("spanID"), 16) for each in references if _is_parent(each, trace_id)), None),
        service=words(services.get(text(stated.get("processID")))),
        name=words(stated.get("operationName")),
        kind=kind_of(tags.get("span.kind")),
        start_us=start,
        duration_us=duration,
        failed=tags.get("error") is True or tags.get("otel.status_code") == "ERROR",
        attributes={name: value_of(value) for name, value in tags.items() if name in SHOWN},
        links=tuple(dict.fromkeys(found for each in references if (found := hex_id(each.get("traceID"), 32)) and found != trace_id)),
    )


def _is_parent(reference: Json, trace_id: str) -> bool:
    return reference.get("refType") == _CHILD and hex_id(reference.get("traceID"), 32) == trace_id
