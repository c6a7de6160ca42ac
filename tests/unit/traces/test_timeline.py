"""A trace becomes a tree in the order of time, whatever a back end answers."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tocsin.traces.timeline import timelines
from tocsin.traces.types import Span

from tests.support.journey_spans import BEGAN_US, journey, span

TRACE, OTHER = "0a" * 16, "0b" * 16


def test_each_span_stands_below_the_one_that_called_it_in_the_order_of_their_begin() -> None:
    spans = journey(TRACE)
    [found] = timelines(reversed(spans))
    assert [(line.span.name, line.depth, line.offset_us) for line in found.lines] == [
        ("process imaging.events.v1", 0, 0),
        ("fetch", 1, 1_000),
        ("GET Media/{id}", 2, 1_000),
        ("announce", 1, 80_000),
        ("send tocsin.flags.v1", 2, 80_000),
    ]
    assert (found.start_us, found.length_us) == (BEGAN_US, 100_000)


def test_an_attempt_is_told_with_the_time_that_each_of_its_stages_took() -> None:
    [found] = timelines(journey(TRACE, attempt=2))
    [attempt] = found.attempts
    assert (attempt.span.attributes["tocsin.attempt"], attempt.stages_us) == (2, {"fetch": 20_000, "announce": 10_000})


def test_two_attempts_in_one_trace_do_not_share_their_stages() -> None:
    [found] = timelines([*journey(TRACE), *journey(TRACE, attempt=2, start_us=BEGAN_US + 500_000)])
    assert [each.stages_us["fetch"] for each in found.attempts] == [20_000, 20_000]


def test_traces_stand_in_the_order_of_their_begin_and_a_span_told_twice_counts_once() -> None:
    late, early = journey(OTHER, start_us=BEGAN_US + 1), journey(TRACE)
    found = timelines([*late, *early, *early])
    assert [(each.trace_id, len(each.lines)) for each in found] == [(TRACE, 5), (OTHER, 5)]


def test_a_span_whose_parent_is_not_there_stands_at_the_top() -> None:
    [_, fetch, get, *_] = journey(TRACE)
    [found] = timelines([get, fetch])
    assert [(line.span.name, line.depth) for line in found.lines] == [("fetch", 0), ("GET Media/{id}", 1)]


def test_spans_that_call_each_other_in_a_circle_are_all_told() -> None:
    one, other = span(TRACE, "one"), span(TRACE, "other")
    [found] = timelines([replace(one, parent=other.id), replace(other, parent=one.id)])
    assert [line.depth for line in found.lines] == [0, 1]


def test_a_trace_of_any_depth_is_told() -> None:
    spans = [span(TRACE, "top")]
    for _ in range(5_000):
        spans.append(span(TRACE, "below", spans[-1]))
    [found] = timelines(spans)
    assert found.lines[-1].depth == 5_000


ids = st.integers(1, 6).map(lambda number: f"{number:016x}")
anything = st.builds(
    Span,
    trace_id=st.just(TRACE),
    id=ids,
    parent=st.none() | ids,
    service=st.just("tocsin-consume"),
    name=st.just("fetch"),
    kind=st.just("INTERNAL"),
    start_us=st.integers(0, 100),
    duration_us=st.integers(0, 9),
    failed=st.booleans(),
)


@given(st.lists(anything, min_size=1, max_size=12))
def test_every_span_stands_in_its_tree_exactly_once_and_within_the_traces_time(spans: list[Span]) -> None:
    [found] = timelines(spans)
    assert sorted(line.span.id for line in found.lines) == sorted({each.id for each in spans})
    assert all(0 <= line.offset_us <= found.length_us for line in found.lines)
