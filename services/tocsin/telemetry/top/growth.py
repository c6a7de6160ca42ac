"""How much a process's counts grew between its answers, and the quantiles of a histogram. Times are monotonic seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.telemetry.top.samples import Samples, is_count

WINDOW_S: Final = 60.0
"""For how long an answer counts for rates, unless there are none that are younger."""
STEPS: Final = 12
"""Into how many parts the window is divided; one answer is kept of each, and memory is bounded so."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """What the metrics of one process were at one moment."""

    at_s: float
    values: Samples


@dataclass(frozen=True, slots=True)
class Growth:
    """By how much each count of a process grew, never less than 0, and in how many seconds, more than 0."""

    seconds: float
    values: Samples

    @property
    def per_second(self) -> Samples:
        """The growth in each second."""
        return {series: value / self.seconds for series, value in self.values.items()}


History = tuple[Scrape, ...]
"""The scrapes of one process, the oldest first."""


def with_scrape(history: History, scrape: Scrape) -> History:
    """The history with one scrape more, without what is no longer needed.

    Where the process was started anew in between, its counts begin at 0 after the last scrape before that.
    """
    if history and restarted(history[-1].values, scrape.values):
        history = (Scrape(history[-1].at_s, {}),)
    if len(history) > 1 and history[-1].at_s - history[-2].at_s < WINDOW_S / STEPS:
        history = history[:-1]
    young = tuple(each for each in history if each.at_s >= scrape.at_s - WINDOW_S)
    return (*(young or history[-1:]), scrape)


def restarted(before: Samples, after: Samples) -> bool:
    """Whether the process was started anew: a count that only grows is gone or has shrunk."""
    return any(is_count(series) and after.get(series, -1.0) < value for series, value in before.items())


def grown(history: History) -> Growth | None:
    """The growth from the oldest scrape to the newest; None where there is only one, or no time between them."""
    if not history or history[-1].at_s <= history[0].at_s:
        return None
    before, after = history[0], history[-1]
    values = {series: value - before.values.get(series, 0.0) for series, value in after.values.items() if is_count(series)}
    return Growth(after.at_s - before.at_s, {series: max(0.0, value) for series, value in values.items()})


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """The value that `share` of the observations stay below, estimated as Prometheus's histogram_quantile does.

    `buckets`: upper bound -> observations up to it. Linear inside a bucket; a value above the last finite bound is told as that bound.
    None without observations.
    """
    bounds = sorted(buckets)
    counts = _never_falling([buckets[bound] for bound in bounds])
    if len(bounds) < 2 or bounds[-1] != math.inf or counts[-1] <= 0:
        return None
    place = next(place for place, count in enumerate(counts) if count >= share * counts[-1])
    if bounds[place] == math.inf:
        return bounds[-2]
    low, under = (0.0, 0.0) if place == 0 else (bounds[place - 1], counts[place - 1])
    inside = counts[place] - under
    return low + (bounds[place] - low) * ((share * counts[-1] - under) / inside if inside else 0.0)


def _never_falling(counts: Sequence[float]) -> list[float]:
    """The counts, each at least as high as those before it: buckets of two versions of a process may differ."""
    most, found = 0.0, list[float]()
    for count in counts:
        most = max(most, count)
        found.append(most)
    return found
