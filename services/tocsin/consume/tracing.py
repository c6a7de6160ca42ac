"""The span of one attempt: what it continues, what it links to, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from opentelemetry.trace import Span, SpanKind

from tocsin import outcome
from tocsin.consume.attempt import Attempt
from tocsin.telemetry.trace import ATTEMPT, ENDING, EVENT_TRACE_ID, REASON, REPORT, Attributes, context_in, fail, root_span, trace_id

Producer = Literal["parent", "link"]
"""How an event's first attempt stands to its producer's span: as in TracesSettings.producer."""


@contextmanager
def attempt_span(attempt: Attempt, group: str, producer: Producer) -> Iterator[Callable[[outcome.Outcome], None]]:
    """The consumer's span of the attempt, which continues the trace that the record states; gives who is to be told of its ending.

    An attempt that is not the first begins a trace of its own, which links to the producer's and to that of the attempt before: by then the
    event's trace may be closed.
    """
    above = context_in(attempt.record.headers)
    parent = above if producer == "parent" and attempt.trail.last is None else None
    links = [each for each in (above, attempt.trail.last) if each is not None and each is not parent]
    topic = attempt.position.topic_partition.topic
    with root_span(f"process {topic}", SpanKind.CONSUMER, _attributes(attempt, group), parent=parent, links=links) as span:
        attempt.trail.add(span.get_span_context())
        span.set_attribute(EVENT_TRACE_ID, trace_id(above or attempt.trail.first))
        yield lambda ending: _ended(span, ending)


def _attributes(attempt: Attempt, group: str) -> Attributes:
    """Semantic conventions for messaging spans (in development), and the attempt's number."""
    log = attempt.position.topic_partition
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": log.topic,
        "messaging.destination.partition.id": str(log.partition),
        "messaging.consumer.group.name": group,
        "messaging.kafka.offset": attempt.position.offset,
        ATTEMPT: attempt.number,
    }


def _ended(span: Span, ending: outcome.Outcome) -> None:
    match ending:
        case outcome.Published(report, band):
            span.set_attributes({ENDING: "published", REPORT: report, REASON: band})
        case outcome.NotAssessable(report, reason):
            span.set_attributes({ENDING: "not-assessable", REPORT: report, REASON: reason})
        case outcome.Refused(reason):
            span.set_attributes({ENDING: "refused", REASON: reason})
            fail(span, reason)
        case outcome.Unavailable(neighbour):
            span.set_attributes({ENDING: "unavailable", REASON: neighbour})
            fail(span, "unavailable")
        case outcome.Contended(neighbour):
            span.set_attributes({ENDING: "contended", REASON: neighbour})
