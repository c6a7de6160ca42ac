"""Metrics are served to Prometheus, and sent by OTLP where that is asked for; whoever reads them, or does not, keeps nobody waiting."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client.parser import text_string_to_metric_families
from tocsin.settings import MetricsSettings, OtlpSettings
from tocsin.telemetry.exporters import provided
from tocsin.telemetry.health_server import serving
from tocsin.telemetry.otlp import metric_exporter, resource
from tocsin.telemetry.otlp_preflight import otlp_preflight

from tests.support.otlp import Protocol, collector
from tests.support.waiting import eventually

WHOSE = resource("tocsin-consume", site="https://hospital.example/tocsin", model_version="lesions/2")
CLOSE_S = 1.0


def settings(endpoint: str, protocol: Protocol = "http/protobuf", every_s: float = 60.0) -> OtlpSettings:
    return OtlpSettings(
        endpoint=endpoint, protocol=protocol, signals=("metrics",), metrics_every_s=every_s, timeout_s=5, close_wait_s=CLOSE_S
    )


@contextmanager
def served() -> Iterator[tuple[MeterProvider, int]]:
    with (
        provided(None, WHOSE, OtlpSettings()) as (provider, page),
        serving(MetricsSettings(host="127.0.0.1", port=0), {}, page) as port,
    ):
        yield provider, port


def read(port: int, accept: str = "*/*") -> tuple[str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/metrics", headers={"Accept": accept})
        answer = connection.getresponse()
        return answer.read().decode(), str(answer.getheader("Content-Type"))
    finally:
        connection.close()


def test_every_series_says_whose_it_is() -> None:
    with served() as (provider, port):
        provider.get_meter("tocsin").create_counter("tocsin.events", "{event}", "Events.").add(2, {"ending": "published"})
        provider.get_meter("tocsin").create_histogram("tocsin.event.latency", "s", "Latency.").record(0.3, {})
        text, content_type = read(port)
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    whose = {"site": "https://hospital.example/tocsin", "model_version": "lesions/2"}
    assert content_type.startswith("text/plain")
    assert {sample.name for sample in samples} >= {"tocsin_events_total", "tocsin_event_latency_seconds_bucket"}
    assert all(whose.items() <= sample.labels.items() for sample in samples)
    assert [sample.labels for sample in samples if sample.name == "tocsin_events_total"] == [{"ending": "published", **whose}]
    assert not any(name.startswith(("otel_", "target")) for sample in samples for name in (sample.name, *sample.labels))


def test_whoever_asks_for_openmetrics_is_given_it() -> None:
    with served() as (provider, port):
        provider.get_meter("tocsin").create_counter("tocsin.events").add(1)
        text, content_type = read(port, "application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_metrics_are_sent_at_their_pace_and_once_more_at_the_end(protocol: Protocol) -> None:
    with collector(protocol) as found:
        otlp = settings(found.endpoint, protocol, every_s=0.05)
        with provided(metric_exporter(otlp), WHOSE, otlp) as (provider, _page):
            counter = provider.get_meter("tocsin").create_counter("tocsin.events")
            counter.add(1, {"ending": "published"})
            eventually(lambda: found.latest("tocsin.events", ending="published") == 1, what="the metric")
            counter.add(1, {"ending": "published"})
        assert found.latest("tocsin.events", ending="published") == 2
        assert found.points[-1].resource["site"] == "https://hospital.example/tocsin"
        assert found.points[-1].resource["service.name"] == "tocsin-consume"


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_no_proxy_of_the_environment_is_shown_the_headers_for_the_collector(protocol: Protocol, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # whoever asks it is refused
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with collector(protocol) as collected:
        asked = settings(collected.endpoint, protocol).model_copy(update={"signals": ("traces", "metrics", "logs")})
        assert [found.found for found in otlp_preflight(asked) if not found.passed] == []


def test_a_collector_that_never_answers_keeps_no_process_from_ending() -> None:
    with collector() as found:
        found.hangs = True
        otlp = settings(found.endpoint)
        with provided(metric_exporter(otlp), WHOSE, otlp) as (provider, _page):
            provider.get_meter("tocsin").create_counter("tocsin.events").add(1)
            began = time.monotonic()
    assert time.monotonic() - began < CLOSE_S + 2


def test_nothing_is_sent_unless_it_is_asked_for() -> None:
    assert metric_exporter(OtlpSettings(endpoint="http://127.0.0.1:1")) is None
    assert metric_exporter(OtlpSettings(signals=("metrics",))) is None


FORKS = """
import os, sys, time
from tocsin.settings import OtlpSettings
from tocsin.telemetry.exporters import measuring
from tocsin.telemetry.metrics import COMMITS
from tocsin.telemetry.otlp import metric_exporter, resource
from tocsin.telemetry.otlp_preflight import otlp_preflight
otlp = OtlpSettings(endpoint=sys.argv[1], signals=("metrics",), metrics_every_s=0.05, close_wait_s=2)
with measuring(metric_exporter(otlp), resource("tocsin-work", site="s", model_version=None), otlp):
    COMMITS.add(1, {"result": "taken"})
    if os.fork() == 0:
        COMMITS.add(1000, {"result": "taken"})
        time.sleep(1)
        os._exit(0)
    os.wait()
"""


def test_a_forked_process_records_and_sends_nothing() -> None:
    with collector() as found:
        subprocess.run([sys.executable, "-c", FORKS, found.endpoint], check=True, timeout=60)
        assert {point.resource["service.instance.id"] for point in found.points} == {found.points[0].resource["service.instance.id"]}
        assert {point.value for point in found.points} == {1.0}
