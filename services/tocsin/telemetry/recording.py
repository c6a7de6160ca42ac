"""Records spans at the price that a journey can bear, through OpenTelemetry's API.

The SDK's own span locks, copies and checks each attribute for whoever might set it; these are set by Tocsin alone, from one thread at a
time, and are few (measured: 6 microseconds a span against 20). What is exported is handed to the SDK as its own `ReadableSpan`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import Attributes, AttributeValue

from tocsin.telemetry import SCOPE
from tocsin.telemetry.trace import HOLDER, Held, OwnTracer

_KNOWN: Final = TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID
_SCOPE: Final = InstrumentationScope(SCOPE, "")


class RecordedSpan(trace.Span):
    """A span under way. It keeps no events: Tocsin has none, and an exception's text is for the log's redaction."""

    __slots__ = ("_over", "attributes", "began_ns", "context", "ended_ns", "held", "kind", "links", "name", "parent", "status")

    def __init__(
        self,
        name: str,
        stated: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Mapping[str, AttributeValue],
        links: Sequence[Link],
        held: Held | None,
        over: Callable[[RecordedSpan], None],
    ) -> None:
        """Begins now; `held` is what is known of its journey, `over` is called once it ended."""
        self.name = name
        self.context = stated
        self.parent = parent
        self.kind = kind
        self.attributes = dict(attributes)
        self.links = links
        self.held = held
        self._over = over
        self.status = Status()
        self.ended_ns: int | None = None
        self.began_ns = time.time_ns()

    def end(self, end_time: int | None = None) -> None:
        """See Span.end; only the first counts."""
        if self.ended_ns is None:
            self.ended_ns = end_time or time.time_ns()
            self._over(self)

    def get_span_context(self) -> SpanContext:
        """See Span.get_span_context."""
        return self.context

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """See Span.set_attributes."""
        self.attributes.update(attributes)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """See Span.set_attribute."""
        self.attributes[key] = value

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """Keeps nothing."""

    def record_exception(
        self, exception: BaseException, attributes: Attributes = None, timestamp: int | None = None, escaped: bool = False
    ) -> None:
        """Keeps nothing."""

    def update_name(self, name: str) -> None:
        """See Span.update_name."""
        self.name = name

    def is_recording(self) -> bool:
        """See Span.is_recording."""
        return self.ended_ns is None

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """See Span.set_status."""
        self.status = status if isinstance(status, Status) else Status(status, description)

    def readable(
        self, resource: Resource, links: Sequence[Link], moved: Callable[[SpanContext], SpanContext], *, first: bool
    ) -> ReadableSpan:
        """As the SDK exports it, its ids `moved`; without a parent if it is the `first` of its trace."""
        return ReadableSpan(
            name=self.name,
            context=moved(self.context),
            parent=None if first or self.parent is None else moved(self.parent),
            resource=resource,
            attributes=self.attributes,
            links=links,
            kind=self.kind,
            status=self.status,
            start_time=self.began_ns,
            end_time=self.ended_ns,
            instrumentation_scope=_SCOPE,
        )


class RecordingTracer(OwnTracer):
    """Records every span; it is sampled as its parent is, or where it has none by the ratio. Safe for threads."""

    def __init__(self, ratio: float, over: Callable[[RecordedSpan], None]) -> None:
        """`over` is called with each span that ended."""
        self._ratio = TraceIdRatioBased(ratio)
        self._ids = RandomIdGenerator()
        self._over = over

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        *_arguments: object,
        **_more: object,
    ) -> RecordedSpan:
        """See Tracer.start_span."""
        above = trace.get_current_span(context).get_span_context()
        parent = above if above.is_valid else None
        stated = self._new() if parent is None else self._below(parent)
        held = _held(context)
        span = RecordedSpan(name, stated, parent, kind, attributes or {}, links or (), held, self._over)
        if held is not None and held.root is None:
            held.root = span
        return span

    def _below(self, parent: SpanContext) -> SpanContext:
        flags = TraceFlags(parent.trace_flags & _KNOWN)
        return SpanContext(parent.trace_id, self._ids.generate_span_id(), is_remote=False, trace_flags=flags)

    def _new(self) -> SpanContext:
        number = self._ids.generate_trace_id()
        sampled = self._ratio.should_sample(None, number, "").decision is Decision.RECORD_AND_SAMPLE
        flags = TraceFlags(TraceFlags.RANDOM_TRACE_ID | (TraceFlags.SAMPLED if sampled else 0))
        return SpanContext(number, self._ids.generate_span_id(), is_remote=False, trace_flags=flags)


def _held(within: Context | None) -> Held | None:
    found = context.get_value(HOLDER, within)
    return found if isinstance(found, Held) else None
