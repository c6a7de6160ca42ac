"""Back ends of traces answer alike: fakes of Jaeger's and Zipkin's query APIs, the real Zipkin, and the real Jaeger where it is built.

`--jaeger` builds it where it is not. Spans come into Jaeger by OTLP, and into Zipkin by its own API: it takes no OTLP, so that at a site
OpenTelemetry's collector stands before it, which is not here; what that would write is what the fake writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from tocsin.bootstrap.trace import look, trace_store
from tocsin.sandbox import jaeger
from tocsin.settings import QueryApi, TracesSettings
from tocsin.telemetry.preflight import Check
from tocsin.traces.ports import Tagged, TraceStore
from tocsin.traces.timeline import timelines
from tocsin.traces.types import Span, micros, moment

from tests.fakes.traces import jaeger_api, zipkin_api
from tests.support.journey_spans import BEGAN_US, CONSUME, journey, span
from tests.support.otlp_spans import send_spans
from tests.support.waiting import eventually
from tests.support.zipkin import Zipkin, send_zipkin_spans

TRACE, OTHER, PRODUCERS = "0af7651916cd43dd8448eb211c80319c", "00000000000000ab8448eb211c80319c", "1bf7651916cd43dd8448eb211c80319c"


@dataclass(frozen=True)
class BackEnd:
    """A back end, what Tocsin asks it by, and how spans come into it."""

    url: str
    api: QueryApi
    take: Callable[[Sequence[Span]], None]

    @property
    def store(self) -> TraceStore:
        """What `tocsin trace` asks it by."""
        found = trace_store(TracesSettings(query_url=self.url, query_api=self.api))
        assert found is not None
        return found

    def keeps(self, *spans: Span) -> None:
        """Send the spans, and wait until they are kept."""
        self.take(spans)
        for trace_id in {each.trace_id for each in spans}:
            wanted = sum(each.trace_id == trace_id for each in spans)
            eventually(partial(self._has, trace_id, wanted), what="spans that are kept")

    def _has(self, trace_id: str, spans: int) -> bool:
        return len(self.store.trace(trace_id)) >= spans


@contextmanager
def _fake_jaeger(_request: pytest.FixtureRequest) -> Iterator[BackEnd]:
    with jaeger_api() as (url, spans):
        yield BackEnd(url, "jaeger", spans.extend)


@contextmanager
def _fake_zipkin(_request: pytest.FixtureRequest) -> Iterator[BackEnd]:
    with zipkin_api() as (url, spans):
        yield BackEnd(url, "zipkin", spans.extend)


@contextmanager
def _real_jaeger(request: pytest.FixtureRequest) -> Iterator[BackEnd]:
    part: jaeger.Jaeger = request.getfixturevalue("jaeger_server")
    yield BackEnd(part.query_url, "jaeger", lambda spans: send_spans(part.otlp_http_url, spans))


@contextmanager
def _real_zipkin(request: pytest.FixtureRequest) -> Iterator[BackEnd]:
    part: Zipkin = request.getfixturevalue("zipkin_server")
    yield BackEnd(part.query_url, "zipkin", lambda spans: send_zipkin_spans(part.query_url, spans))


BACK_ENDS = {"a-fake-of-Jaeger": _fake_jaeger, "a-fake-of-Zipkin": _fake_zipkin, "Jaeger": _real_jaeger, "Zipkin": _real_zipkin}


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.jaeger] * (name == "Jaeger")) for name in BACK_ENDS])
def back_end(request: pytest.FixtureRequest) -> Iterator[BackEnd]:
    """One back end; tests on the real one share it, so that each sends traces of its own."""
    with BACK_ENDS[request.param](request) as found:
        yield found


def of(span: Span) -> tuple[Any, ...]:
    """What both APIs tell of a span; Zipkin's numbers are texts, and its names in small letters."""
    attributes = {name: str(value) for name, value in span.attributes.items()}
    return (
        span.trace_id,
        span.id,
        span.parent,
        span.service,
        span.name.lower(),
        span.kind,
        span.start_us,
        span.duration_us,
        span.failed,
        attributes,
    )


def asked(attribute: str, value: str, service: str = CONSUME, since: datetime | None = None) -> Tagged:
    began = moment(BEGAN_US)
    return Tagged(service, attribute, value, since or began - timedelta(hours=1), began + timedelta(hours=1))


def unique(request: pytest.FixtureRequest, trace_id: str) -> str:
    """A trace id of this test alone, which begins as `trace_id` does."""
    return trace_id[:16] + f"{abs(hash(request.node.nodeid)):016x}"[-16:]


