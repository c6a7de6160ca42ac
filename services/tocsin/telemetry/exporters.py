"""Sets up how a process measures: its metrics are served to Prometheus, and sent by OTLP where the settings ask for it."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, make_wsgi_app

from tocsin.settings import OtlpSettings
from tocsin.telemetry.health_server import App, Start
from tocsin.telemetry.instruments import record_directly, record_elsewhere
from tocsin.telemetry.patches import is_verified, way

WHOSE: Final = frozenset({"site", "model_version"})
"""What a process says of itself on every series."""


class _OfThisProcess(metrics.MeterProvider):
    """Gives meters that measure nothing in a forked process.

    OpenTelemetry's SDK also measures itself; in a forked process it could wait for a lock that the other process held at that moment.
    """

    def __init__(self, provider: metrics.MeterProvider) -> None:
        super().__init__()
        self._provider = provider
        self._process = os.getpid()

    def get_meter(self, name: str, *more: Any, **options: Any) -> metrics.Meter:
        """See OpenTelemetry."""
        return self._provider.get_meter(name, *more, **options) if os.getpid() == self._process else metrics.NoOpMeter(name)


@contextmanager
def measuring(exporter: MetricExporter | None, resource: Resource, otlp: OtlpSettings) -> Iterator[App]:
    """Measure until the block ends, and then send what is left within `otlp.close_wait_s`; gives what answers to GET /metrics.

    Only this process measures: one forked from it serves nothing and sends nothing (but see telemetry/forked.py).
    """
    with provided(exporter, resource, otlp) as (provider, page):
        metrics.set_meter_provider(_OfThisProcess(provider))
        if is_verified():
            record_directly(way)
        os.register_at_fork(after_in_child=record_elsewhere)
        yield page


@contextmanager
def provided(exporter: MetricExporter | None, resource: Resource, otlp: OtlpSettings) -> Iterator[tuple[MeterProvider, App]]:
    """As `measuring`, for a provider that is not the process's own."""
    registry = CollectorRegistry()
    served = PrometheusMetricReader(True, scope_info_enabled=False, resource_attribute_filter=WHOSE.__contains__, registry=registry)
    sent = None if exporter is None else _sent(exporter, otlp)
    provider = MeterProvider(
        [served] if sent is None else [served, sent],
        resource,
        exemplar_filter=AlwaysOffExemplarFilter(),  # an exemplar costs a lock for each value, and Prometheus's text shows none
        shutdown_on_exit=False,
    )
    over = threading.Event()
    sending = threading.Thread(target=_send, args=(provider, sent, otlp, over), name="metrics", daemon=True)
    sending.start()
    try:
        yield provider, _page(registry)
    finally:
        over.set()
        sending.join(otlp.close_wait_s)


def _sent(exporter: MetricExporter, otlp: OtlpSettings) -> PeriodicExportingMetricReader:
    """A reader that sends when it is told to: of itself it would also send from every forked process."""
    return PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf, export_timeout_millis=otlp.timeout_s * 1000)


def _send(provider: MeterProvider, reader: PeriodicExportingMetricReader | None, otlp: OtlpSettings, over: threading.Event) -> None:
    ended = False
    while not ended:
        ended = over.wait(None if reader is None else otlp.metrics_every_s)
        if reader is not None:
            with suppress(Exception):  # the border of a thread; what could not be sent is sent with the next
                reader.collect(otlp.timeout_s * 1000)
    provider.shutdown(otlp.close_wait_s * 1000)


def _page(registry: CollectorRegistry) -> App:
    app, one_at_a_time = make_wsgi_app(registry), threading.Lock()

    def page(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        with one_at_a_time:  # of two that read at once, PrometheusMetricReader would give one both answers and the other none
            return list(app(environ, start))

    return page
