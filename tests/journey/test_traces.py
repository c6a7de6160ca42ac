"""One trace for one event, on the real parts: what `tocsin consume` sends to a collector."""

from __future__ import annotations

import secrets

import pytest
from tocsin.telemetry.trace import context_in

from tests.support.house import CANARY, House
from tests.support.otlp import Protocol, Span, collector, exporting
from tests.support.proxy import proxy
from tests.support.waiting import eventually
from tests.support.web import Reply

WARD = "Ward-Of-Canary"


def begun(*, sampled: bool = True) -> tuple[str, tuple[tuple[str, bytes], ...]]:
    """A producer's trace id, and the record headers that carry it."""
    trace_id = secrets.token_hex(16)
    stated = f"00-{trace_id}-{secrets.token_hex(8)}-0{int(sampled)}"
    return trace_id, (("traceparent", stated.encode()), ("tracestate", f"hospital={WARD}".encode()))


def tree(spans: list[Span]) -> dict[str, str]:
    """Span -> the name of its parent; empty where that is not among them."""
    names = {each.span_id: each.name for each in spans}
    return {each.name: names.get(each.parent_id, "") for each in spans}


def ended(spans: list[Span], topic: str) -> list[Span]:
    """The spans of whole journeys: each comes last, and maybe in a later batch than those below it."""
    return [each for each in spans if each.name == f"process {topic}"]


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_flags_trace_goes_from_the_producer_to_the_flag(quick_hospital: House, protocol: Protocol) -> None:
    subject = quick_hospital.record.patient("p-trace")
    media = quick_hospital.record.media(f"traced-by-{protocol[:4]}", subject)
    trace_id, headers = begun()
    with collector(protocol) as collected, quick_hospital.consuming(**exporting(collected, protocol)):
        quick_hospital.bus.announce(media, subject, headers=headers)
        topic, flags = quick_hospital.bus.settings.topic_imaging, quick_hospital.bus.settings.topic_flags
        eventually(lambda: f"process {topic}" in tree(collected.trace(trace_id)), within_s=60, what="the journey's spans")
    spans = collected.trace(trace_id)
    root = f"process {topic}"
    found = tree(spans)
    assert found[root] == ""
    assert {name: found[name] for name in ("fetch", "decode", "gate", "infer", "find", "write", "announce")} == dict.fromkeys(
        ("fetch", "decode", "gate", "infer", "find", "write", "announce"), root
    )
    assert (found["GET Media/{id}"], found["GET Patient/{id}"]) == ("fetch", "fetch")
    assert found["inference.GRPCInferenceService/ModelInfer"] == "infer"
    assert (found["POST /"], found[f"send {flags}"]) == ("write", "announce")
    assert {each.resource["service.name"] for each in spans} == {"tocsin-consume"}
    [report] = quick_hospital.record.reports_on(media)
    whole = next(each for each in spans if each.name == root)
    assert whole.attributes["tocsin.media"] == media
    assert whole.attributes["tocsin.report"] == f"DiagnosticReport/{report['id']}"
    assert whole.attributes["tocsin.ending"] == "published"
    sent = next(each for each in spans if each.name == f"send {flags}")
    [record] = quick_hospital.bus.records(flags)
    carried = context_in(record.headers)
    assert carried is not None
    assert (f"{carried.trace_id:032x}", f"{carried.span_id:016x}") == (trace_id, sent.span_id)
    assert trace_id in str(report)
    assert CANARY not in str(collected.spans)
    assert WARD not in str(collected.spans) + str(record.headers)


