"""The spans that this test process ends, kept in memory; OpenTelemetry takes one provider a process, so that all tests share it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tocsin.telemetry.sampling import JourneyTraces

SPANS_MAX = 40


@cache
def _exporter() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    trace.set_tracer_provider(JourneyTraces(SimpleSpanProcessor(exporter), Resource.get_empty(), 0.0, SPANS_MAX))
    return exporter


@contextmanager
def exported() -> Iterator[list[ReadableSpan]]:
    """Gives the spans that were exported in the block, once it ended. A journey without a producer's trace is sampled by a ratio of 0."""
    exporter = _exporter()
    exporter.clear()
    found: list[ReadableSpan] = []
    try:
        yield found
    finally:
        found.extend(exporter.get_finished_spans())


def named(spans: Sequence[ReadableSpan], name: str) -> ReadableSpan:
    """The one span of this name."""
    [found] = [each for each in spans if each.name == name]
    return found
