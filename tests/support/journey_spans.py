"""Spans of made-up journeys, as Tocsin sends them."""

from __future__ import annotations

import itertools
from typing import Any

from tocsin.traces.types import Span, SpanKind

BEGAN_US = 1_772_354_400_000_000
"""2026-03-01T08:40:00Z."""
CONSUME = "tocsin-consume"

_ids = itertools.count(1)


def span(trace_id: str, name: str, parent: Span | None = None, **changes: Any) -> Span:
    """A span of 10 ms that begins with its parent."""
    kind: SpanKind = "INTERNAL"
    whole: dict[str, Any] = {
        "trace_id": trace_id,
        "id": f"{next(_ids):016x}",
        "parent": None if parent is None else parent.id,
        "service": CONSUME,
        "name": name,
        "kind": kind,
        "start_us": BEGAN_US if parent is None else parent.start_us,
        "duration_us": 10_000,
        "failed": False,
    }
    return Span(**(whole | changes))


def journey(
    trace_id: str,
    *,
    media: str = "Media/m1",
    report: str | None = "DiagnosticReport/r1",
    attempt: int = 1,
    ending: str = "published",
    event_trace_id: str | None = None,
    start_us: int = BEGAN_US,
    **changes: Any,
) -> list[Span]:
    """One attempt at an event: its span, two stages, a request and a record sent."""
    attributes: dict[str, Any] = {
        "messaging.destination.name": "imaging.events.v1",
        "messaging.destination.partition.id": "1",
        "messaging.kafka.offset": 17,
        "tocsin.media": media,
        "tocsin.ending": ending,
        "tocsin.reason": "high" if report else "fhir",
        "tocsin.attempt": attempt,
        "tocsin.event.trace_id": event_trace_id or trace_id,
    } | ({"tocsin.report": report} if report else {})
    more: dict[str, Any] = {
        "kind": "CONSUMER",
        "attributes": attributes,
        "duration_us": 100_000,
        "start_us": start_us,
        "failed": report is None,
    }
    root = span(trace_id, "process imaging.events.v1", **(more | changes))
    fetch = span(trace_id, "fetch", root, start_us=root.start_us + 1_000, duration_us=20_000)
    asked = {"http.request.method": "GET", "url.template": "Media/{id}", "http.response.status_code": 200}
    get = span(trace_id, "GET Media/{id}", fetch, kind="CLIENT", attributes=asked)
    announce = span(trace_id, "announce", root, start_us=root.start_us + 80_000)
    return [root, fetch, get, announce, span(trace_id, "send tocsin.flags.v1", announce, kind="PRODUCER")]
