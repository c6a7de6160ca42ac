"""The collector's troubles are what they say, and what is said about the product while they last."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain, repeat

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext, TraceFlags
from tocsin.sandbox.process import accepts

from tests.chaos.collector import Collector, Trouble, collector
from tests.chaos.exports import Endured, Growth, Pages, endure, silent, unsent
from tests.chaos.plan import Fault

FAULT = Fault(1, "collector-hangs", "collector", 0.0, 0.0)
TOLD = {"failed requests of traces": 1.0, "failed requests of metrics": 8.0}


def sent(to: Collector, service: str = "consume-1", path: str = "/v1/traces", timeout_s: float = 1.0) -> bool:
    """Whether the collector took a span of this service."""
    resource = Resource({"service.name": service})
    span = ReadableSpan("a journey", SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1)), resource=resource)
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{to.port}{path}", timeout=timeout_s)
    try:
        return exporter.export([span]) is SpanExportResult.SUCCESS
    finally:
        exporter.shutdown()  # type: ignore[no-untyped-call] # OpenTelemetry's has no types


@pytest.mark.parametrize("how", ["dead", "hangs", "503"])
def test_a_collector_in_trouble_takes_nothing_and_afterwards_everything_at_the_same_address(how: Trouble) -> None:
    with collector() as standing:
        port = standing.port
        assert sent(standing, timeout_s=30)
        standing.fail(how)
        assert not sent(standing)
        assert accepts(port) == (how != "dead")
        standing.mend()
        assert standing.heard == set()
        assert sent(standing, timeout_s=30)
        assert standing.port == port
        assert standing.heard == {("consume-1", "/v1/traces")}


def test_a_slow_collector_takes_everything_from_whoever_has_patience() -> None:
    with collector() as standing:
        standing.fail("slow")
        assert not sent(standing, timeout_s=0.5)
        assert sent(standing, timeout_s=30)


def test_of_a_page_only_what_was_not_sent_counts() -> None:
    page = """
# TYPE tocsin_exports_failed_total counter
tocsin_exports_failed_total{signal="traces"} 3.0
tocsin_exports_failed_total{signal="logs"} 2.0
# TYPE otel_sdk_processor_span_processed_total counter
otel_sdk_processor_span_processed_total{otel_component_name="a"} 900.0
otel_sdk_processor_span_processed_total{otel_component_name="a",error_type="queue_full"} 40.0
# TYPE tocsin_spans_dropped_total counter
tocsin_spans_dropped_total{reason="journey-too-long"} 1.0
"""
    assert unsent(page) == {"failed requests of traces": 3, "failed requests of logs": 2, "dropped": 41}


def test_what_a_process_counts_after_a_restart_adds_to_what_it_counted_before() -> None:
    told: list[Mapping[tuple[str, str], float]] = [
        {("consume-1", "dropped"): 10, ("work", "dropped"): 5},
        {("consume-1", "dropped"): 14, ("work", "dropped"): 5},
        {("work", "dropped"): 6},
        {("consume-1", "dropped"): 3, ("work", "dropped"): 6},
    ]
    growth = Growth(iter(told).__next__)
    assert [growth.look() for _ in told[1:]] == [{"dropped": 4}, {"dropped": 5}, {"dropped": 8}]


def test_a_process_that_does_not_answer_tells_nothing() -> None:
    with collector() as standing:
        port = standing.port
    assert Pages({"consume-1": port}).read() == {}


@pytest.mark.parametrize(
    ("seen", "lines"),
    [
        (Endured(FAULT, 7, TOLD), 0),
        (Endured(FAULT, 0, TOLD), 1),
        (Endured(FAULT, 7, {"failed requests of metrics": 8.0}), 1),
        (Endured(FAULT, 0, {}), 2),
        (Endured(replace(FAULT, kind="collector-busy", target="slow"), 7, {}), 0),
    ],
)
def test_it_is_a_finding_where_nothing_ended_during_a_trouble_or_no_metric_told_it(seen: Endured, lines: int) -> None:
    assert len(list(seen.wrong())) == lines


def test_a_trouble_lasts_until_an_event_has_ended_in_spite_of_it() -> None:
    endings = chain([5, 5, 5], repeat(6))
    with collector() as standing:
        seen = endure(replace(FAULT, target="slow"), "slow", standing, Pages({}), lambda: next(endings), threading.Event())
        assert sent(standing, timeout_s=30)
    assert seen.endings == 1


def test_a_process_that_sends_nothing_more_after_a_trouble_is_named() -> None:
    heard = {("consume-1", "/v1/metrics"), ("beat", "/v1/traces")}
    over = threading.Event()
    over.set()
    assert silent(lambda: heard, ("consume-1", "beat"), over) == ["beat sent nothing more after the collector was back"]
    assert silent(lambda: heard, ("consume-1",), over) == []