def test_a_trace_is_read_back_as_it_was_sent(back_end: BackEnd, request: pytest.FixtureRequest) -> None:
    spans = journey(unique(request, TRACE))
    back_end.keeps(*spans)
    assert sorted(map(of, back_end.store.trace(spans[0].trace_id))) == sorted(map(of, spans))


def test_a_trace_whose_id_begins_with_zeros_is_found(back_end: BackEnd, request: pytest.FixtureRequest) -> None:
    spans = journey(unique(request, OTHER))
    back_end.keeps(*spans)
    assert {each.trace_id for each in back_end.store.trace(spans[0].trace_id)} == {spans[0].trace_id}


def test_a_trace_that_is_not_kept_has_no_spans(back_end: BackEnd) -> None:
    assert back_end.store.trace("f" * 32) == []


def test_whole_traces_are_found_by_what_one_of_their_spans_says(back_end: BackEnd, request: pytest.FixtureRequest) -> None:
    mine, other = journey(unique(request, TRACE), media="Media/mine"), journey(unique(request, PRODUCERS), media="Media/other")
    back_end.keeps(*mine, *other)
    found = back_end.store.tagged(asked("tocsin.media", "Media/mine"), 5)
    assert sorted(map(of, found)) == sorted(map(of, mine))


def test_traces_of_another_service_or_time_are_not_found(back_end: BackEnd, request: pytest.FixtureRequest) -> None:
    back_end.keeps(*journey(unique(request, TRACE), media="Media/timely"))
    assert back_end.store.tagged(asked("tocsin.media", "Media/timely", "tocsin-beat"), 5) == []
    assert back_end.store.tagged(asked("tocsin.media", "Media/timely", since=moment(BEGAN_US) + timedelta(minutes=1)), 5) == []


def test_no_more_traces_come_than_were_asked_for(back_end: BackEnd, request: pytest.FixtureRequest) -> None:
    many = [journey(unique(request, f"{number:016x}"), media="Media/many") for number in range(1, 6)]
    back_end.keeps(*(each for spans in many for each in spans))
    assert len(timelines(back_end.store.tagged(asked("tocsin.media", "Media/many"), 3))) == 3


def test_links_to_other_traces_and_failures_are_told(back_end: BackEnd, request: pytest.FixtureRequest) -> None:
    trace_id, linked = unique(request, TRACE), unique(request, PRODUCERS)
    root = replace(journey(trace_id, report=None, ending="unavailable")[0], links=(linked,))
    back_end.keeps(root)
    [found] = back_end.store.trace(trace_id)
    assert (found.links, found.failed, found.kind) == ((linked,), True, "CONSUMER")


def test_what_tocsin_does_not_ask_for_is_not_read(back_end: BackEnd, request: pytest.FixtureRequest) -> None:
    trace_id = unique(request, TRACE)
    back_end.keeps(span(trace_id, "fetch", attributes={"patient.name": "Canary-Quintessa", "tocsin.attempt": 2}))
    [found] = back_end.store.trace(trace_id)
    assert "Canary" not in repr(found)
    assert found.attributes == {"tocsin.attempt": 2}


def test_times_are_to_the_microsecond(back_end: BackEnd, request: pytest.FixtureRequest) -> None:
    trace_id, began = unique(request, TRACE), micros(datetime(2026, 3, 1, 12, 0, 0, 123457, UTC))
    back_end.keeps(span(trace_id, "fetch", start_us=began, duration_us=7))
    [found] = back_end.store.trace(trace_id)
    assert (found.start_us, found.duration_us) == (began, 7)


def checked(back_end: BackEnd, api: QueryApi) -> Check:
    """The last check of `tocsin check` on the back end, where that is claimed to speak this API."""
    return [*look(TracesSettings(query_url=back_end.url, query_api=api), {})][-1]


def test_a_check_says_whose_spans_are_there(back_end: BackEnd, request: pytest.FixtureRequest) -> None:
    back_end.keeps(*journey(unique(request, TRACE)))
    found = checked(back_end, back_end.api)
    assert (found.what, found.passed, found.warning) == ("query API", True, False)
    assert found.found.lower() == f"{back_end.api}, with spans of {CONSUME}"


def test_a_check_says_which_api_is_spoken_where_the_settings_claim_another(back_end: BackEnd) -> None:
    claimed: QueryApi = "zipkin" if back_end.api == "jaeger" else "jaeger"
    found = checked(back_end, claimed)
    assert (found.what, found.passed) == ("query API", False)
    assert found.fix.startswith(f"set TOCSIN_TRACES__QUERY_API={back_end.api}: ")
