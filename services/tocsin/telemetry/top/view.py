"""Puts together what all processes that answer say. Pure: times come in as values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import add
from typing import Final

from tocsin.telemetry.instruments import Histogram, Metric
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
from tocsin.telemetry.top.growth import Growth, grown, quantile
from tocsin.telemetry.top.samples import Samples, grouped
from tocsin.telemetry.top.seen import Seen
from tocsin.telemetry.top.types import Count, Ending, Lag, Neighbour, Oldest, Over, Process, Queue, Throughput, Timing, View

ROLES: Final[Mapping[str, tuple[Metric, ...]]] = {
    "consume": (CONSUMER_HELD, CONSUMER_EVENTS),
    "beat": (TICK_AGE, TASKS_SENT),
    "work": (QUEUE_DEPTH,),
}
"""Command -> what it alone measures."""


def view(processes: Sequence[Seen], now: datetime) -> View:
    """The view of these processes at `now`. One that did not answer the last time adds nothing to sums; it is listed with the reason."""
    answering = [each for each in processes if not each.missing_because and each.history]
    latest = [each.history[-1].values for each in answering]
    growths = [growth for each in answering if (growth := grown(each.history)) is not None]
    return View(
        at=now,
        window_s=max((each.seconds for each in growths), default=0.0),
        processes=tuple(map(_process, processes)),
        lag=_lag(latest),
        oldest=tuple(Oldest(origin, age_s) for (origin,), age_s in sorted(grouped(latest, EVENT_OLDEST_AGE, ("origin",), max).items())),
        throughput=_throughput(latest, growths),
        endings=_endings(latest, growths),
        latency=_timings(latest, growths, EVENT_LATENCY, ("ending",)),
        stages=_timings(latest, growths, STAGE_DURATION, ("stage",)),
        neighbours=_neighbours(answering),
        queues=tuple(Queue(queue, depth) for (queue,), depth in sorted(grouped(latest, QUEUE_DEPTH, ("queue",), max).items())),
        tasks=_timings(latest, growths, TASK_DURATION, ("task", "outcome")),
        sent=_counts(latest, TASKS_SENT, ("task", "result")),
        losses=_counts(latest, LOSSES, ("kind",)),
    )


def _process(seen: Seen) -> Process:
    answers = bool(seen.history) and not seen.missing_because
    values = seen.history[-1].values if answers else {}
    health = seen.health
    said = {name: _said(values, name) for name in ("site", "model_version", "version")}
    in_hand = grouped([values], CONSUMER_EVENTS, ("state",), add)
    held = _one(values, CONSUMER_HELD)
    return Process(
        address=seen.address,
        answers=answers,
        missing_because=seen.missing_because,
        role=_role(values),
        live=health.live,
        ready=health.ready,
        reasons=health.reasons,
        **said,
        running=in_hand.get(("running",)),
        waiting=in_hand.get(("waiting",)),
        held=None if held is None else held > 0,
        stalled=_one(values, CONSUMER_STALLED),
        picture_bytes=_one(values, PICTURE_BYTES),
        tick_age_s=_one(values, TICK_AGE),
    )


def _said(values: Samples, label: str) -> str:
    """The label's value, from the metric about what runs or any other."""
    runs = grouped([values], INFO, (label,), max) or {(series.label(label),): 1.0 for series in values}
    return next((found for (found,) in runs if found), "")


def _role(values: Samples) -> str:
    """Which command runs, by what only that command measures."""
    return next((role for role, metrics in ROLES.items() if any(_one(values, metric) is not None for metric in metrics)), "")


def _one(values: Samples, metric: Metric) -> float | None:
    """The sum of the metric over all its labels; None where the process does not keep it."""
    return grouped([values], metric, (), add).get(())


def _lag(latest: Sequence[Samples]) -> tuple[Lag, ...]:
    """The lag by topic. A partition that two processes tell of, as happens while it moves, counts once: the higher of both."""
    by = ("topic", "partition")
    events, ages_s = grouped(latest, CONSUMER_LAG, by, max), grouped(latest, CONSUMER_LAG_TIME, by, max)
    found: dict[str, Lag] = {}
    for topic, partition in sorted(events.keys() | ages_s.keys()):
        so_far = found.get(topic, Lag(topic, 0, 0.0, 0.0))
        behind, age_s = (values.get((topic, partition), 0.0) for values in (events, ages_s))
        found[topic] = Lag(topic, so_far.partitions + 1, so_far.events + behind, max(so_far.seconds, age_s))
    return tuple(found.values())


