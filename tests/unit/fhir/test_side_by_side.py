"""Exchanges side by side end as each would alone, and none waits for another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import orjson
import pytest
from tocsin.errors import MediaUnknown, PatientUnknown, Refused, Unavailable
from tocsin.event.types import ImagingEvent
from tocsin.fhir.client import FhirClient
from tocsin.fhir.http import Answer, BodyTooLarge, Get, Http, NoAnswer
from tocsin.image.fhir import FhirPictures
from tocsin.settings import FhirSettings, ImageSettings

from tests.builders import event_json
from tests.support.web import Reply, Web, serving, web
from tests.unit.image.test_fhir import NOON, media, patient, serve

BUSY = Reply(503, b"{}")
TOGETHER_WITHIN_S = 30


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as running:
        yield running


@pytest.fixture
def http() -> Http:
    return Http(connect_timeout_s=5, request_timeout_s=30)


def ended(http: Http, *urls: str, body_bytes_max: int = 1000) -> list[Answer | Exception]:
    outcomes = dict(http.side_by_side({number: Get(url, {}, body_bytes_max) for number, url in enumerate(urls)}, neighbour="fhir"))
    return [outcomes[number] for number in range(len(urls))]


def bodies(answers: list[Answer | Exception]) -> list[bytes | None]:
    return [each.body if isinstance(each, Answer) else None for each in answers]


def fetched(site: Web, **event: str) -> Any:
    fhir, event_of = FhirClient(FhirSettings(base_url=f"{site.origin}/fhir")), ImagingEvent.model_validate(event_json(**event))
    http = Http(connect_timeout_s=1, request_timeout_s=2)
    return FhirPictures(fhir, http, ImageSettings(), lambda: NOON).fetch(event_of)


@pytest.fixture
def meeting() -> Iterator[str]:
    """A server that answers three requests once all three have come."""
    all_here = threading.Barrier(3)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            all_here.wait(TOGETHER_WITHIN_S)
            body = self.path.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Nothing is printed."""

    with serving(Handler) as origin:
        yield origin


def test_all_are_asked_before_any_has_to_answer(http: Http, meeting: str) -> None:
    assert bodies(ended(http, *[f"{meeting}/{name}" for name in "abc"])) == [b"/a", b"/b", b"/c"]


def test_each_answer_goes_to_who_asked_for_it_however_often_handles_are_used_again(http: Http, site: Web) -> None:
    for name in "abc":
        site.replies[f"/{name}"] = Reply(200, name.encode() * 100)
    for order in ("abc", "cab", "b", "ba", "bca"):
        assert bodies(ended(http, *[f"{site.origin}/{name}" for name in order])) == [name.encode() * 100 for name in order]


def test_one_that_fails_leaves_the_others_as_they_are(http: Http, site: Web) -> None:
    site.replies["/a"], site.replies["/large"] = Reply(200, b"a"), Reply(200, b"l" * 2000)
    large, whole, away = ended(http, f"{site.origin}/large", f"{site.origin}/a", "http://127.0.0.1:9/away")
    assert isinstance(large, BodyTooLarge)
    assert isinstance(whole, Answer)
    assert isinstance(away, NoAnswer)
    assert (whole.body, away.neighbour, away.step) == (b"a", "fhir", "connection")


def test_an_answer_of_an_unknown_coding_is_named_as_it_is_alone(http: Http, site: Web) -> None:
    site.replies["/a"] = Reply(200, b"abc", {"Content-Encoding": "unheard-of"})
    (answer,) = ended(http, f"{site.origin}/a")
    with pytest.raises(Unavailable) as alone:
        http.exchange("GET", f"{site.origin}/a", neighbour="fhir", headers={}, body_bytes_max=1000)
    assert isinstance(answer, Unavailable)
    assert answer.detail == alone.value.detail


def test_who_stops_early_breaks_off_the_others_and_may_ask_again(http: Http, site: Web) -> None:
    site.replies["/a"] = Reply(200, b"a")
    first = http.side_by_side({number: Get(f"{site.origin}/a", {}, 1000) for number in range(3)}, neighbour="fhir")
    next(first)
    first.close()  # type: ignore[attr-defined] # it is a generator
    assert bodies(ended(http, f"{site.origin}/a", f"{site.origin}/a")) == [b"a", b"a"]


@pytest.mark.parametrize(
    ("media_reply", "patient_reply", "error"),
    [
        (None, None, MediaUnknown),
        (None, BUSY, MediaUnknown),
        (BUSY, None, Unavailable),
        (Reply(200, orjson.dumps(media(subject={"reference": "Patient/p2"}))), BUSY, Refused),
        (Reply(200, orjson.dumps(media())), None, PatientUnknown),
        (Reply(200, orjson.dumps(media())), BUSY, Unavailable),
    ],
    ids=["neither", "no-media-and-busy", "busy-and-no-patient", "another-patients-and-busy", "no-patient", "busy-for-the-patient"],
)
def test_what_is_wrong_with_the_media_is_told_before_what_is_wrong_with_the_patient(
    site: Web, media_reply: Reply | None, patient_reply: Reply | None, error: type[Exception]
) -> None:
    for path, reply in (("Media/m1", media_reply), ("Patient/p1", patient_reply)):
        if reply is not None:
            site.replies[f"/fhir/{path}"] = reply
    with pytest.raises(error):
        fetched(site)


def test_no_byte_of_a_picture_is_asked_for_before_media_patient_and_study_are_known(site: Web) -> None:
    serve(site, media(content={"url": "Binary/b1"}), patient())
    with pytest.raises(Refused):
        fetched(site, study="ImagingStudy/s1")
    assert sorted(each.path for each in site.asked) == ["/fhir/ImagingStudy/s1", "/fhir/Media/m1", "/fhir/Patient/p1"]


def test_each_of_those_side_by_side_is_asked_again_with_a_token_that_was_renewed(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"] == "Bearer new"
            renewed = tmp_path / f"{threading.get_ident()}"
            renewed.write_text("new")
            renewed.replace(token)
            body = b'{"resourceType": "Patient"}' if known else b"{}"
            self.send_response(200 if known else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Nothing is printed."""

    with serving(Handler) as origin:
        fhir = FhirClient(FhirSettings(base_url=f"{origin}/fhir", bearer_token_file=token))
        several = fhir.together(*[fhir.reading(f"Patient/p{number}", unknown=AssertionError) for number in range(3)])
        assert [each()["resourceType"] for each in several] == ["Patient"] * 3


def test_a_reference_that_is_never_asked_for_leaves_the_others_as_they_are(site: Web) -> None:
    site.replies["/fhir/Patient/p1"] = Reply(200, orjson.dumps(patient()))
    fhir = FhirClient(FhirSettings(base_url=f"{site.origin}/fhir"))
    climbing, well = fhir.together(*[fhir.reading(each, unknown=AssertionError) for each in ("../secret", "Patient/p1")])
    assert well()["id"] == "p1"
    with pytest.raises(Refused):
        climbing()
    assert [each.path for each in site.asked] == ["/fhir/Patient/p1"]
