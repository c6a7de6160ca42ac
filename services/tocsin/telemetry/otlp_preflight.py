"""Checks whether the OTLP collector is there, proves who it is, and takes what is sent to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.sdk.metrics.export import MetricsData

from tocsin.network import Tls, Way, steps
from tocsin.settings import OtlpSettings
from tocsin.telemetry.otlp import Signal, endpoint, line_exporter, metric_exporter, span_exporter
from tocsin.telemetry.preflight import Check, check

PART: Final = "otlp"
PORTS: Final = {"http": 80, "https": 443}
"""What an address without a port means; collectors listen on 4318 (HTTP) and 4317 (gRPC)."""


def otlp_preflight(settings: OtlpSettings) -> Iterator[Check]:
    """Checks name, connection and TLS, then sends nothing of each signal; no check where nothing is sent. Stops where nobody answers."""
    for signal in settings.signals:
        address = endpoint(settings, signal)
        if address is None:
            continue
        for found in steps(_way(settings, address)):
            yield found
            if not found.passed:
                return
        yield _taken(settings, signal, address)


def _way(settings: OtlpSettings, address: str) -> Way:
    parts = urlsplit(address)
    return Way(
        part=PART,
        host=parts.hostname or "",
        port=parts.port or PORTS.get(parts.scheme, PORTS["http"]),
        tls=Tls(settings.tls_ca_file) if parts.scheme == "https" else None,
        within_s=settings.timeout_s,
        address_setting="TOCSIN_OTLP__ENDPOINT",
        ca_setting="TOCSIN_OTLP__TLS_CA_FILE",
        plain_fix="write http:// in TOCSIN_OTLP__ENDPOINT if this collector speaks no TLS on this port",
    )


def _taken(settings: OtlpSettings, signal: Signal, address: str) -> Check:
    taken = _sent_nothing(settings, signal)
    fix = (
        f"see whether the collector takes {signal} by {settings.protocol or 'the protocol of OTEL_EXPORTER_OTLP_PROTOCOL'} there, and what "
        "TOCSIN_OTLP__HEADERS it wants; what it does not take is lost and counted, and no event waits for it"
    )
    said = f"{address} takes {signal}" if taken else f"{address} did not take an empty message of {signal} within {settings.timeout_s:g} s"
    return check(PART, signal, taken, said, fix)


def _sent_nothing(settings: OtlpSettings, signal: Signal) -> bool:
    """Whether the collector takes a message that holds nothing."""
    if signal == "metrics":
        measured = metric_exporter(settings)
        return measured is not None and measured.export(MetricsData([])).name == "SUCCESS"
    others = span_exporter(settings) if signal == "traces" else line_exporter(settings)
    return others is not None and others.export([]).name == "SUCCESS"
