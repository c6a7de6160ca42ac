"""Composes what a process says of itself to whoever watches it: its spans, its metrics, its log lines."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from tocsin.model_card import ModelCard
from tocsin.settings import OtlpSettings, Settings
from tocsin.telemetry.exporters import measuring
from tocsin.telemetry.forked import hearing
from tocsin.telemetry.health_server import App
from tocsin.telemetry.lines import sending_lines
from tocsin.telemetry.metrics import LINES_LOST, UPTIME
from tocsin.telemetry.otlp import Whose, line_exporter, metric_exporter, resource, span_exporter, wanted
from tocsin.telemetry.stderr import lost_lines
from tocsin.telemetry.tracing import tracing


@contextmanager
def observed(settings: Settings, service: str, card: ModelCard | None = None) -> Iterator[App]:
    """Trace and measure what the process does until the block ends; gives what answers to GET /metrics. Raises ConfigurationError.

    `card` is the model's, where the process has to do with one.
    """
    whose = _whose(settings, service, card)  # once: an instance has one id, whatever it sends
    with _traced(settings, whose), _measured(settings, whose) as metrics:
        yield metrics


@contextmanager
def measured(settings: Settings, service: str, card: ModelCard | None = None) -> Iterator[App]:
    """As `observed`, for a process that leaves its work to others, forked from it: without spans, and with what those measure."""
    with _measured(settings, _whose(settings, service, card)) as metrics, hearing(settings.otlp.close_wait_s):
        yield metrics


@contextmanager
def told(settings: Settings, service: str, card: ModelCard | None = None) -> Iterator[None]:
    """Send the spans and lines of a process forked out of `measured`, until the block ends. Raises ConfigurationError."""
    whose = _whose(settings, service, card)
    with _lined(settings, whose), _traced(settings, whose):
        yield


@contextmanager
def counted(settings: Settings, service: str) -> Iterator[None]:
    """Send by OTLP what a command counts, all of it before the block ends; nothing where no collector is to get metrics.

    Nobody asks a command for its metrics: it is over too soon. Raises ConfigurationError.
    """
    if not wanted(settings.otlp, "metrics"):
        yield
        return
    otlp, whose = settings.otlp, _whose(settings, service, None)
    with measuring(metric_exporter(otlp), whose, otlp):
        _watch_uptime()
        yield


@contextmanager
def _measured(settings: Settings, whose: Whose) -> Iterator[App]:
    otlp = _each(settings.otlp)
    _count_drops(otlp)
    with _lined(settings, whose), measuring(metric_exporter(otlp), whose, otlp) as metrics:
        _watch_uptime()
        LINES_LOST.watch(lambda: [(lost_lines(), {"reason": "unwritable"})])
        yield metrics


def _watch_uptime() -> None:
    began = time.monotonic()
    UPTIME.watch(lambda: [(time.monotonic() - began, {})])


def _lined(settings: Settings, whose: Whose) -> AbstractContextManager[None]:
    otlp = _each(settings.otlp)
    return sending_lines(line_exporter(otlp), whose, otlp)


@contextmanager
def _traced(settings: Settings, whose: Whose) -> Iterator[None]:
    otlp = _each(settings.otlp)
    _count_drops(otlp)
    with tracing(span_exporter(otlp), whose, settings.traces, otlp):
        yield


def _count_drops(otlp: OtlpSettings) -> None:
    """Where anything is sent, have OpenTelemetry's SDK count what a full queue drops; whoever sets the variable decides."""
    if any(wanted(otlp, signal) for signal in otlp.signals):
        os.environ.setdefault("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")


def _whose(settings: Settings, service: str, card: ModelCard | None) -> Whose:
    return resource(service, site=settings.report.source, model_version=None if card is None else str(card.model))


def _each(otlp: OtlpSettings) -> OtlpSettings:
    """The settings for one of the signals: they end one after the other, and all of them together within `close_wait_s`."""
    return otlp.model_copy(update={"close_wait_s": otlp.close_wait_s / max(1, len(otlp.signals))})
