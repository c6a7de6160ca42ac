"""Who may come in, which forms count, and what every answer tells the browser."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Blueprint, Flask
from tocsin.errors import Unavailable
from tocsin.serve.app import make_app
from tocsin.serve.doors import CSRF_FIELD, CSRF_HEADER, requires, session_of, without_session
from tocsin.serve.types import Role
from tocsin.settings import IssuerSettings, ServeSettings

from tests.fakes.sessions import CSRF, FixedSessions, a_session
from tests.support.spans import exported, named

ISSUER, EHR, OTHER_EHR = "https://ehr.example.org/fhir", "https://ehr.example.org", "https://other.example.org"
SETTINGS = ServeSettings(
    public_url="https://tocsin.example.org",
    issuers={
        ISSUER: IssuerSettings(client_id="tocsin", frame_origins=(EHR,)),
        f"{OTHER_EHR}/fhir": IssuerSettings(client_id="tocsin", frame_origins=(OTHER_EHR,)),
    },
)


def room() -> Blueprint:
    made = Blueprint("room", __name__)

    @made.get("/open")
    def everybody() -> str:
        return "open"

    @made.route("/reader", methods=["GET", "POST"])
    @requires(Role.READER, Role.LEAD)
    def reader() -> str:
        return session_of().clinician

    @made.get("/lead")
    @requires(Role.LEAD)
    def lead() -> str:
        return "lead"

    @made.get("/operator")
    @requires(Role.OPERATOR)
    def operator() -> str:
        return "operator"

    @made.post("/hook")
    @without_session
    def hook() -> dict[str, Any]:
        return {"session": session_of().key}

    @made.post("/plain-hook")
    @without_session
    def plain_hook() -> dict[str, Any]:
        return {"cards": []}

    @made.get("/defect")
    def defect() -> str:
        raise ValueError("Mrs. Canary")

    @made.get("/items/<name>")
    def item(name: str) -> str:
        raise KeyError(name)

    @made.get("/away")
    def away() -> str:
        raise Unavailable("fhir", "HTTP 503")

    return made


def app(session: Any = None, settings: ServeSettings = SETTINGS) -> Flask:
    return make_app([room()], FixedSessions(session), settings)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("door", "opens"), [("/reader", {Role.READER, Role.LEAD}), ("/lead", {Role.LEAD}), ("/operator", {Role.OPERATOR})])
def test_a_door_opens_for_its_roles_alone(door: str, opens: set[Role], role: Role) -> None:
    answer = app(a_session(roles=frozenset({role}))).test_client().get(door)
    assert answer.status_code == (200 if role in opens else 403)


@pytest.mark.parametrize("door", ["/reader", "/lead", "/operator"])
def test_a_door_is_closed_without_a_session(door: str) -> None:
    answer = app().test_client().get(door)
    assert (answer.status_code, "Open the report from the patient&#39;s chart again." in answer.text) == (401, True)


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_nothing_is_changed_without_the_sessions_own_form(method: str) -> None:
    client = app(a_session()).test_client()
    assert getattr(client, method)("/reader", data={CSRF_FIELD: "another"}).status_code in (403, 405)
    assert client.post("/reader").status_code == 403


def test_the_sessions_own_form_is_taken_by_field_and_by_header() -> None:
    client = app(a_session()).test_client()
    assert client.post("/reader", data={CSRF_FIELD: CSRF}).text == "Practitioner/c1"
    assert client.post("/reader", headers={CSRF_HEADER: CSRF}).text == "Practitioner/c1"


def test_a_form_without_a_session_is_refused() -> None:
    assert app().test_client().post("/reader", data={CSRF_FIELD: ""}).status_code == 401


def test_to_a_view_for_callers_without_a_browser_there_is_never_a_session() -> None:
    client = app(a_session()).test_client()
    assert client.post("/plain-hook").json == {"cards": []}
    assert client.post("/hook").status_code == 401


def test_the_pages_of_a_session_are_framed_by_its_own_ehr_alone() -> None:
    headers = app(a_session()).test_client().get("/reader").headers
    assert f"frame-ancestors {EHR}" == headers["Content-Security-Policy"].rpartition("; ")[2]
    assert "X-Frame-Options" not in headers


def test_without_frame_origins_nobody_frames_a_page() -> None:
    settings = SETTINGS.model_copy(update={"issuers": {ISSUER: IssuerSettings(client_id="tocsin")}})
    headers = app(a_session(), settings).test_client().get("/reader").headers
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")


def test_a_session_of_an_issuer_that_was_taken_away_is_framed_by_nobody() -> None:
    headers = app(a_session(issuer="https://gone.example.org/fhir")).test_client().get("/reader").headers
    assert headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")


@pytest.mark.parametrize("path", ["/reader", "/nowhere", "/defect", "/away", "/lead"])
def test_every_answer_errors_too_forbids_what_a_page_does_not_need(path: str) -> None:
    headers = app(a_session()).test_client().get(path).headers
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Strict-Transport-Security"].startswith("max-age=")


def test_files_that_are_the_same_for_everybody_may_be_kept() -> None:
    assert app().test_client().get("/static/plain.css").headers["Cache-Control"] == "public, max-age=3600"
    assert app().test_client().get("/static/none.css").headers["Cache-Control"] == "no-store"


def test_a_page_with_a_session_leaves_the_screen_when_the_session_has_ended() -> None:
    assert app(a_session()).test_client().get("/reader").headers["Refresh"] == "905; url=/ended"
    assert "Refresh" not in app(a_session()).test_client().get("/static/plain.css").headers


def test_a_defect_is_told_without_a_word_of_what_it_held(capsys: pytest.CaptureFixture[str]) -> None:
    answer = app(a_session()).test_client().get("/defect")
    assert answer.status_code == 500
    assert "Canary" not in answer.text + capsys.readouterr().err
    assert "Traceback" not in answer.text


def test_a_neighbour_that_is_away_is_named_and_the_page_may_be_tried_again() -> None:
    answer = app(a_session()).test_client().get("/away")
    assert (answer.status_code, answer.headers["Retry-After"], "(fhir)" in answer.text) == (503, "10", True)


def test_a_reader_is_told_in_their_own_language() -> None:
    german = app(a_session(language="de")).test_client().get("/lead")
    assert '<html lang="de">' in german.text
    assert "Diese Seite ist nicht für Ihre Rolle" in german.text
    browsers = app().test_client().get("/reader", headers={"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"})
    assert '<html lang="de">' in browsers.text


def test_one_caller_who_asks_too_often_is_refused_and_others_are_not() -> None:
    client = app(settings=SETTINGS.model_copy(update={"caller_requests_per_minute_max": 2, "proxies": 1})).test_client()
    answers = [client.get("/open", headers={"X-Forwarded-For": who}) for who in ["192.0.2.1"] * 3 + ["192.0.2.1, 192.0.2.2"]]
    assert [each.status_code for each in answers] == [200, 200, 429, 200]
    assert int(answers[2].headers["Retry-After"]) > 0


def test_a_body_that_is_too_large_is_refused() -> None:
    answer = app(a_session()).test_client().post("/reader", data={CSRF_FIELD: CSRF, "text": "x" * 300_000})
    assert answer.status_code == 413


def test_a_request_that_fails_is_one_trace_by_its_route_and_the_page_names_it() -> None:
    with exported() as spans:
        answer = app(a_session()).test_client().get("/items/canary-id")
    server = named(spans, "GET /items/<name>")
    assert server.attributes is not None
    assert (server.attributes["http.response.status_code"], server.attributes["tocsin.ending"]) == (500, "failed")
    assert f"{server.context.trace_id:032x}" in answer.text
    assert "canary" not in repr([(each.name, each.attributes) for each in spans])


def test_the_mark_that_browsers_ask_for_of_themselves_is_there_for_everybody() -> None:
    answer = make_app([], FixedSessions(None), SETTINGS).test_client().get("/favicon.ico")
    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    assert "public" in answer.headers["Cache-Control"]
