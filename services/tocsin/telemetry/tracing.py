"""Sets up how a process traces: spans go to a collector where the settings name one, and else nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from tocsin.settings import OtlpSettings, TracesSettings
from tocsin.telemetry.otlp import end_within
from tocsin.telemetry.sampling import JourneyTraces
from tocsin.telemetry.trace import PassingTraces


@contextmanager
def tracing(exporter: SpanExporter | None, resource: Resource, traces: TracesSettings, otlp: OtlpSettings) -> Iterator[None]:
    """Trace until the block ends, and then send what is left within `otlp.close_wait_s`.

    Without an exporter, or with OTEL_SDK_DISABLED, traces are only passed on.
    """
    if exporter is None or _disabled():
        trace.set_tracer_provider(PassingTraces())
        yield
        return
    batches = BatchSpanProcessor(
        exporter,
        max_queue_size=otlp.queue_max,
        schedule_delay_millis=otlp.every_s * 1000,
        max_export_batch_size=min(512, otlp.queue_max),
    )
    provider = JourneyTraces(batches, resource, traces.ratio, traces.held_spans_max)
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        end_within(otlp.close_wait_s, provider.shutdown, "traces-end")


def _disabled() -> bool:
    """OpenTelemetry's general configuration: only `true`, in whatever case, is true."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
