"""One trace follows a picture from the event that announced it to the flag that it became (OpenTelemetry; W3C Trace Context).

Spans carry codes, ids of resources and hashes, never what a resource says, and no exception's text. A producer's `tracestate` is neither
read nor passed on: it is foreign text (W3C Trace Context, 3.5, lets a participant drop it).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Token
from types import TracebackType
from typing import Any, Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from tocsin.telemetry import SCOPE

Headers = Sequence[tuple[str, bytes]]
"""Kafka record headers."""

Attributes = Mapping[str, AttributeValue]

TRACE_PARENT: Final = "traceparent"
TRACE_HEADERS: Final = (TRACE_PARENT, "tracestate")
"""Headers of an earlier trace."""

HOLDER: Final = context.create_key("tocsin-journey")
"""Under it the current context holds the JourneySpans of the journey or task that is under way (telemetry/sampling.py)."""

MEDIA: Final = "tocsin.media"
REPORT: Final = "tocsin.report"
ENDING: Final = "tocsin.ending"
REASON: Final = "tocsin.reason"
ATTEMPT: Final = "tocsin.attempt"
EVENT_TRACE_ID: Final = "tocsin.event.trace_id"
"""Trace id in the event's own headers, or of its first attempt; by it all that happened to one event is found."""

AS_HOPED: Final = frozenset({"published", "done"})
"""Endings of which only a share is kept; spans of every other ending are kept in any case."""

_propagator: Final = TraceContextTextMapPropagator()
_tracer: Final = trace.get_tracer(SCOPE)
"""That of the process's provider, looked for when it is first used: each look costs 10 microseconds."""


class Held:
    """What is known of one journey or task while it is under way: its spans and how long its stages took."""

    __slots__ = ("root", "spans", "stages_s")

    def __init__(self) -> None:
        self.root: Span | None = None
        """Its first span."""
        self.spans: list[Any] = []
        self.stages_s: dict[str, float] = {}


class span:  # noqa: N801 - used like a function, in `with`
    """A span around a block. It costs less than a generator would (measured: 2 of 9 microseconds).

    An exception that leaves the block makes the span an error of that type; its text stays out.
    """

    __slots__ = ("_arguments", "_name", "_parent", "_token", "span")

    def __init__(
        self,
        name: str,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes | None = None,
        links: Sequence[Link] = (),
        parent: Context | None = None,
    ) -> None:
        """`parent` is a context; None: the current one."""
        self._name = name
        self._arguments = (kind, attributes, links)
        self._parent = parent

    def __enter__(self) -> Span:
        self._token: Token[Context] | None = None
        if self._parent is None and (passed_on := _passed_on()) is not None:
            self.span = passed_on
            return passed_on
        kind, attributes, links = self._arguments
        self.span = _tracer.start_span(
            self._name,
            self._parent,
            kind,
            attributes,
            links,
            record_exception=False,  # an exception's text is for the log's redaction, not for a span
            set_status_on_exception=False,
        )
        self._token = context.attach(trace.set_span_in_context(self.span, self._parent))
        return self.span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _where: TracebackType | None) -> None:
        if error is not None:
            fail(self.span, type(error).__name__)
        if self._token is not None:
            context.detach(self._token)
        self.span.end()


def _passed_on() -> Span | None:
    """The current span where one below it would be that one itself: where traces are only passed on; None elsewhere."""
    if not isinstance(trace.get_tracer_provider(), PassingTraces):
        return None
    current = trace.get_current_span()
    return current if current.get_span_context().is_valid else None


def leaf(name: str, kind: SpanKind, attributes: Attributes) -> Span:
    """Begin a span in which no other begins: it never becomes the current one. Whoever asks for it ends it."""
    return _tracer.start_span(name, None, kind, attributes, record_exception=False, set_status_on_exception=False)


def took(stage: str, seconds: float) -> None:
    """Note that the journey under way spent this long in a stage, again perhaps."""
    held = context.get_value(HOLDER)
    if isinstance(held, Held):
        held.stages_s[stage] = held.stages_s.get(stage, 0.0) + seconds


