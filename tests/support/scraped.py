"""Reads what a process of Tocsin serves at /metrics, as Prometheus does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from tocsin.network import HOST
from tocsin.telemetry.instruments import Counter, Histogram, Metric, Total
from tocsin.telemetry.metrics import CATALOGUE

from tests.support.health import Logged, said
from tests.support.waiting import eventually

WHOSE: Final = frozenset({"site", "model_version"})
_UNITS: Final = {"s": "_seconds", "By": "_bytes"}


class Sample(NamedTuple):
    """One line of the page."""

    name: str
    labels: Mapping[str, str]
    value: float


def served_as(metric: Metric) -> str:
    """The metric's name in Prometheus's text; of a histogram without what follows."""
    name, unit = metric.name.replace(".", "_"), _UNITS.get(metric.unit, "")
    name = name if name.endswith(unit) else name + unit
    return f"{name}_total" if isinstance(metric, Counter | Total) else name


class Scrapes:
    """What the process says on the port that its log names."""

    def __init__(self, logs: Logged, name: str = "consume", event: str = "consuming") -> None:
        """`event` is the line that names the port."""
        eventually(lambda: bool(said(logs, event, name)), within_s=90, what="the port in the log")
        self._url = f"http://{HOST}:{said(logs, event, name)[0]['port']}/metrics"

    def read(self) -> list[Sample]:
        """Every sample now."""
        with urlopen(self._url, timeout=10) as answer:
            text = answer.read().decode()
        return [Sample(each.name, each.labels, each.value) for family in text_string_to_metric_families(text) for each in family.samples]

    def value(self, metric: Metric, **labels: str) -> float | None:
        """The sum over the series with these labels; of a histogram, how many values it has seen. None: there is no such series."""
        name = served_as(metric) + ("_count" if isinstance(metric, Histogram) else "")
        found = [each.value for each in self.read() if each.name == name and labels.items() <= each.labels.items()]
        return sum(found) if found else None


def strangers(samples: list[Sample]) -> list[Sample]:
    """Samples whose name or label names are not those of the catalogue; a label that semantic conventions leave out may be absent."""
    known: dict[str, Metric] = {}
    for metric in CATALOGUE:
        endings = ("_bucket", "_sum", "_count") if isinstance(metric, Histogram) else ("",)
        known |= {served_as(metric) + ending: metric for ending in endings}
    return [each for each in samples if each.name not in known or not _fits(each, known[each.name])]


def _fits(sample: Sample, metric: Metric) -> bool:
    labels = set(sample.labels) - WHOSE - {"le"}
    named = {label.replace(".", "_") for label in metric.labels}
    return labels == named if metric.name.startswith("tocsin.") else labels <= named
