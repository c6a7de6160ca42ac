"""A back end may answer anything: nothing of it is believed, repeated, or waited for without end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from tocsin.bootstrap.trace import trace_store
from tocsin.fhir.http import Http
from tocsin.settings import TracesSettings
from tocsin.traces.asking import Asking
from tocsin.traces.jaeger import JaegerTraces
from tocsin.traces.ports import NoAnswer, Tagged, TraceStore
from tocsin.traces.types import WITHHELD, moment
from tocsin.traces.zipkin import ZipkinTraces

from tests.support.journey_spans import BEGAN_US
from tests.support.web import Reply, Web, web

TRACE = "0a" * 16
PATHS = {"jaeger": f"/api/traces/{TRACE}", "zipkin": f"/api/v2/trace/{TRACE}"}
HTTP = Http(connect_timeout_s=2, request_timeout_s=2)


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as found:
        yield found


def store(url: str, api: str, bytes_max: int = 100_000) -> TraceStore:
    asking = Asking(HTTP, url, bytes_max)
    return JaegerTraces(asking) if api == "jaeger" else ZipkinTraces(asking)


JAEGER_SPAN = {"traceID": TRACE, "spanID": "0b" * 8, "operationName": "fetch", "startTime": 1, "duration": 2, "processID": "p1"}
ZIPKIN_SPAN = {"traceId": TRACE, "id": "0b" * 8, "name": "fetch", "timestamp": 1, "duration": 2}


def jaeger(**changes: Any) -> Any:
    return {"data": [{"spans": [{**JAEGER_SPAN, **changes}], "processes": {"p1": {"serviceName": "tocsin-consume"}}}]}


ODD: list[Any] = [None, True, -1, 1e400, "1", "x" * 10_000, [], {}, [[]], {"a": []}, 1 << 70]
ANSWERS: list[tuple[str, Any]] = [
    *(("jaeger", each) for each in ODD),
    *(("jaeger", {"data": each}) for each in ODD),
    *(("jaeger", {"data": [{"spans": each, "processes": each}]}) for each in ODD),
    *(("jaeger", jaeger(**{name: each})) for name in (*JAEGER_SPAN, "tags", "references") for each in ODD),
    *(("jaeger", jaeger(tags=[{"key": each, "value": each}])) for each in ODD),
    *(("zipkin", each) for each in ODD),
    *(("zipkin", [{**ZIPKIN_SPAN, name: each}]) for name in (*ZIPKIN_SPAN, "tags", "parentId", "kind", "localEndpoint") for each in ODD),
    *(("zipkin", [{**ZIPKIN_SPAN, "tags": {"tocsin.attempt": each, "otlp.link.0": each}}]) for each in ODD),
]


@pytest.mark.parametrize("api", PATHS)
def test_whatever_json_comes_is_read_or_left_out(site: Web, api: str) -> None:
    for _, answer in (each for each in ANSWERS if each[0] == api):
        site.replies[PATHS[api]] = Reply(body=json.dumps(answer).encode())
        try:
            found = store(site.origin, api).trace(TRACE)
        except NoAnswer:
            continue
        for span in found:
            assert (len(span.trace_id), len(span.id)) == (32, 16)
            assert moment(span.end_us).year < 9999


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(500, b"Canary"), "it answers HTTP 500"),
        (Reply(302, b"", {"Location": "/elsewhere"}), "it answers HTTP 302"),
        (Reply(401), "it answers HTTP 401: it wants to know who asks"),
        (Reply(200, b"<html>Canary"), "what it answers is not JSON: is TOCSIN_TRACES__QUERY_URL the address of its query API?"),
        (Reply(200, b"[" * 50_000), "what it answers is not JSON: is TOCSIN_TRACES__QUERY_URL the address of its query API?"),
        (Reply(200, b" " * 100_001), "its answer has more than 100,000 bytes"),
    ],
)
@pytest.mark.parametrize("api", PATHS)
def test_an_answer_that_is_none_is_said_in_tocsins_own_words(site: Web, api: str, reply: Reply, words: str) -> None:
    site.replies[PATHS[api]] = reply
    with pytest.raises(NoAnswer, match=f"^{words.replace('?', '.')}$"):
        store(site.origin, api).trace(TRACE)


def test_nobody_there_is_said_within_the_time_for_one_question() -> None:
    asked = trace_store(TracesSettings(query_url="http://127.0.0.1:1", query_timeout_s=1.0))
    assert asked is not None
    began = time.monotonic()
    with pytest.raises(NoAnswer, match="connection refused"):
        asked.trace(TRACE)
    assert time.monotonic() - began < 5


def test_a_text_that_is_not_of_tocsins_form_is_withheld(site: Web) -> None:
    steered = "fetch\x1b[2J\x07"
    tags = [{"key": "tocsin.ending", "value": "Quintessa, née Canary"}, {"key": "patient", "value": "Canary"}]
    site.replies[PATHS["jaeger"]] = Reply(body=json.dumps(jaeger(operationName=steered, tags=tags)).encode())
    [found] = store(site.origin, "jaeger").trace(TRACE)
    assert (found.name, found.attributes) == (WITHHELD, {"tocsin.ending": WITHHELD})


def test_what_is_asked_for_is_quoted(site: Web) -> None:
    question = Tagged("tocsin consume&x=1", "tocsin.media", 'Media/m1"}', moment(BEGAN_US), moment(BEGAN_US) + timedelta(seconds=1))
    for api in PATHS:
        assert store(site.origin, api).tagged(question, 5) == []
    jaeger_path, zipkin_path = (each.path for each in site.asked)
    assert "service=tocsin+consume%26x%3D1&tags=%7B%22tocsin.media%22%3A%22Media%2Fm1%5C%22%7D%22%7D" in jaeger_path
    assert "serviceName=tocsin+consume%26x%3D1&annotationQuery=tocsin.media%3DMedia%2Fm1%22%7D" in zipkin_path
    assert "lookback=1000" in zipkin_path
