"""A process that tells of itself at /metrics and /ready, in the text that OpenTelemetry's own Prometheus exporter writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import orjson
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Counter as Instrument
from opentelemetry.metrics import Histogram as HistogramInstrument
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, generate_latest
from tocsin.telemetry import SCOPE
from tocsin.telemetry.instruments import Counter, Gauge, Histogram, Metric, Total
from tocsin.telemetry.metrics import (
    BREAKER_OPEN,
    CATALOGUE,
    CONSUMER_EVENTS,
    CONSUMER_HELD,
    CONSUMER_LAG,
    CONSUMER_LAG_TIME,
    EVENT_LATENCY,
    EVENT_OLDEST_AGE,
    EVENTS,
    INFO,
    NEIGHBOUR_REACHED,
    PICTURE_BYTES,
    QUEUE_DEPTH,
    STAGE_DURATION,
    TASK_DURATION,
    TASKS_SENT,
    TICK_AGE,
)

from tests.support.web import serving

ON_EACH = ("site", "model_version")


class Telling:
    """What one process has counted; a new one has counted nothing, as a process that was started anew."""

    def __init__(self, site: str = "urn:example:dermatology", model_version: str = "1.2.0") -> None:
        self._registry = CollectorRegistry()
        reader = PrometheusMetricReader(
            True, scope_info_enabled=False, registry=self._registry, resource_attribute_filter=lambda name: name in ON_EACH
        )
        resource = Resource({"site": site, "model_version": model_version})
        self._meter = MeterProvider([reader], resource=resource).get_meter(SCOPE)
        self._made: dict[str, Any] = {}
        self._values: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
        self.page: dict[str, Any] = {"live": True, "ready": True, "not_live_because": [], "not_ready_because": []}

    def count(self, metric: Counter, amount: float, **labels: str) -> None:
        """As Counter.add; `class_` stands for the label class."""
        made: Instrument = self._once(metric, lambda: self._meter.create_counter(metric.name, metric.unit, metric.meaning))
        made.add(amount, _named(labels))

    def record(self, metric: Histogram, value: float, times: int = 1, **labels: str) -> None:
        """As Histogram.record, `times` over."""
        made: HistogramInstrument = self._once(
            metric,
            lambda: self._meter.create_histogram(
                metric.name, metric.unit, metric.meaning, explicit_bucket_boundaries_advisory=metric.bounds
            ),
        )
        for _ in range(times):
            made.record(value, _named(labels))

    def set(self, metric: Gauge | Total, value: float, **labels: str) -> None:
        """What the gauge is from now on."""
        self._values.setdefault(metric.name, {})[tuple(_named(labels).items())] = value
        create = self._meter.create_observable_counter if isinstance(metric, Total) else self._meter.create_observable_gauge
        self._once(metric, lambda: create(metric.name, [lambda _: self._observed(metric)], metric.unit, metric.meaning))

    def text(self) -> str:
        """What /metrics answers."""
        return generate_latest(self._registry).decode()

    def _observed(self, metric: Metric) -> list[Observation]:
        return [Observation(value, dict(labels)) for labels, value in self._values[metric.name].items()]

    def _once(self, metric: Metric, make: Callable[[], Any]) -> Any:
        if metric.name not in self._made:
            self._made[metric.name] = make()
        return self._made[metric.name]


def _named(labels: dict[str, str]) -> dict[str, str]:
    return {name.removesuffix("_"): value for name, value in labels.items()}


class Process:
    """A process that can be started anew: `tells` is what it tells at this moment."""

    def __init__(self, tells: Telling) -> None:
        self.tells = tells
        self.address = ""
        self.asked = 0
        """How often /metrics was asked for."""
        self.before_metrics: Callable[[], object] = lambda: None
        """Called before /metrics is answered, with what is to happen between two answers."""


@contextmanager
def process(tells: Telling) -> Iterator[Process]:
    """The process on a free port until the block ends."""
    made = Process(tells)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pages = {"/metrics": self._metrics, "/ready": self._ready}
            status, body = pages.get(self.path, lambda: (404, b""))()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _metrics(self) -> tuple[int, bytes]:
            made.asked += 1
            made.before_metrics()
            return 200, made.tells.text().encode()

        def _ready(self) -> tuple[int, bytes]:
            return 200 if made.tells.page["ready"] else 503, orjson.dumps(made.tells.page)

        def log_message(self, *_args: object) -> None:
            """Says nothing."""

    with serving(Handler) as origin:
        made.address = origin
        yield made


def everything() -> Telling:
    """A process that keeps every metric of the catalogue, each with one series."""
    tells = Telling()
    for metric in CATALOGUE:
        labels = {f"{name}_" if name == "class" else name: "x" for name in metric.labels}
        if isinstance(metric, Counter):
            tells.count(metric, 1, **labels)
        elif isinstance(metric, Histogram):
            tells.record(metric, 0.2, 1, **labels)
        elif isinstance(metric, Gauge | Total):
            tells.set(metric, 3, **labels)
    return tells


def consuming() -> Telling:
    """A `tocsin consume` in the middle of its work, whose FHIR server has just gone away."""
    tells = Telling()
    tells.set(INFO, 1, version="0.1.0", card_sha256="ab12", site_file="st-elsewhere/3", edition="3")
    tells.set(CONSUMER_HELD, 0)
    for partition, behind in (("0", 12), ("1", 30), ("2", 0)):
        tells.set(CONSUMER_LAG, behind, topic="imaging.events.v1", partition=partition)
        tells.set(CONSUMER_LAG_TIME, behind / 4, topic="imaging.events.v1", partition=partition)
    tells.set(EVENT_OLDEST_AGE, 7.5, origin="live")
    tells.set(CONSUMER_EVENTS, 8, state="running")
    tells.set(CONSUMER_EVENTS, 34, state="waiting")
    tells.set(PICTURE_BYTES, 23_040_000)
    for neighbour in ("kafka", "fhir", "triton"):
        tells.set(NEIGHBOUR_REACHED, neighbour != "fhir", neighbour=neighbour)
        tells.set(BREAKER_OPEN, neighbour == "fhir", neighbour=neighbour)
    judged(tells, 1200)
    tells.page |= {"ready": False, "not_ready_because": ["fhir: HTTP 503 to the read of metadata: no OperationOutcome"]}
    return tells


def judged(tells: Telling, events: int) -> None:
    """It takes so many events more to their endings, a tenth of them not assessable."""
    for ending, reason, share in (("published", "below-threshold", 0.7), ("published", "raised", 0.2), ("not-assessable", "too-dark", 0.1)):
        tells.count(EVENTS, round(events * share), ending=ending, reason=reason, origin="live")
        tells.record(EVENT_LATENCY, 0.4, round(events * share), ending=ending, origin="live")
    for stage, took_s in (("fetch", 0.02), ("decode", 0.015), ("infer", 0.08), ("write", 0.3)):
        tells.record(STAGE_DURATION, took_s, events, stage=stage)


def working() -> Telling:
    """A `tocsin work` with a task that waits."""
    tells = Telling()
    tells.set(QUEUE_DEPTH, 1, queue="tocsin.backfill")
    tells.set(QUEUE_DEPTH, 0, queue="tocsin.regular")
    tells.record(TASK_DURATION, 1.4, 3, task="redrive", outcome="done")
    return tells


def ticking() -> Telling:
    """A `tocsin beat` that goes round."""
    tells = Telling()
    tells.set(TICK_AGE, 0.3)
    tells.count(TASKS_SENT, 3, task="redrive", result="sent")
    return tells
