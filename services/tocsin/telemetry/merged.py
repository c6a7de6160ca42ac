"""One page of metrics of several processes, each of whose series then says by a label which process it is of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Metric, make_wsgi_app
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from tocsin.telemetry.health_server import App

PROCESS: Final = "process"
"""The label: a number from 0, which stays the same when a process is started again."""


def merging(texts: Callable[[], Mapping[str, str]]) -> App:
    """Answers with the metrics of all processes; `texts` has what each of them serves at this moment, by the label's value.

    A process whose text is no metrics is left out.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Merged(texts))
    app: Any = make_wsgi_app(registry)
    return app  # type: ignore[no-any-return] # prometheus_client types it by a stub of its own


class _Merged(Collector):
    def __init__(self, texts: Callable[[], Mapping[str, str]]) -> None:
        self._texts = texts

    def collect(self) -> Iterator[Metric]:
        merged: dict[str, Metric] = {}
        for process, text in self._texts().items():
            for family in _families(text):
                into = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for each in family.samples:
                    into.add_sample(each.name, {**each.labels, PROCESS: process}, each.value)
        yield from merged.values()


def _families(text: str) -> list[Metric]:
    try:
        return list(text_string_to_metric_families(text))
    except (ValueError, IndexError, KeyError):  # what the parser meets in a line that is none
        return []
