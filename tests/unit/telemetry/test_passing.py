"""A trace that nobody records goes on to whoever is asked, as its producer stated it."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import attach, detach
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from tocsin.telemetry.trace import trace_context


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**64 - 1), st.integers(0, 255))
def test_a_trace_is_written_as_opentelemetry_writes_it(trace: int, span: int, flags: int) -> None:
    of = SpanContext(trace, span, is_remote=False, trace_flags=TraceFlags(flags))
    token = attach(set_span_in_context(NonRecordingSpan(of)))
    try:
        theirs: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(theirs)
        assert trace_context() == (theirs if of.is_valid else {})
    finally:
        detach(token)


PASSED_ON = """
from contextlib import suppress
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from tocsin.telemetry.calls import sending, stage
from tocsin.telemetry.trace import PassingTraces, context_in, root_span, span, stages_ms, trace_headers

trace.set_tracer_provider(PassingTraces())
stated = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)
with root_span("process", SpanKind.CONSUMER, {}, parent=context_in(stated)):
    for name in ("fetch", "find"):
        with suppress(ValueError), stage(name), span("inner") as inner:
            assert tuple(trace_headers()) == stated
            inner.set_attribute("tocsin.reason", "x")
            raise ValueError
    assert tuple(trace_headers()) == stated
    assert list(stages_ms()) == ["fetch", "find"]
    with sending("others", apart=True) as another:
        assert another and tuple(another) != stated
    assert tuple(trace_headers()) == stated
assert trace_headers() == []
with root_span("process", SpanKind.CONSUMER, {}):
    begun = trace_headers()
    with stage("fetch"):
        assert trace_headers() == begun != []
assert trace_headers() == []
"""


def test_every_stage_of_a_journey_passes_its_producers_trace_on() -> None:
    subprocess.run([sys.executable, "-c", PASSED_ON], check=True, timeout=60)
