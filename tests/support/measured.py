"""What is measured while a block runs. OpenTelemetry's provider can be set once in a process, so that a test reads differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from opentelemetry import metrics
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from tocsin.telemetry.instruments import Gauge, Metric


class Series(NamedTuple):
    """One metric under one set of labels."""

    name: str
    labels: frozenset[tuple[str, str]]


class Measured:
    """What was recorded since the block began."""

    def __init__(self, before: Mapping[Series, float]) -> None:
        self._before = before

    def series(self) -> dict[Series, float]:
        """Every series that has grown, and every gauge as it is: its value, or how many values a histogram has seen."""
        return {each: value - self._before.get(each, 0.0) for each, value in _now().items() if value != self._before.get(each)}

    def of(self, metric: Metric, **labels: str) -> float:
        """How much all series with these labels grew together, or a gauge's value; dots in labels' names are written as underscores."""
        found = {each: value for each, value in _now().items() if each.name == metric.name and _has(each, labels)}
        return sum(value if isinstance(metric, Gauge) else value - self._before.get(each, 0.0) for each, value in found.items())

    def labels(self, metric: Metric) -> list[dict[str, str]]:
        """The labels of each of the metric's series that `series` gives."""
        return [dict(each.labels) for each in self.series() if each.name == metric.name]


@contextmanager
def measured() -> Iterator[Measured]:
    """Measure from here on."""
    yield Measured(_now())


@cache
def _reader() -> InMemoryMetricReader:
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader], exemplar_filter=AlwaysOffExemplarFilter(), shutdown_on_exit=False))
    return reader


def _now() -> dict[Series, float]:
    found = _reader().get_metrics_data()
    if found is None:
        return {}
    return {
        Series(metric.name, frozenset((name, str(value)) for name, value in (point.attributes or {}).items())): _value(point)
        for resource in found.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


def _value(point: Any) -> float:
    return float(point.count if isinstance(point, HistogramDataPoint) else point.value)


def _has(series: Series, wanted: Mapping[str, str]) -> bool:
    return {name.replace(".", "_"): value for name, value in series.labels}.items() >= wanted.items()
