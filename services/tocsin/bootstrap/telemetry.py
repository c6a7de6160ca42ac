"""Composes what a process sends of itself: its spans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tocsin.model_card import read_card
from tocsin.settings import Settings
from tocsin.telemetry.otlp import resource, span_exporter
from tocsin.telemetry.tracing import tracing


@contextmanager
def observed(settings: Settings, service: str) -> Iterator[None]:
    """Trace what the process does until the block ends. Raises ConfigurationError."""
    card = read_card(settings.model.card)
    whose = resource(service, site=settings.report.source, model_version=str(card.model))
    with tracing(span_exporter(settings.otlp), whose, settings.traces, settings.otlp):
        yield
