"""Log lines carry ids and hashes; a journey continues the trace its event began."""

from __future__ import annotations

import logging

from tocsin.telemetry.log import WITHHELD, Sparsely, withhold_unlisted
from tocsin.telemetry.trace import journey_span, set_up_traces, trace_headers

PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_field_that_is_not_listed_loses_its_value() -> None:
    line = withhold_unlisted(None, "info", {"event": "x", "media": "Media/1", "patient_name": "Jane Canary"})
    assert line == {"event": "x", "media": "Media/1", "patient_name": WITHHELD}


def test_a_flag_continues_the_trace_of_its_event() -> None:
    set_up_traces("tocsin-test")
    with journey_span("t", 0, 1, [("traceparent", PARENT)]):
        headers = dict(trace_headers())
    assert headers["traceparent"].split(b"-")[1] == PARENT.split(b"-")[1]


def test_outside_a_journey_there_is_no_trace_to_pass_on() -> None:
    assert trace_headers() == []


def test_a_library_that_complains_without_end_is_heard_once_in_a_while() -> None:
    now = [0.0]
    sparsely = Sparsely(30.0, clock=lambda: now[0])
    line = logging.LogRecord("kafka", logging.WARNING, "", 0, "no answer from %s", ("broker",), None)
    heard = []
    for moment in (0.0, 1.0, 29.0, 31.0):
        now[0] = moment
        heard.append(sparsely.filter(line))
    assert heard == [True, False, False, True]
