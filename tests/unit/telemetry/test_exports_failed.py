"""Whatever a collector does not take is counted, whichever way it says so."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from tocsin.settings import OtlpSettings
from tocsin.telemetry.metrics import EXPORTS_FAILED
from tocsin.telemetry.otlp import metric_exporter

from tests.support.measured import measured
from tests.support.otlp import Protocol, collector


@pytest.mark.parametrize(("protocol", "status"), [("http/protobuf", 401), ("http/protobuf", 503), ("grpc", 503)])
def test_metrics_that_the_collector_answers_with_an_error_are_counted_and_those_it_takes_are_not(protocol: Protocol, status: int) -> None:
    with collector(protocol) as found, measured() as seen:
        exporter = metric_exporter(OtlpSettings(endpoint=found.endpoint, protocol=protocol, signals=("metrics",), timeout_s=2))
        assert exporter is not None
        assert exporter.export(MetricsData([])) is MetricExportResult.SUCCESS
        assert seen.of(EXPORTS_FAILED, signal="metrics") == 0
        found.status = status
        assert exporter.export(MetricsData([])) is MetricExportResult.FAILURE
        assert seen.of(EXPORTS_FAILED, signal="metrics") == 1
        exporter.shutdown()
