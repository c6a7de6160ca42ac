"""Announces pictures that the record holds already; where a report stands, the journey repeats its flag alone."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from opentelemetry.trace import SpanContext

from tocsin.archive.types import Candidate, ReportSummary
from tocsin.event.types import ImagingEvent
from tocsin.kafka.ports import EventSink
from tocsin.kafka.records import encode
from tocsin.report.resources.identity import repeatable_id
from tocsin.telemetry.calls import sending
from tocsin.telemetry.metrics import ANNOUNCED
from tocsin.telemetry.trace import current

BACKFILL: Final = "urn:tocsin:backfill"
RECONCILE: Final = "urn:tocsin:reconcile"
"""Sources of the events that backfill and reconciliation announce."""

SENDING_MAX: Final = 16
"""Most events on their way to Kafka at the same time; each waits for Kafka's acknowledgement."""

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def event_id(source: str, candidate: Candidate) -> str:
    """The event's id, the same whenever a source announces the same version of a Media (RFC 9562, UUID version 5)."""
    return repeatable_id(uuid.NAMESPACE_URL, source, candidate.media, candidate.version)


def with_studies(candidates: Iterable[Candidate], reports: Iterable[ReportSummary]) -> list[Candidate]:
    """The same pictures, each with the study that the report on its latest version names."""
    studies = {each.media: each.study for each in sorted(reports, key=lambda each: each.as_of or _NEVER) if each.study is not None}
    return [replace(each, study=studies.get(each.media, each.study)) for each in candidates]


class Pace:
    """Paces a sender to at most `per_second` events a second, evenly."""

    def __init__(
        self, per_second: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        """`clock` gives seconds."""
        self._every_s = 1 / per_second
        self._clock = clock
        self._sleep = sleep
        self._due = clock()

    def wait(self) -> None:
        """Wait until the next event is due, at most for the time between two events."""
        self._sleep(min(self._every_s, max(0.0, self.left_s)))
        self._due = max(self._due, self._clock()) + self._every_s

    @property
    def left_s(self) -> float:
        """Seconds until the next event is due; 0 or less where it is due."""
        return self._due - self._clock()


def announce(sink: EventSink, topic: str, source: str, candidates: Collection[Candidate], pace: Pace | None = None) -> None:
    """Return once Kafka has an event for each candidate, sent at this pace. Raises Unavailable(kafka); some may be on the topic by then."""
    if not candidates:
        return
    with ThreadPoolExecutor(min(SENDING_MAX, len(candidates))) as threads:
        under_way = []
        for each in candidates:
            if pace is not None:
                pace.wait()
            under_way.append(threads.submit(_send, sink, topic, source, each, current()))
        for sent in under_way:
            sent.result()
            ANNOUNCED.add(1, {"by": "backfill" if source == BACKFILL else "reconciliation"})


def _send(sink: EventSink, topic: str, source: str, candidate: Candidate, step: SpanContext | None) -> None:
    event = ImagingEvent(
        version=1,
        id=event_id(source, candidate),
        source=source,
        occurred_at=candidate.occurred_at,
        media=candidate.media,
        subject=candidate.subject,
        study=candidate.study,
    )
    with sending(topic, [step], apart=True) as headers:
        sink.send(topic, candidate.subject.encode("ascii"), encode(event), headers)
