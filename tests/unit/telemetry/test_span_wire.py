"""Spans are written as OpenTelemetry's own encoder writes them, only cheaper."""

from __future__ import annotations

from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode
from tocsin.settings import OtlpSettings
from tocsin.telemetry.otlp import span_exporter
from tocsin.telemetry.span_wire import request

from tests.support.spans import exported
from tests.unit.telemetry.test_trace import PUBLISHED, attempt, journey

SITES = [Resource({"site": "north", "service.name": "tocsin"}, "https://schema.example.org/1"), Resource({"site": "south"})]
SCOPES = [InstrumentationScope("tocsin", ""), InstrumentationScope("another", "1.2"), None]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
plain = st.one_of(texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
attributes = st.dictionaries(
    texts.filter(bool), st.one_of(plain, st.lists(texts, max_size=3), st.lists(st.booleans(), max_size=3)), max_size=5
)
contexts = st.builds(SpanContext, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
statuses = st.one_of(st.builds(Status), st.builds(Status, st.just(StatusCode.OK)), st.builds(Status, st.just(StatusCode.ERROR), texts))
spans = st.builds(
    ReadableSpan,
    name=texts,
    context=contexts,
    parent=st.none() | contexts,
    resource=st.sampled_from(SITES),
    attributes=attributes,
    links=st.lists(st.builds(Link, contexts, attributes), max_size=2),
    kind=st.sampled_from(SpanKind),
    status=statuses,
    start_time=st.integers(1, 2**63),
    end_time=st.integers(1, 2**63),
    instrumentation_scope=st.sampled_from(SCOPES),
)


@given(spans)
def test_a_span_is_written_as_opentelemetrys_encoder_writes_it(span: ReadableSpan) -> None:
    assert request([span]) == encode_spans([span])


@given(st.lists(spans, max_size=6))
def test_each_span_keeps_its_resource_and_scope(batch: list[ReadableSpan]) -> None:
    ordered = sorted(batch, key=lambda each: (SITES.index(each.resource), SCOPES.index(each.instrumentation_scope)))
    assert _by_origin(request(ordered)) == _by_origin(encode_spans(ordered))


def _by_origin(of: object) -> list[tuple[object, object, object]]:
    found = [
        (str(each.resource), str(scoped.scope), str(span))
        for each in of.resource_spans  # type: ignore[attr-defined]  # a generated message
        for scoped in each.scope_spans
        for span in scoped.spans
    ]
    return sorted(found)


def test_a_whole_journey_is_written_alike() -> None:
    with exported() as journeys:
        journey(attempt(), PUBLISHED)
    assert request(journeys) == encode_spans(journeys)


def test_one_and_true_are_told_apart() -> None:
    both = [ReadableSpan("a", SpanContext(1, 2, False), attributes={"x": value}, resource=SITES[0]) for value in (1, True, 1)]
    assert request(both) == encode_spans(both)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_both_exporters_write_them_so(protocol: str) -> None:
    exporter = span_exporter(OtlpSettings(endpoint="http://127.0.0.1:1", protocol=protocol, timeout_s=0.1))
    assert exporter is not None
    exporter.export([])
    exporter.shutdown()
    used = import_module(f"opentelemetry.exporter.otlp.proto.{protocol.partition('/')[0]}.trace_exporter")
    sends = used.OTLPSpanExporter._translate_data if protocol == "grpc" else used.OTLPSpanExporter.export
    assert used.encode_spans is request
    assert "encode_spans" in sends.__code__.co_names
