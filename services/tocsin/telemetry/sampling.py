"""Which spans are exported: decided for a whole journey, once its ending is known.

A journey is kept where its producer traces it, or by the ratio; one that did not end as hoped is kept in any case. Under a producer that
does not sample, such a journey becomes a trace of its own that links to the producer's, so that no back end gets half of a trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, SpanContext, TraceFlags

from tocsin.telemetry.metrics import SPANS_DROPPED
from tocsin.telemetry.recording import RecordedSpan, RecordingTracer
from tocsin.telemetry.trace import AS_HOPED, ENDING

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


class JourneyTraces(trace.TracerProvider):
    """Holds the spans of each journey until its first span ends, and hands on those that are kept. Safe for threads."""

    def __init__(self, then: SpanProcessor, resource: Resource, ratio: float, spans_max: int) -> None:
        """`then` exports; of one journey at most `spans_max` spans are held, and its first; `ratio` counts where no parent decided."""
        self._then = then
        self._resource = resource
        self._spans_max = spans_max
        self._tracer = RecordingTracer(ratio, self._over)

    def get_tracer(self, *_arguments: object, **_more: object) -> trace.Tracer:
        """See TracerProvider.get_tracer."""
        return self._tracer

    def shutdown(self) -> None:
        """Send what is left; spans that end later are lost."""
        self._then.shutdown()

    def _over(self, span: RecordedSpan) -> None:
        held = span.held
        if held is None:
            self._hand_on([span] if span.context.trace_flags.sampled else ())
        elif held.root is span:
            self._decide(span, [*held.spans, span])
        elif len(held.spans) < self._spans_max:
            held.spans.append(span)
        else:
            SPANS_DROPPED.add(1, {"reason": "journey-too-long"})

    def _decide(self, root: RecordedSpan, spans: Sequence[RecordedSpan]) -> None:
        if root.context.trace_flags.sampled:
            self._hand_on(spans)
        elif root.attributes.get(ENDING) not in AS_HOPED:
            for each in self._sampled(root, spans):
                self._then.on_end(each)

    def _hand_on(self, spans: Sequence[RecordedSpan]) -> None:
        for each in spans:
            self._then.on_end(each.readable(self._resource, each.links, _as_it_is, first=False))

    def _sampled(self, root: RecordedSpan, spans: Sequence[RecordedSpan]) -> Iterator[ReadableSpan]:
        """The same spans as sampled ones; of a trace of their own where the root's parent is not sampled."""
        above = root.parent
        moved = _moved_to(None if above is None else RandomIdGenerator().generate_trace_id())
        for each in spans:
            first = each is root
            links = [*each.links, Link(above)] if first and above is not None else each.links
            yield each.readable(self._resource, links, moved, first=first)


def _as_it_is(of: SpanContext) -> SpanContext:
    return of


def _moved_to(trace_number: int | None) -> Callable[[SpanContext], SpanContext]:
    def moved(of: SpanContext) -> SpanContext:
        return SpanContext(of.trace_id if trace_number is None else trace_number, of.span_id, of.is_remote, _SAMPLED)

    return moved
