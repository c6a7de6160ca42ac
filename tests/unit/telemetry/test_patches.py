"""A value that takes the direct way is served and sent as if it had gone OpenTelemetry's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, AlwaysOnExemplarFilter, Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader, Sum
from opentelemetry.sdk.metrics.view import View
from tocsin.telemetry.patches import VERIFIED, is_verified, way

VALUES = [0, 0.004, 0.005, 0.3, 7, 10.0, 1e9]
LABELS = [{}, {"stage": "find"}, {"url.template": "Media/{id}", "http.request.method": "GET"}, {"stage": "gate"}]
DELTA: dict[type, AggregationTemporality] = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}


def provider(*readers: InMemoryMetricReader) -> MeterProvider:
    return MeterProvider(readers, exemplar_filter=AlwaysOffExemplarFilter(), shutdown_on_exit=False)


def histogram(of: MeterProvider) -> Histogram:
    made = of.get_meter("tocsin").create_histogram("tocsin.waits", "s", "Waits.", explicit_bucket_boundaries_advisory=(0.005, 0.3, 10.0))
    assert isinstance(made, Histogram)
    return made


def counter(of: MeterProvider) -> Counter:
    made = of.get_meter("tocsin").create_counter("tocsin.things", "{thing}", "Things.")
    assert isinstance(made, Counter)
    return made


def kept(reader: InMemoryMetricReader) -> list[object]:
    """Every series as the reader has it, but for its times."""
    return list(_kept(reader))


def _kept(reader: InMemoryMetricReader) -> Iterator[object]:
    found = reader.get_metrics_data()
    for metric in [] if found is None else found.resource_metrics[0].scope_metrics[0].metrics:
        for point in metric.data.data_points:
            times = {"start_time_unix_nano", "time_unix_nano"}
            yield metric.name, metric.unit, {name: value for name, value in vars(point).items() if name not in times}
        if isinstance(metric.data, Sum):
            yield metric.data.is_monotonic


@pytest.mark.parametrize("make", [histogram, counter])
@pytest.mark.parametrize("readers", [1, 2])
def test_what_was_recorded_directly_reads_as_what_opentelemetry_recorded(
    make: Callable[[MeterProvider], Histogram | Counter], readers: int
) -> None:
    ours, theirs = [InMemoryMetricReader() for _ in range(readers)], [InMemoryMetricReader() for _ in range(readers)]
    direct, usual = make(provider(*ours)), make(provider(*theirs))
    for _ in range(2):
        for labels in LABELS:
            known = way(direct, labels)
            assert known is not None
            for value in VALUES:
                known(value)
                usual.record(value, labels) if isinstance(usual, Histogram) else usual.add(value, labels)
        assert [kept(each) for each in ours] == [kept(each) for each in theirs] != [[]]


def test_labels_in_another_order_lead_to_the_same_place() -> None:
    reader = InMemoryMetricReader()
    direct = counter(provider(reader))
    for labels in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"}):
        known = way(direct, labels)
        assert known is not None
        known(1)
    direct.add(1, {"a": "1", "b": "2"})
    assert [each[2]["value"] for each in kept(reader) if isinstance(each, tuple)] == [3]


def test_there_is_no_direct_way_to_a_reader_that_asks_for_what_was_added_since() -> None:
    of = provider(InMemoryMetricReader(), InMemoryMetricReader(preferred_temporality=DELTA))
    assert way(counter(of), {}) is None
    assert way(histogram(of), {}) is None


def test_there_is_no_direct_way_where_more_is_kept_than_a_sum() -> None:
    examples = MeterProvider([InMemoryMetricReader()], exemplar_filter=AlwaysOnExemplarFilter(), shutdown_on_exit=False)
    assert way(counter(examples), {}) is None


def test_there_is_no_direct_way_where_a_view_leaves_labels_out() -> None:
    views = [View(instrument_name="tocsin.things", attribute_keys={"a"})]
    of = MeterProvider([InMemoryMetricReader()], exemplar_filter=AlwaysOffExemplarFilter(), views=views, shutdown_on_exit=False)
    assert way(counter(of), {"a": "1", "b": "2"}) is None


def test_there_is_no_direct_way_where_nothing_is_measured() -> None:
    assert way(NoOpMeterProvider().get_meter("tocsin").create_counter("tocsin.things"), {}) is None


BOTH_WAYS = """
import sys
from opentelemetry.sdk.resources import Resource
from tocsin.settings import OtlpSettings
from tocsin.telemetry.exporters import measuring, provided
from tocsin.telemetry.metrics import EVENTS, HTTP_DURATION, STAGE_DURATION

HTTP = {"url.template": "Media/{id}", "http.request.method": "GET", "http.response.status_code": "200"}
MEASURES = [
    (STAGE_DURATION, {"stage": "find"}, [0.001, 0.3, 0, float("inf"), -1.0]),
    (HTTP_DURATION, HTTP, [0.2, 0.005]),
    (EVENTS, {"ending": "published", "reason": "low", "origin": "live"}, [1, 1, -1]),
]


def said(page):
    return b"".join(page({"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics", "QUERY_STRING": ""}, lambda *_: None)).decode()


with measuring(None, Resource({}), OtlpSettings()) as page, provided(None, Resource({}), OtlpSettings()) as (provider, usual):
    for metric, labels, values in MEASURES * 2:
        meter = provider.get_meter("tocsin")
        if metric is EVENTS:
            add = meter.create_counter(metric.name, metric.unit, metric.meaning).add
            ours = metric.add
        else:
            add = meter.create_histogram(
                metric.name, metric.unit, metric.meaning, explicit_bucket_boundaries_advisory=metric.bounds
            ).record
            ours = metric.record
        for value in values:
            ours(value, labels)
            add(value, labels)
    print(said(page) == said(usual), 'stage="find"' in said(page))
"""


def test_the_page_of_metrics_is_the_same_whichever_way_its_values_went() -> None:
    done = subprocess.run([sys.executable, "-c", BOTH_WAYS], stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["True", "True"]


def test_the_installed_sdk_is_the_one_whose_private_parts_were_looked_at() -> None:
    """Another: read again what telemetry/patches.py uses, and then write the version; until then each value goes the SDK's own way."""
    assert version("opentelemetry-sdk") == VERIFIED
    assert is_verified()
