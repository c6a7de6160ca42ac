"""From a report, a picture or a trace, every attempt at its event is found."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tocsin.traces.search import Window, search
from tocsin.traces.types import Subject, moment, subject_of

from tests.fakes.traces import FakeTraces
from tests.support.journey_spans import BEGAN_US, journey, span

FIRST, SECOND, EVENT = "0a" * 16, "0b" * 16, "0e" * 16
WINDOW = Window(("tocsin-consume", "tocsin-work"), moment(BEGAN_US) - timedelta(hours=1), moment(BEGAN_US) + timedelta(hours=1))
FAILED = journey(FIRST, report=None, ending="unavailable", event_trace_id=EVENT)
PUBLISHED = journey(SECOND, attempt=2, event_trace_id=EVENT, start_us=BEGAN_US + 1)
OTHERS = journey("0c" * 16, media="Media/m2", report="DiagnosticReport/r2")
PRODUCER = span(
    EVENT,
    "publish for Canary-Quintessa",
    service="pacs",
    kind="PRODUCER",
    attributes={"tocsin.reason": "Canary", "http.response.status_code": 200},
)
STORE = [*FAILED, *PUBLISHED, *OTHERS, PRODUCER]


@pytest.mark.parametrize("name", ["DiagnosticReport/r1", "Media/m1", EVENT, EVENT.upper(), FIRST, SECOND])
def test_every_attempt_at_the_event_is_found_and_the_producers_trace(name: str) -> None:
    subject = subject_of(name)
    assert subject is not None
    found = search(FakeTraces(STORE), subject, WINDOW)
    assert {each.trace_id for each in found.spans} == {FIRST, SECOND, EVENT}
    assert found.troubles == ()


def test_of_a_span_that_another_system_sent_its_name_and_attributes_are_not_told() -> None:
    found = search(FakeTraces(STORE), Subject("trace", EVENT), WINDOW)
    [foreign] = {each.id: each for each in found.spans if each.service == "pacs"}.values()
    assert (foreign.name, foreign.attributes) == ("(producer span)", {"http.response.status_code": 200})


def test_a_back_end_that_does_not_answer_is_said_once() -> None:
    found = search(FakeTraces(trouble="no answer: timed out (28)"), Subject("trace", EVENT), WINDOW)
    assert (found.spans, found.troubles) == ((), ("no answer: timed out (28)",))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "r1",
        "DiagnosticReport/",
        "DiagnosticReport/..",
        "Media/a b",
        "Media/m1/x",
        "Patient/p1",
        "0" * 32,
        "g" * 32,
        "ab" * 15,
        f"{FIRST}\n",
        "Media/m1\n",
    ],
)
def test_what_names_no_report_picture_or_trace_is_refused(text: str) -> None:
    assert subject_of(text) is None
