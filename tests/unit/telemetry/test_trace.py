"""One trace for one event; which of them are kept is decided at their end."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, format_trace_id, set_span_in_context
from tocsin import outcome
from tocsin.consume.attempt import Attempt
from tocsin.consume.tracing import Producer, attempt_span
from tocsin.kafka.types import Position, Record, TopicPartition
from tocsin.telemetry.calls import http_request, sending, stage
from tocsin.telemetry.recording import RecordedSpan, RecordingTracer
from tocsin.telemetry.trace import PassingTraces, context_in, root_span, span, trace_headers, trace_id

from tests.support.spans import SPANS_MAX, exported, named

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01".encode()
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00".encode()
PUBLISHED = outcome.Published("DiagnosticReport/r", "high")
REFUSED = outcome.Refused("hash-mismatch")
AWAY = outcome.Unavailable("fhir", "HTTP 503")


def attempt(traceparent: bytes | None = SAMPLED) -> Attempt:
    headers = () if traceparent is None else (("traceparent", traceparent), ("tracestate", b"ward=Jane-Canary"))
    return Attempt(Record(Position(TopicPartition("imaging", 2), 7), None, None, headers, 0))


def journey(of: Attempt, ending: outcome.Outcome, producer: Producer = "parent") -> None:
    with attempt_span(of, "tocsin", producer) as ended:
        with stage("fetch"), http_request("GET", "Media/{id}", "fhir.example.org", 443) as request:
            request.answered(200)
        ended(ending)


def trace_ids(spans: Sequence[ReadableSpan]) -> set[str]:
    return {format_trace_id(each.context.trace_id) for each in spans if each.context is not None}


def test_a_journey_continues_its_producers_trace() -> None:
    with exported() as spans:
        journey(attempt(), PUBLISHED)
    assert trace_ids(spans) == {TRACE}
    root, fetch, request = (named(spans, name) for name in ("process imaging", "fetch", "GET Media/{id}"))
    assert root.parent is not None
    assert f"{root.parent.span_id:016x}" == "b7ad6b7169203331"
    assert (fetch.parent, request.parent) == (root.context, fetch.context)
    assert dict(root.attributes or {}) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "imaging",
        "messaging.destination.partition.id": "2",
        "messaging.consumer.group.name": "tocsin",
        "messaging.kafka.offset": 7,
        "tocsin.attempt": 1,
        "tocsin.event.trace_id": TRACE,
        "tocsin.ending": "published",
        "tocsin.report": "DiagnosticReport/r",
        "tocsin.reason": "high",
    }
    assert root.kind is SpanKind.CONSUMER


def test_a_producers_trace_may_be_linked_to_instead() -> None:
    with exported() as spans:
        journey(attempt(), REFUSED, "link")
    root = named(spans, "process imaging")
    assert root.parent is None
    assert [format_trace_id(each.context.trace_id) for each in root.links] == [TRACE]
    assert trace_ids(spans) != {TRACE}
    assert (root.attributes or {})["tocsin.event.trace_id"] == TRACE


def test_an_event_that_is_tried_again_has_a_trace_of_its_own_that_links_to_those_before() -> None:
    first = attempt()
    with exported() as spans:
        journey(first, AWAY)
        journey(first, REFUSED)
    before, after = (each for each in spans if each.name == "process imaging")
    assert after.parent is None
    assert [each.context.span_id for each in after.links] == [int("b7ad6b7169203331", 16), before.context.span_id]
    assert (after.attributes or {})["tocsin.event.trace_id"] == TRACE


@pytest.mark.parametrize(("traceparent", "kept"), [(SAMPLED, True), (UNSAMPLED, False), (None, False)])
def test_a_published_journey_is_kept_where_its_producer_traces_it(traceparent: bytes | None, kept: bool) -> None:
    with exported() as spans:
        journey(attempt(traceparent), PUBLISHED)
    assert len(spans) == (3 if kept else 0)


@pytest.mark.parametrize("ending", [outcome.NotAssessable("DiagnosticReport/r", "blurred"), REFUSED, AWAY, outcome.Contended("fhir", "")])
@pytest.mark.parametrize("traceparent", [SAMPLED, UNSAMPLED, None])
def test_a_journey_that_ends_in_any_other_way_is_kept_whole(ending: outcome.Outcome, traceparent: bytes | None) -> None:
    with exported() as spans:
        journey(attempt(traceparent), ending)
    root, fetch, request = (named(spans, name) for name in ("process imaging", "fetch", "GET Media/{id}"))
    assert all(each.context is not None and each.context.trace_flags.sampled for each in spans)
    assert len(trace_ids(spans)) == 1
    assert (fetch.parent.span_id, request.parent.span_id) == (root.context.span_id, fetch.context.span_id)  # type: ignore[union-attr] # ended


def test_under_a_producer_that_does_not_sample_it_is_a_trace_of_its_own_that_links_to_the_producer() -> None:
    with exported() as spans:
        journey(attempt(UNSAMPLED), REFUSED)
    root = named(spans, "process imaging")
    assert root.parent is None
    assert [format_trace_id(each.context.trace_id) for each in root.links] == [TRACE]
    assert TRACE not in trace_ids(spans)
    assert (root.attributes or {})["tocsin.event.trace_id"] == TRACE


def test_a_journey_that_ends_in_an_exception_is_kept_and_says_its_kind_alone() -> None:
    with pytest.raises(ValueError, match="Jane"), exported() as spans, attempt_span(attempt(None), "tocsin", "parent"), stage("gate"):
        raise ValueError("Jane Canary")
    assert {(each.attributes or {})["error.type"] for each in spans} == {"ValueError"}
    assert not [each for each in spans if each.events or each.status.description]


def test_of_one_journey_so_many_spans_are_held_and_no_more() -> None:
    with exported() as spans, attempt_span(attempt(None), "tocsin", "parent") as ended:
        for _ in range(3 * SPANS_MAX):
            with stage("fetch"):
                pass
        ended(REFUSED)
    assert len(spans) == SPANS_MAX + 1


def test_what_a_producer_says_of_itself_goes_no_further() -> None:
    with exported() as spans, attempt_span(attempt(), "tocsin", "parent") as ended:
        with sending("flags") as headers:
            pass
        ended(REFUSED)
    assert [name for name, _ in headers] == ["traceparent"]
    assert all(each.context is not None and not each.context.trace_state for each in spans)


@pytest.mark.parametrize("stated", [b"", b"00-0-0-01", b"\xff" * 60, f"00-{'0' * 32}-b7ad6b7169203331-01".encode(), b"x" * 10_000])
def test_a_trace_context_that_cannot_be_read_is_none(stated: bytes) -> None:
    assert context_in([("traceparent", stated)]) is None


def test_a_record_that_begins_another_journey_begins_another_trace_and_links_to_this_one() -> None:
    with exported() as spans, root_span("run backfill", SpanKind.INTERNAL, {}) as root:
        with span("step") as step:
            pass
        with sending("imaging.backfill", [step.get_span_context(), None], apart=True) as headers:
            pass
    sent = context_in(headers)
    assert sent is not None
    assert sent.trace_id != root.get_span_context().trace_id
    assert {each.name for each in spans} == {"run backfill", "step"}  # the record's own trace is sampled by the ratio


def test_outside_a_journey_there_is_no_trace_to_pass_on() -> None:
    assert (trace_headers(), trace_id()) == ([], "")


def test_the_ratio_decides_where_no_producer_did() -> None:
    for ratio, kept in ((1.0, True), (0.0, False)):
        begun = RecordingTracer(ratio, lambda _: None).start_span("x").get_span_context()
        assert (begun.is_valid, begun.trace_flags.sampled) == (True, kept)


def test_below_a_span_of_either_kind_the_ratio_does_not_count() -> None:
    for sampled in (True, False):
        above = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(int(sampled)))
        within = set_span_in_context(NonRecordingSpan(above), Context())
        begun = RecordingTracer(0.5, lambda _: None).start_span("x", within).get_span_context()
        assert (begun.trace_id, begun.trace_flags.sampled) == (1, sampled)


def test_a_span_that_is_ended_twice_is_told_once() -> None:
    told: list[RecordedSpan] = []
    span = RecordingTracer(1.0, told.append).start_span("x")
    span.end()
    span.end()
    assert told == [span]
    assert not span.is_recording()


def test_a_process_that_exports_nothing_passes_traces_on_and_begins_them() -> None:
    tracer = PassingTraces().get_tracer("x")
    begun = tracer.start_span("x").get_span_context()
    assert begun.is_valid
    assert not begun.trace_flags.sampled
    above = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1))
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    assert tracer.start_span("x", set_span_in_context(NonRecordingSpan(above), Context())).get_span_context() == above
