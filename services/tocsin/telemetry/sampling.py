"""Which spans are exported: decided for a whole journey, once its ending is known.

A journey is kept where its producer traces it, or by the ratio; one that did not end as hoped is kept in any case. Under a producer that
does not sample, such a journey becomes a trace of its own that links to the producer's, so that no back end gets half of a trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, SpanContext, TraceFlags

from tocsin.telemetry.metrics import SPANS_DROPPED
from tocsin.telemetry.trace import AS_HOPED, ENDING, HOLDER, Held

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


class Recorded(Sampler):
    """As the parent decided, else by the ratio; whatever is not sampled is recorded all the same, until the ending is known."""

    def __init__(self, ratio: float) -> None:
        self._within = ParentBased(TraceIdRatioBased(ratio))

    def should_sample(self, *arguments: Any, **more: Any) -> SamplingResult:
        """See Sampler.should_sample."""
        found = self._within.should_sample(*arguments, **more)
        if found.decision is not Decision.DROP:
            return found
        return SamplingResult(Decision.RECORD_ONLY, more.get("attributes"), found.trace_state)

    def get_description(self) -> str:
        """See Sampler.get_description."""
        return "Recorded{ParentBased{TraceIdRatioBased}}"


class JourneySpans(SpanProcessor):
    """Holds the spans of each journey until its first span ends, and hands on those that are kept. Safe for threads."""

    def __init__(self, then: SpanProcessor, spans_max: int) -> None:
        """`then` exports; of one journey at most `spans_max` spans are held, and its first."""
        self._then = then
        self._spans_max = spans_max

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """See SpanProcessor.on_start."""
        held = context.get_value(HOLDER, parent_context)
        if isinstance(held, Held) and held.root is None and span.context is not None:
            held.root = span.context.span_id

    def on_end(self, span: ReadableSpan) -> None:
        """See SpanProcessor.on_end."""
        held = context.get_value(HOLDER)
        if not isinstance(held, Held):
            self._then.on_end(span)
        elif span.context is not None and span.context.span_id == held.root:
            self._decide(span, [*held.spans, span])
        elif len(held.spans) < self._spans_max:
            held.spans.append(span)
        else:
            SPANS_DROPPED.add(1, {"reason": "journey-too-long"})

    def _decide(self, root: ReadableSpan, spans: Sequence[ReadableSpan]) -> None:
        if root.context is None or root.context.trace_flags.sampled:
            kept: Sequence[ReadableSpan] = spans
        elif (root.attributes or {}).get(ENDING) in AS_HOPED:
            kept = ()
        else:
            kept = list(_sampled(root, spans))
        for each in kept:
            self._then.on_end(each)

    def shutdown(self) -> None:
        """See SpanProcessor.shutdown."""
        self._then.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See SpanProcessor.force_flush."""
        return self._then.force_flush(timeout_millis)


def _sampled(root: ReadableSpan, spans: Sequence[ReadableSpan]) -> Iterator[ReadableSpan]:
    """The same spans as sampled ones; of a trace of their own where the root's parent is not sampled."""
    above = root.parent
    number = None if above is None else RandomIdGenerator().generate_trace_id()
    for each in spans:
        first = each is root
        yield ReadableSpan(
            name=each.name,
            context=_moved(each.context, number),
            parent=None if first else _moved(each.parent, number),
            resource=each.resource,
            attributes=each.attributes,
            events=each.events,
            links=[*each.links, Link(above)] if first and above is not None else each.links,
            kind=each.kind,
            status=each.status,
            start_time=each.start_time,
            end_time=each.end_time,
            instrumentation_scope=each.instrumentation_scope,
        )


def _moved(of: SpanContext | None, trace_number: int | None) -> SpanContext | None:
    if of is None:
        return None
    return SpanContext(of.trace_id if trace_number is None else trace_number, of.span_id, of.is_remote, _SAMPLED)