def test_a_refused_event_is_traced_whatever_its_producer_decided_and_its_replay_links_to_it(quick_hospital: House) -> None:
    trace_id, headers = begun(sampled=False)
    topic = quick_hospital.bus.settings.topic_imaging
    with collector() as collected, quick_hospital.consuming(**exporting(collected)):
        quick_hospital.bus.announce("Media/not-there", "Patient/p", headers=headers)
        eventually(lambda: bool(ended(collected.spans, topic)), within_s=60, what="the journey's whole trace")
    [root] = ended(collected.spans, topic)
    assert root.trace_id != trace_id
    assert [linked for linked, _ in root.links] == [trace_id]
    assert (root.attributes["tocsin.event.trace_id"], root.attributes["tocsin.reason"]) == (trace_id, "media-unknown")
    assert (root.status, root.attributes["error.type"]) == ("ERROR", "media-unknown")


def test_a_published_event_is_not_traced_where_its_producer_does_not(quick_hospital: House) -> None:
    subject = quick_hospital.record.patient("p-unsampled")
    media = quick_hospital.record.media("unsampled", subject)
    with collector() as collected, quick_hospital.consuming(**exporting(collected)):
        quick_hospital.bus.announce(media, subject, headers=begun(sampled=False)[1])
        quick_hospital.bus.announce("Media/not-there-either", "Patient/p")
        topic = quick_hospital.bus.settings.topic_imaging
        eventually(
            lambda: bool(ended(collected.spans, topic)) and quick_hospital.bus.lag() == 0, within_s=60, what="the refused event's trace"
        )
    assert {each.attributes.get("tocsin.media") for each in collected.spans if each.name.startswith("process")} == {
        "Media/not-there-either"
    }


def test_a_collector_that_hangs_keeps_no_event_waiting(quick_hospital: House) -> None:
    subject = quick_hospital.record.patient("p-hangs")
    with collector() as collected:
        collected.hangs = True
        with quick_hospital.consuming(**exporting(collected, TOCSIN_OTLP__QUEUE_MAX="64", TOCSIN_TRACES__RATIO="1")) as consumer:
            for number in range(40):
                quick_hospital.bus.announce(quick_hospital.record.media(f"hangs-{number}", subject), subject)
            eventually(lambda: quick_hospital.bus.lag() == 0, within_s=60, what="an ending for every event")
            consumer.stop(grace_s=30.0)
        assert consumer.exit_code == 0
    assert collected.requests > 0
    assert len(quick_hospital.bus.flags()) == 40
    assert CANARY not in quick_hospital.log()


def test_an_event_that_a_neighbour_failed_on_has_a_trace_for_each_attempt_and_all_say_whose_they_are(quick_hospital: House) -> None:
    subject = quick_hospital.record.patient("p-again")
    media = quick_hospital.record.media("tried-again", subject)
    trace_id, headers = begun()
    asked: list[str] = []

    def away_once(_method: str, path: str) -> Reply | None:
        if "tried-again" not in path or asked:
            return None
        asked.append(path)
        return Reply(503)

    topic = f"process {quick_hospital.bus.settings.topic_imaging}"
    with proxy(quick_hospital.variables["TOCSIN_FHIR__BASE_URL"]) as front, collector() as collected:
        front.trouble = away_once
        with quick_hospital.consuming(**exporting(collected), TOCSIN_FHIR__BASE_URL=front.base_url, TOCSIN_TRACES__RATIO="1"):
            quick_hospital.bus.announce(media, subject, headers=headers)
            eventually(lambda: len([each for each in collected.spans if each.name == topic]) == 2, within_s=60, what="two attempts")
    first, second = sorted((each for each in collected.spans if each.name == topic), key=lambda each: each.began_ns)
    assert (first.trace_id, first.attributes["tocsin.ending"], first.attributes["tocsin.reason"]) == (trace_id, "unavailable", "fhir")
    assert (second.parent_id, second.attributes["tocsin.ending"], second.attributes["tocsin.attempt"]) == ("", "published", 2)
    assert (first.trace_id, first.span_id) in second.links
    assert {each.attributes["tocsin.event.trace_id"] for each in (first, second)} == {trace_id}
    assert second.trace_id in quick_hospital.log()
