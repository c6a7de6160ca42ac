"""Reads the samples of Tocsin's metrics out of a process's answer, and sums them by label.

The text is what a process serves at /metrics (Prometheus text format 0.0.4). Whoever answers there may be a stranger: lines that are not
Tocsin's are left unread, and what is too long or too much is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from tocsin.telemetry.instruments import Counter, Histogram, Metric, Total
from tocsin.telemetry.metrics import (
    BREAKER_OPEN,
    CONSUMER_EVENTS,
    CONSUMER_HELD,
    CONSUMER_LAG,
    CONSUMER_LAG_TIME,
    CONSUMER_STALLED,
    EVENT_LATENCY,
    EVENT_OLDEST_AGE,
    EVENTS,
    INFO,
    LOSSES,
    NEIGHBOUR_REACHED,
    PICTURE_BYTES,
    QUEUE_DEPTH,
    STAGE_DURATION,
    TASK_DURATION,
    TASKS_SENT,
    TICK_AGE,
)

LINE_MAX: Final = 1024
"""Most signs in a line that is read; ours have fewer than 300."""
LABELS_MAX: Final = 32
"""Most commas in such a line; the parser's time grows with the square of the labels."""
SERIES_MAX: Final = 4000
"""Most series that are read of one process; ours has fewer than 1000."""
BUCKETS: Final = "_bucket"
COUNTS: Final = "_total"


class Series(NamedTuple):
    """The name of a series and its labels, sorted by name."""

    name: str
    labels: tuple[tuple[str, str], ...]

    def label(self, name: str) -> str:
        """The label's value; empty where the series has no such label, which for Prometheus is the same."""
        return next((value for label, value in self.labels if label == name), "")


Samples = Mapping[Series, float]
"""What each series was at one moment, or by how much it grew; never NaN or infinite, and of counts never negative."""


class Unreadable(ValueError):
    """The answer is not metrics in Prometheus's text format, or holds more than is read."""


def prometheus_name(metric: Metric) -> str:
    """The metric's name in the text; a histogram's without its `_bucket` (OpenTelemetry specification, Prometheus compatibility)."""
    plain = metric.name.replace(".", "_")
    unit = {"s": "_seconds", "By": "_bytes"}.get(metric.unit, "")
    named = plain if plain.endswith(unit) else plain + unit
    return named + COUNTS if isinstance(metric, Counter | Total) else named


def _wanted(metric: Metric) -> str:
    return prometheus_name(metric) + (BUCKETS if isinstance(metric, Histogram) else "")


SHOWN: Final = (
    *(EVENTS, EVENT_LATENCY, EVENT_OLDEST_AGE, STAGE_DURATION, CONSUMER_LAG, CONSUMER_LAG_TIME, CONSUMER_EVENTS, CONSUMER_HELD),
    *(CONSUMER_STALLED, LOSSES, PICTURE_BYTES, NEIGHBOUR_REACHED, BREAKER_OPEN, QUEUE_DEPTH, TASK_DURATION, TICK_AGE, TASKS_SENT, INFO),
)
"""The metrics that are read; all others are left out."""
_WANTED: Final = frozenset(map(_wanted, SHOWN))


def parsed(text: str) -> Samples:
    """The samples of the metrics in SHOWN. A number that cannot be is left out. Raises Unreadable."""
    try:
        return {series: value for series, value in _samples(_ours(text)) if _can_be(series, value)}
    except Unreadable:
        raise
    except (ValueError, IndexError, KeyError, OverflowError):  # what the parser meets in a line that is none; its text quotes the line
        raise Unreadable("it is not metrics in Prometheus's text format") from None


def _ours(text: str) -> str:
    if text and not text.endswith("\n"):
        raise Unreadable("its last line breaks off")
    lines = [line for line in text.split("\n") if line.partition("{")[0].partition(" ")[0] in _WANTED]
    if len(lines) > SERIES_MAX:
        raise Unreadable(f"it holds {len(lines)} series, more than {SERIES_MAX}")
    if any(len(line) > LINE_MAX or line.count(",") > LABELS_MAX for line in lines):
        raise Unreadable(f"it holds a line of more than {LINE_MAX} signs or {LABELS_MAX} labels")
    return "\n".join(lines)


def _samples(text: str) -> Iterator[tuple[Series, float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield Series(sample.name, tuple(sorted(sample.labels.items()))), float(sample.value)


def _can_be(series: Series, value: float) -> bool:
    return math.isfinite(value) and not (is_count(series) and value < 0)


def is_count(series: Series) -> bool:
    """Whether the series only grows while its process runs."""
    return series.name.endswith((COUNTS, BUCKETS))


def grouped(
    many: Iterable[Samples], metric: Metric, by: tuple[str, ...], join: Callable[[float, float], float]
) -> dict[tuple[str, ...], float]:
    """The metric's values by the values of the labels `by`; those of one group are joined two by two, across all of `many`."""
    name, groups = _wanted(metric), dict[tuple[str, ...], float]()
    for samples in many:
        for series, value in samples.items():
            if series.name == name:
                group = tuple(map(series.label, by))
                groups[group] = join(groups[group], value) if group in groups else value
    return groups
