"""What the product does while its collector is in trouble: events go on ending, and its own metrics tell what was not sent."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from typing import Final
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from tests.chaos.collector import Collector, Trouble
from tests.chaos.plan import Fault
from tests.chaos.wire import HOST

ANSWER_WITHIN_S: Final = 2.0
LOOK_EVERY_S: Final = 0.5
SHOWN_WITHIN_S: Final = 60.0
"""How much longer a trouble lasts at most, until events have ended in spite of it and the metrics have told it."""
UNSENT: Final[Mapping[str, str]] = {
    "tocsin_exports_failed_total": "failed requests",
    "tocsin_spans_dropped_total": "dropped",
    "otel_sdk_processor_span_processed_total": "dropped",
    "otel_sdk_processor_log_processed_total": "dropped",
}
"""Series -> what it counts; of OpenTelemetry's own only what has an error.type."""

Unsent = Mapping[str, float]
"""Kind of UNSENT -> how many; of requests by signal: `failed requests of traces`."""
TOLD: Final = ("failed requests of traces", "failed requests of metrics")
"""What a collector that takes nothing must make grow: spans and metrics are sent all the time."""


@dataclass(frozen=True, slots=True)
class Endured:
    """One trouble of the collector, and what was seen while it lasted."""

    fault: Fault
    endings: int
    """Flags and dead letters that came meanwhile."""
    unsent: Unsent
    """What the processes told meanwhile; of one that was killed without what it told since it was last asked."""

    def wrong(self) -> Iterator[str]:
        """A line for each thing that must not be."""
        if not self.endings:
            yield f"no event ended while the collector was in trouble ({self.fault.kind} {self.fault.target})"
        untold = [each for each in TOLD if not self.unsent.get(each)]
        if untold and self.fault.target != "slow":
            yield f"no metric told of {' and '.join(untold)} while the collector was in trouble ({self.fault.kind} {self.fault.target})"


class Pages:
    """The processes' /metrics."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        """Name of a process -> its metrics port."""
        self._ports = ports

    def read(self) -> Mapping[tuple[str, str], float]:
        """Process and kind -> what it has counted since its start; nothing of a process that does not answer."""
        found: Counter[tuple[str, str]] = Counter()
        for process, port in self._ports.items():
            with suppress(OSError, HTTPException):
                found += Counter({(process, kind): count for kind, count in unsent(_text(port)).items()})
        return found


def _text(port: int) -> str:
    with urlopen(f"http://{HOST}:{port}/metrics", timeout=ANSWER_WITHIN_S) as answer:
        text = answer.read().decode()
    assert isinstance(text, str)
    return text


def unsent(text: str) -> Counter[str]:
    """What a page in Prometheus's text format tells of it."""
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            of_sdk, kind = sample.name.startswith("otel_"), UNSENT.get(sample.name)
            if kind is not None and (sample.labels.get("error_type") or not of_sdk):
                signal = sample.labels.get("signal")
                found[kind if signal is None else f"{kind} of {signal}"] += int(sample.value)
    return found


class Growth:
    """How much the processes' counts grew since it was made; it has to be looked at often, as a process takes its counts along."""

    def __init__(self, read: Callable[[], Mapping[tuple[str, str], float]]) -> None:
        self._read = read
        self._last = dict(read())
        self._grown: Counter[str] = Counter()

    def look(self) -> Unsent:
        """Until now."""
        for key, count in self._read().items():
            before = self._last.get(key, 0)
            self._grown[key[1]] += int(count - before if count >= before else count)  # less than before: it was started anew
            self._last[key] = count
        return dict(self._grown)


def endure(
    fault: Fault, how: Trouble, collector: Collector, pages: Pages, endings: Callable[[], int], stopping: threading.Event
) -> Endured:
    """The collector's trouble from beginning to end, which comes once there is something to see, or after SHOWN_WITHIN_S more."""
    growth, before = Growth(pages.read), endings()
    collector.fail(how)
    seen = Endured(fault, 0, {})
    for looks in range(int((fault.lasts_s + SHOWN_WITHIN_S) / LOOK_EVERY_S)):
        if stopping.wait(LOOK_EVERY_S):
            break
        seen = Endured(fault, endings() - before, growth.look())
        if looks * LOOK_EVERY_S >= fault.lasts_s and not any(seen.wrong()):
            break
    collector.mend()
    return seen


def silent(heard: Callable[[], Collection[tuple[str, str]]], processes: Collection[str], stopping: threading.Event) -> Sequence[str]:
    """A line for each process of whose metrics the collector has heard nothing, within SHOWN_WITHIN_S; `heard` as Collector.heard."""
    missing = set(processes)
    for _ in range(int(SHOWN_WITHIN_S / LOOK_EVERY_S)):
        missing = set(processes) - {service for service, path in heard() if path == "/v1/metrics"}
        if not missing or stopping.wait(LOOK_EVERY_S):
            break
    return [f"{name} sent nothing more after the collector was back" for name in sorted(missing)]
