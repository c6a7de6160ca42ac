"""What a metric is, and how its values get to OpenTelemetry's API: directly where the SDK's way is known (telemetry/patches.py)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from tocsin.telemetry import SCOPE

Labels = Mapping[str, str]
Unit = Literal[
    "s", "By", "1", "{event}", "{attempt}", "{commit}", "{loss}", "{task}", "{picture}", "{request}", "{measure}", "{report}", "{line}",
    "{backfill}", "{verdict}", "{launch}", "{card}", "{answer}", "{message}", "{look}",
]  # fmt: skip
"""UCUM, with what is counted in braces."""

Measured = Iterable[tuple[float, Labels]]
"""What a gauge or a total is at this moment, by label."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's name, unit, meaning, and the names of its labels."""

    name: str
    unit: Unit
    meaning: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counter(Metric):
    """A number of things that happened; it only grows. Safe for threads."""

    def add(self, amount: float, labels: Labels) -> None:
        """Count `amount` more under these labels, which are those of the metric."""
        _take(self, amount, labels)


@dataclass(frozen=True, slots=True)
class Histogram(Metric):
    """How often which values were seen. Safe for threads."""

    bounds: tuple[float, ...] = ()
    """Upper bounds of its buckets, in its unit."""

    def record(self, value: float, labels: Labels) -> None:
        """Note one value under these labels, which are those of the metric."""
        _take(self, value, labels)


@dataclass(frozen=True, slots=True)
class Gauge(Metric):
    """A value that goes up and down and is looked at when somebody asks."""

    def watch(self, look: Callable[[], Measured]) -> None:
        """Answer with what `look` gives from now on; it is called on the asking thread and must answer at once."""
        _LOOKS[self.name] = look
        _gauge(self)


@dataclass(frozen=True, slots=True)
class Total(Metric):
    """A number of things that happened, counted by somebody else and looked at when somebody asks."""

    def watch(self, look: Callable[[], Measured]) -> None:
        """As Gauge.watch."""
        _LOOKS[self.name] = look
        _total(self)


_LOOKS: Final[dict[str, Callable[[], Measured]]] = {}
"""Name of a gauge or a total -> what it is answered with."""
Elsewhere = Callable[[str, float, Labels], None]
"""Takes one measure to whoever records it: the metric's name, a counter's growth or a histogram's value, and the labels."""
_elsewhere: Elsewhere | None = None


Way = Callable[[float], None]
"""Takes a value to where it is added up with others of the same metric and labels."""
WAYS_MAX: Final = 2000
"""Most ways that are remembered: as many as OpenTelemetry's SDK keeps series of one metric."""
_ways: Final[dict[tuple[object, ...], Way]] = {}
"""Metric's name and labels -> the way that they lead."""
FindWay = Callable[[object, Labels], Way | None]
_find_way: FindWay | None = None


def record_directly(find_way: FindWay) -> None:
    """Take values from now on the way that `find_way` gives for an instrument and labels, asked once; as ever where it gives none."""
    global _find_way
    _find_way = find_way


def record_elsewhere(tell: Elsewhere = lambda *_measure: None) -> None:
    """Record nothing in this process from now on, and hand each measure to `tell` instead; gauges and totals are not looked at.

    A forked process is asked by nobody, and may have inherited a lock that nobody gives back.
    """
    global _elsewhere
    _elsewhere = tell
    for made in (_counter, _histogram, _gauge, _total):
        made.cache_clear()


def _take(metric: Counter | Histogram, value: float, labels: Labels) -> None:
    if _elsewhere is not None:
        _elsewhere(metric.name, value, labels)
    elif _find_way is None or not 0 <= value < math.inf:  # OpenTelemetry warns of such a value
        _usual(metric)(value, labels)
    else:
        key = (metric.name, *labels.items())
        (_ways.get(key) or _way(key, metric, labels, _find_way))(value)


def _usual(metric: Counter | Histogram) -> Callable[[float, Labels], None]:
    return _counter(metric).add if isinstance(metric, Counter) else _histogram(metric).record


def _way(key: tuple[object, ...], metric: Counter | Histogram, labels: Labels, find: FindWay) -> Way:
    instrument = _counter(metric) if isinstance(metric, Counter) else _histogram(metric)
    usual, own = _usual(metric), dict(labels)
    way = find(instrument, own) or (lambda value: usual(value, own))
    if len(_ways) < WAYS_MAX:
        _ways[key] = way
    return way


def _meter() -> metrics.Meter:
    return metrics.get_meter(SCOPE) if _elsewhere is None else metrics.NoOpMeter(SCOPE)


@cache
def _counter(metric: Counter) -> metrics.Counter:
    return _meter().create_counter(metric.name, metric.unit, metric.meaning)


@cache
def _histogram(metric: Histogram) -> metrics.Histogram:
    return _meter().create_histogram(metric.name, metric.unit, metric.meaning, explicit_bucket_boundaries_advisory=metric.bounds)


@cache
def _gauge(metric: Gauge) -> metrics.ObservableGauge:
    return _meter().create_observable_gauge(metric.name, [_observed(metric.name)], metric.unit, metric.meaning)


@cache
def _total(metric: Total) -> metrics.ObservableCounter:
    return _meter().create_observable_counter(metric.name, [_observed(metric.name)], metric.unit, metric.meaning)


def _observed(name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _options: [Observation(value, labels) for value, labels in _LOOKS[name]()]
