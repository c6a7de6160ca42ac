"""What did not come with a call is fetched with the call's own token, from the server that is agreed for its caller and from no other."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from tests.support.cds_caller import call_json
from tests.support.cds_desk import Desk, desk
from tests.support.stored import HIGH, LEFT_CALF, searchset, stored
from tests.support.web import Reply, Web, web

Json = dict[str, Any]

TOKEN = "transient-token"
REPORTS = "/fhir/DiagnosticReport?patient=p1&identifier=urn:tocsin:report%7C&_count=200"
PICTURES = "/fhir/Media?patient=p1&_elements=subject,bodySite,createdDateTime,createdPeriod&_count=200"
MEDIA = {
    "resourceType": "Media",
    "id": "m1",
    "subject": {"reference": "Patient/p1"},
    "bodySite": LEFT_CALF,
}


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as running:
        running.replies[REPORTS] = _bundle(stored(HIGH)[:1])
        running.replies[PICTURES] = _bundle([MEDIA])
        yield running


def _bundle(resources: list[Json], **more: Any) -> Reply:
    return Reply(200, orjson.dumps(searchset(resources, **more)), {"Content-Type": "application/fhir+json"})


def call(site: Web, scope: str = "user/*.rs", server: str = "", **more: Any) -> Json:
    authorization = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 300, "scope": scope, "subject": "tocsin"}
    return call_json(fhirServer=server or f"{site.origin}/fhir", fhirAuthorization=authorization | more)


def asked(at: Desk, said: Json) -> tuple[int, Json]:
    """Status and answer of a call that does not keep to the specification."""
    response = at.client.post("/cds-services/tocsin-flags", data=orjson.dumps(said), headers=at.ehr.bearer())
    return response.status_code, orjson.loads(response.data)


def test_reports_and_then_pictures_are_fetched_with_the_calls_token(site: Web) -> None:
    status, said = desk(f"{site.origin}/fhir").ask(call(site))
    assert (status, len(said["cards"])) == (200, 1)
    assert "Left calf" in said["cards"][0]["summary"]
    assert [each.path for each in site.asked] == [REPORTS, PICTURES]
    assert {each.headers["authorization"] for each in site.asked} == {f"Bearer {TOKEN}"}


def test_where_there_is_no_report_pictures_are_not_asked_for(site: Web) -> None:
    site.replies[REPORTS] = _bundle([])
    assert desk(f"{site.origin}/fhir").ask(call(site)) == (200, {"cards": []})
    assert len(site.asked) == 1


def test_what_came_with_the_call_is_not_asked_for_again(site: Web) -> None:
    said = call(site) | {"prefetch": {"reports": searchset(stored(HIGH)[:1]), "pictures": None}}
    assert desk(f"{site.origin}/fhir").ask(said)[0] == 200
    assert site.asked == []


def test_a_card_needs_no_pictures(site: Web) -> None:
    del site.replies[PICTURES]
    status, said = desk(f"{site.origin}/fhir").ask(call(site))
    assert (status, len(said["cards"])) == (200, 1)


@pytest.mark.parametrize(
    "scope",
    [
        "user/DiagnosticReport.read",
        "user/*.read",
        "patient/*.*",
        "launch user/DiagnosticReport.rs",
        "system/DiagnosticReport.cruds",
        "user/*.s",
        "user/DiagnosticReport.rs?category=imaging",
    ],
)
def test_scopes_are_read_in_both_spellings(site: Web, scope: str) -> None:
    assert desk(f"{site.origin}/fhir").ask(call(site, scope, patient="p1"))[0] == 200


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "user/Patient.read",
        "user/DiagnosticReport.r",
        "user/DiagnosticReport.write",
        "DiagnosticReport.rs",
        "user/*.sr",
    ],
)
def test_a_token_that_may_not_search_reports_is_not_used(site: Web, scope: str) -> None:
    status, outcome = desk(f"{site.origin}/fhir").ask(call(site, scope))
    assert (status, site.asked) == (412, [])
    assert "scope" in outcome["issue"][0]["diagnostics"]


@pytest.mark.parametrize("stated", [0, -1, "0", "-5", "soon", True, [], 0.0])
def test_a_token_that_has_ended_or_states_no_seconds_is_not_used(site: Web, stated: Any) -> None:
    status, _ = asked(desk(f"{site.origin}/fhir"), call(site, expires_in=stated))
    assert (status, site.asked) == (412, [])


@pytest.mark.parametrize("stated", [None, 1, 0.5, "300"])
def test_a_token_is_used_for_its_call_alone_also_where_it_states_no_end(site: Web, stated: Any) -> None:
    at = desk(f"{site.origin}/fhir")
    assert asked(at, call(site, expires_in=stated))[0] == 200
    assert len(site.asked) == 2
    status, _ = at.ask(call_json(fhirServer=f"{site.origin}/fhir"))
    assert (status, len(site.asked)) == (412, 2), "the next call has to bring its own"


@pytest.mark.parametrize("path", ["/fhir2", "/fhir/../other", "", "/FHIR", "/fhir?x=/fhir", "/fhir#x"])
def test_the_token_goes_to_no_other_address_than_the_agreed_one(site: Web, path: str) -> None:
    assert desk(f"{site.origin}/fhir").ask(call(site, server=f"{site.origin}{path}"))[0] == 412
    assert site.asked == []


def test_the_token_goes_to_no_other_server_though_its_name_is_alike(site: Web) -> None:
    port = urlsplit(site.origin).port
    for server in (f"http://localhost:{port}/fhir", f"https://127.0.0.1:{port}/fhir", f"http://u@127.0.0.1:{port}/fhir", "not an address"):
        assert desk(f"{site.origin}/fhir").ask(call(site, server=server))[0] == 412
    assert desk(None).ask(call(site))[0] == 412
    assert site.asked == []


def test_a_slash_at_the_end_makes_no_other_server(site: Web) -> None:
    assert desk(f"{site.origin}/fhir/").ask(call(site, server=f"{site.origin}/fhir"))[0] == 200
    assert desk(f"{site.origin}/fhir").ask(call(site, server=f"{site.origin}/fhir/"))[0] == 200


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 500, 503])
def test_a_server_that_does_not_answer_as_needed_is_412_with_its_status(site: Web, status: int) -> None:
    site.replies[REPORTS] = Reply(status, b"Canary-Quintessa", {"Location": "https://elsewhere.example.org/"})
    found, outcome = desk(f"{site.origin}/fhir").ask(call(site))
    assert found == 412
    assert str(status) in outcome["issue"][0]["diagnostics"]
    assert "Canary" not in str(outcome)
    assert TOKEN not in str(outcome)


def test_a_server_that_is_silent_is_412_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        origin = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        status, _ = desk(f"{origin}/fhir", timeout_s=0.2).ask(call(Web(origin)))
        assert (status, time.monotonic() - began < 1.0) == (412, True)


def test_further_pages_are_read_and_not_without_end(site: Web) -> None:
    second = "/fhir?page=2"
    site.replies[REPORTS] = _bundle(stored(HIGH)[:1], next_page=f"{site.origin}{second}")
    site.replies["/fhir/?page=2"] = site.replies[second] = _bundle(stored(HIGH, "Media/m2", sha256="cd" * 32)[:1])
    status, said = desk(f"{site.origin}/fhir").ask(call(site))
    assert (status, len(said["cards"])) == (200, 2)
    site.replies["/fhir/?page=2"] = site.replies[second] = _bundle([], next_page=f"{site.origin}/fhir?page=3")
    assert desk(f"{site.origin}/fhir").ask(call(site))[0] == 412


def test_a_report_of_another_patient_in_the_servers_answer_refuses_the_call(site: Web) -> None:
    site.replies[REPORTS] = _bundle(stored(HIGH, subject="Patient/p2")[:1])
    assert desk(f"{site.origin}/fhir").ask(call(site))[0] == 412


def test_a_call_leaves_neither_token_nor_patient_in_the_log(
    site: Web, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    site.replies[REPORTS] = _bundle(stored(HIGH, subject="Patient/p2")[:1])
    at = desk(f"{site.origin}/fhir")
    at.ask(call(site))
    site.replies[REPORTS] = Reply(500)
    at.ask(call(site))
    told = caplog.text + "".join(capfd.readouterr())
    for secret in (TOKEN, "Patient/p", "patient=", "eyJ"):
        assert secret not in told