def _throughput(latest: Sequence[Samples], growths: Sequence[Growth]) -> tuple[Throughput, ...]:
    by = ("ending",)
    totals, rates = grouped(latest, EVENTS, by, add), _rates(growths, by)
    return tuple(Throughput(ending, _rate(rates, (ending,)), total) for (ending,), total in sorted(totals.items()))


def _endings(latest: Sequence[Samples], growths: Sequence[Growth]) -> tuple[Ending, ...]:
    by = ("ending", "reason", "origin")
    totals, rates = grouped(latest, EVENTS, by, add), _rates(growths, by)
    ranked = sorted(totals.items(), key=lambda item: (item[0][0], -item[1], item[0]))
    return tuple(
        Ending(ending, reason, origin, _rate(rates, (ending, reason, origin)), total) for (ending, reason, origin), total in ranked
    )


Rates = Mapping[tuple[str, ...], float]


def _rates(growths: Sequence[Growth], by: tuple[str, ...]) -> Rates | None:
    return grouped([each.per_second for each in growths], EVENTS, by, add) if growths else None


def _rate(rates: Rates | None, group: tuple[str, ...]) -> float | None:
    return None if rates is None else rates.get(group, 0.0)


def _timings(latest: Sequence[Samples], growths: Sequence[Growth], metric: Histogram, by: tuple[str, ...]) -> tuple[Timing, ...]:
    """The timings by label, the slowest first: over the window, or since the start where nothing was seen in it."""
    since_start = _buckets(latest, metric, by)
    in_window = _buckets([each.values for each in growths], metric, by)
    found = []
    for group, buckets in since_start.items():
        recent = in_window.get(group, {})
        seen_now = recent.get(math.inf, 0.0) > 0
        found.append(_timing(group, recent if seen_now else buckets, "window" if seen_now else "start"))
    return tuple(sorted(found, key=lambda each: (-(each.p95_s or 0.0), each.name, each.outcome)))


def _timing(group: tuple[str, ...], buckets: Mapping[float, float], over: Over) -> Timing:
    return Timing(*_two(group), buckets.get(math.inf, 0.0), over, quantile(0.5, buckets), quantile(0.95, buckets))


def _buckets(many: Iterable[Samples], metric: Histogram, by: tuple[str, ...]) -> dict[tuple[str, ...], dict[float, float]]:
    found: dict[tuple[str, ...], dict[float, float]] = {}
    for (*group, bound), count in grouped(many, metric, (*by, "le"), add).items():
        if (upper := _bound(bound)) is not None:
            found.setdefault(tuple(group), {})[upper] = count
    return found


def _bound(text: str) -> float | None:
    """The bucket's upper bound; None for what is none of a duration's."""
    try:
        bound = float(text)
    except ValueError:
        return None
    return bound if bound >= 0 else None


def _neighbours(answering: Sequence[Seen]) -> tuple[Neighbour, ...]:
    """Those that are pinged, and those that events wait for; a server that holds pictures is not pinged."""
    latest = {each.address: each.history[-1].values for each in answering}
    pings = [grouped([values], NEIGHBOUR_REACHED, ("neighbour",), max) for values in latest.values()]
    breakers = {address: grouped([values], BREAKER_OPEN, ("neighbour",), max) for address, values in latest.items()}
    pinged = {name for found in pings for (name,) in found}
    waited_for = {name for found in breakers.values() for (name,), is_open in found.items() if is_open > 0}
    return tuple(
        Neighbour(
            name,
            asked_by=sum((name,) in found for found in pings),
            reached_by=sum(found.get((name,), 0.0) > 0 for found in pings),
            breaker_open_at=tuple(address for address, found in breakers.items() if found.get((name,), 0.0) > 0),
        )
        for name in sorted(pinged | waited_for)
    )


def _counts(latest: Sequence[Samples], metric: Metric, by: tuple[str, ...]) -> tuple[Count, ...]:
    found = sorted(grouped(latest, metric, by, add).items())
    return tuple(Count(*_two(group), total) for group, total in found)


def _two(group: tuple[str, ...]) -> tuple[str, str]:
    """Name and what became of it; empty where that is not kept apart."""
    name, result = (*group, "")[:2]
    return name, result
