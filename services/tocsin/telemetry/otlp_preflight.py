"""Checks whether the OTLP collector is there, proves who it is, and takes what is sent to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from opentelemetry.sdk.metrics.export import MetricsData

from tocsin.network import WebSettings, steps, web_way
from tocsin.settings import OtlpSettings
from tocsin.telemetry.otlp import Signal, endpoint, line_exporter, metric_exporter, span_exporter
from tocsin.telemetry.preflight import Check, check

PART: Final = "otlp"
SAID: Final = WebSettings("TOCSIN_OTLP__ENDPOINT", "TOCSIN_OTLP__TLS_CA_FILE", "collector")
"""Collectors listen on 4318 (HTTP) and 4317 (gRPC)."""


def otlp_preflight(settings: OtlpSettings) -> Iterator[Check]:
    """Checks name, connection and TLS, then sends nothing of each signal; no check where nothing is sent. Stops where nobody answers."""
    for signal in settings.signals:
        address = endpoint(settings, signal)
        if address is None:
            continue
        for found in steps(web_way(address, PART, settings.tls_ca_file, settings.timeout_s, SAID)):
            yield found
            if not found.passed:
                return
        yield _taken(settings, signal, address)


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
