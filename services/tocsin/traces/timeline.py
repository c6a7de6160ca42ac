"""Spans of one trace as a timeline: who called whom, when each began, and how its attempts compare. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.telemetry.trace import ATTEMPT, ENDING
from tocsin.traces.types import Span

STAGES: Final = ("fetch", "find", "decode", "gate", "infer", "write", "announce")
"""Names of a journey's stages, in their order."""


@dataclass(frozen=True, slots=True)
class Line:
    """One span at its place in the tree."""

    span: Span
    depth: int
    """How many spans stand above it."""
    offset_us: int
    """From the trace's begin."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at an event: its span, and how long each of its stages took in all."""

    span: Span
    stages_us: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Timeline:
    """One trace: its spans, each below the one that called it, in the order of their begin."""

    trace_id: str
    lines: tuple[Line, ...]

    @property
    def start_us(self) -> int:
        """When its first span began, microseconds since 1970 (UTC)."""
        return min(each.span.start_us for each in self.lines)

    @property
    def length_us(self) -> int:
        """From its first begin to its last end."""
        return max(each.span.end_us for each in self.lines) - self.start_us

    @property
    def links(self) -> tuple[str, ...]:
        """Ids of the traces to which its spans link."""
        return tuple(dict.fromkeys(link for each in self.lines for link in each.span.links))

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Its attempts, in the order of their begin."""
        return tuple(Attempt(span, stages) for span, stages in self._attempts())

    def _attempts(self) -> Iterable[tuple[Span, Mapping[str, int]]]:
        for place, line in enumerate(self.lines):
            if ATTEMPT in line.span.attributes and ENDING in line.span.attributes:
                yield line.span, _stages(self.lines[place + 1 :], line.depth)


def timelines(spans: Iterable[Span]) -> tuple[Timeline, ...]:
    """The timeline of each trace among the spans, the earliest first; a span that is told twice counts once."""
    traces: dict[str, dict[str, Span]] = defaultdict(dict)
    for each in spans:
        traces[each.trace_id].setdefault(each.id, each)
    found = (Timeline(trace_id, _tree(tuple(each.values()))) for trace_id, each in traces.items())
    return tuple(sorted(found, key=lambda each: (each.start_us, each.trace_id)))


def _tree(spans: Sequence[Span]) -> tuple[Line, ...]:
    """The spans in the order of a tree. One whose parent is not there stands at the top, and so does the first of a circle."""
    known = {each.id for each in spans}
    start_us = min(each.start_us for each in spans)
    below: dict[str, list[Span]] = defaultdict(list)
    tops = []
    for each in sorted(spans, key=lambda span: (span.start_us, span.id)):
        if each.parent is not None and each.parent in known:
            below[each.parent].append(each)
        else:
            tops.append(each)
    lines: list[Line] = []
    placed: set[str] = set()
    for top in (*tops, *sorted(spans, key=lambda span: (span.start_us, span.id))):
        _place(top, below, start_us, lines, placed)
    return tuple(lines)


def _place(top: Span, below: Mapping[str, Collection[Span]], start_us: int, lines: list[Line], placed: set[str]) -> None:
    """Place the span and all below it, without recursion: how deep a trace is, others decide."""
    waiting = [(top, 0)]
    while waiting:
        span, depth = waiting.pop()
        if span.id in placed:
            continue
        placed.add(span.id)
        lines.append(Line(span, depth, span.start_us - start_us))
        waiting += [(each, depth + 1) for each in reversed([*below.get(span.id, ())])]


def _stages(lines: Sequence[Line], depth: int) -> Mapping[str, int]:
    """Stage -> how long it took in all, among the first of these lines that stand deeper than `depth`."""
    took: dict[str, int] = dict.fromkeys(STAGES, 0)
    for line in lines:
        if line.depth <= depth:
            break
        if line.span.name in took and line.span.kind == "INTERNAL":
            took[line.span.name] += line.span.duration_us
    return {stage: us for stage, us in took.items() if us}