def stages_ms() -> dict[str, float]:
    """Stage -> milliseconds that the journey under way has spent in it, in the order in which they began."""
    held = context.get_value(HOLDER)
    return {name: round(seconds * 1000, 1) for name, seconds in held.stages_s.items()} if isinstance(held, Held) else {}


def fail(failed: Span, why: str) -> None:
    """Make the span an error; `why` is a code or a class."""
    failed.set_status(Status(StatusCode.ERROR))
    failed.set_attribute(ERROR_TYPE, why)


def note(attribute: str, value: str) -> None:
    """Say this of the current span; `value` is a code or an id."""
    trace.get_current_span().set_attribute(attribute, value)


@contextmanager
def root_span(
    name: str, kind: SpanKind, attributes: Attributes, *, parent: SpanContext | None = None, links: Sequence[SpanContext] = ()
) -> Iterator[Span]:
    """The span of a whole journey or task: a child of `parent`, or the first of a trace of its own.

    Whoever is inside sets ENDING; the spans are held until then (telemetry/sampling.py).
    """
    above = trace.set_span_in_context(NonRecordingSpan(parent or INVALID_SPAN_CONTEXT), Context({HOLDER: Held()}))
    with span(name, kind, attributes, [Link(each) for each in links], above) as root:
        yield root


def context_in(headers: Headers) -> SpanContext | None:
    """The trace context that a record's headers state; None where they state none, or none that can be read."""
    stated = next((value for name, value in headers if name == TRACE_PARENT), None)
    if stated is None:
        return None
    found = trace.get_current_span(_propagator.extract({TRACE_PARENT: stated.decode("ascii", "replace")}, Context())).get_span_context()
    return found if found.is_valid else None


def trace_id(of: SpanContext | None = None) -> str:
    """The trace's id, 32 hex digits: the current one's unless another context is given; empty outside of any trace."""
    found = of or trace.get_current_span().get_span_context()
    return trace.format_trace_id(found.trace_id) if found.is_valid else ""


def current() -> SpanContext | None:
    """The current span's context; None outside of any trace."""
    found = trace.get_current_span().get_span_context()
    return found if found.is_valid else None


def trace_headers() -> list[tuple[str, bytes]]:
    """The current trace as Kafka record headers; empty outside of any trace."""
    return [(name, value.encode("ascii")) for name, value in trace_context().items()]


def trace_context() -> dict[str, str]:
    """The current trace as lower-case header names and values."""
    return context_of(trace.get_current_span())


def context_of(of: Span) -> dict[str, str]:
    """The span's trace as lower-case header names and values (W3C Trace Context, 3.2); empty outside of any trace."""
    found = of.get_span_context()
    return {TRACE_PARENT: f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"} if found.is_valid else {}


def sampled_context() -> dict[str, str]:
    """As `trace_context`; empty where the trace is not sampled."""
    return trace_context() if trace.get_current_span().get_span_context().trace_flags.sampled else {}


class OwnTracer(trace.Tracer):
    """What Tocsin's tracers have in common."""

    @contextmanager
    def start_as_current_span(  # type: ignore[override] # its own decorator is not public
        self, name: str, context: Context | None = None, *arguments: Any, **more: Any
    ) -> Iterator[Span]:
        """As `start_span`, current until the block ends."""
        with trace.use_span(self.start_span(name, context, *arguments, **more), True, False, False) as started:
            yield started


class PassingTracer(OwnTracer):
    """Records nothing and passes on what it is given; begins a trace where there is none, by which lines and records belong together."""

    def start_span(self, name: str, context: Context | None = None, *_arguments: object, **_more: object) -> Span:
        """The parent, or a new trace's span that says that nobody records it."""
        above = trace.get_current_span(context)
        if above.get_span_context().is_valid:
            return NonRecordingSpan(above.get_span_context())
        return NonRecordingSpan(
            SpanContext(random.getrandbits(128) or 1, random.getrandbits(64) or 1, is_remote=False, trace_flags=TraceFlags(0))
        )


class PassingTraces(trace.TracerProvider):
    """The provider of a process that exports no spans."""

    def get_tracer(self, *_arguments: object, **_more: object) -> trace.Tracer:
        """See TracerProvider.get_tracer."""
        return PassingTracer()
