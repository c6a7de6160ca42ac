"""The whole of a SMART launch: an EHR of another make, a real Redis, a real server; driven by HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from redis import Redis as Client
from tocsin import environment
from tocsin.errors import FhirRejected, Unavailable
from tocsin.network import HOST, free_ports
from tocsin.sandbox.ehr import Chart, little_ehr
from tocsin.sandbox.redis import Redis
from tocsin.serve.record import ReadersRecord, issuers_http
from tocsin.serve.sessions.sealed import name_of
from tocsin.serve.sessions.shelf import RedisShelf
from tocsin.serve.sessions.written import read
from tocsin.serve.smart.client import public_keys
from tocsin.serve.types import Role, Session
from tocsin.settings import IssuerSettings, Settings

from tests.support.ehr import CLINICIAN, Ehr, Launch, ehr, public_client
from tests.support.serving import serve_settings, served
from tests.support.web import Reply, web
from tests.support.web_visitor import Shown, WebVisitor, parsed

SECRET = "the secret of a client: with a colon"
LAUNCHES = {
    "chart": Launch({"patient": "p1", "need_patient_banner": False, "fhirContext": [{"reference": "DiagnosticReport/tocsin-1"}]}),
    "patient-alone": Launch({"patient": "p1"}),
    "card": Launch({"patient": "p1", "appContext": '{"report": "tocsin-2"}'}),
    "stingy": Launch({"patient": "p1"}, without=("user/Media.rs",)),
    "denied": Launch(denied=True),
    "no-doctor": Launch({"patient": "p1"}, claims={"fhirUser": "Patient/p1"}),
    "elsewhere": Launch({"patient": "p1"}, claims={"fhirUser": "https://other.example.org/fhir/Practitioner/c1"}),
    "german": Launch({"patient": "p1"}, claims={"locale": "de-CH"}),
    "lead": Launch({}, claims={"groups": ["derm-lead", "derm"]}),
    "stranger": Launch({"patient": "p1"}, claims={"groups": ["porters"]}),
}


@dataclass(frozen=True)
class Hospital:
    """An EHR, and the Tocsin that it launches."""

    ehr: Ehr
    tocsin: str
    settings: Settings

    def launch_url(self, value: str, more: str = "") -> str:
        """Where the EHR sends the clinician's browser."""
        return f"{self.tocsin}/launch?iss={self.ehr.fhir}&launch={value}{more}"

    def session(self, browser: WebVisitor) -> Session | None:
        """The session of this browser, as it stands in Redis."""
        secret = browser.cookies[HOST].get("tocsin", "")
        content = RedisShelf(self.settings.redis, "session").get(secret)
        return None if content is None else read(content, name_of(secret))


@pytest.fixture(scope="module")
def hospital(redis_server: Redis) -> Iterator[Hospital]:
    (port,) = free_ports(1)
    tocsin = f"http://{HOST}:{port}"
    with ehr([public_client(f"{tocsin}/callback")], LAUNCHES) as running:
        known = IssuerSettings(client_id="tocsin", frame_origins=(running.origin,))
        settings = serve_settings(port, redis_server.url, {running.fhir: known}, proxies=1)
        with served(settings):
            yield Hospital(running, tocsin, settings)


def landed(shown: Shown) -> str:
    return urlsplit(shown.url).path


def session_cookie(shown: Shown) -> dict[str, str]:
    return next(found for found in map(parsed, shown.cookies) if found["name"] == "tocsin")


def test_a_launch_from_the_chart_ends_at_the_report_that_it_names(hospital: Hospital) -> None:
    browser = WebVisitor()
    assert landed(browser.open(hospital.launch_url("chart"))) == "/reports/tocsin-1"
    asked = next(parse_qs(urlsplit(url).query) for url in browser.way if urlsplit(url).path == "/auth")
    assert asked["aud"] == [hospital.ehr.fhir]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["launch"] == ["chart"]


def test_the_session_is_of_who_logged_in_for_the_patient_of_the_chart(hospital: Hospital) -> None:
    browser = WebVisitor()
    browser.open(hospital.launch_url("chart"))
    session = hospital.session(browser)
    assert session is not None
    assert (session.issuer, session.clinician, session.patient) == (hospital.ehr.fhir, CLINICIAN, "Patient/p1")
    assert (session.roles, session.banner, session.report) == (frozenset({Role.READER}), False, "DiagnosticReport/tocsin-1")
    assert timedelta(minutes=59) < session.until - datetime.now(UTC) <= timedelta(hours=1)


def test_the_banner_is_shown_where_the_ehr_does_not_say(hospital: Hospital) -> None:
    browser = WebVisitor()
    assert landed(browser.open(hospital.launch_url("patient-alone"))) == "/reports"
    session = hospital.session(browser)
    assert session is not None
    assert session.banner


@pytest.mark.parametrize(
    ("value", "more", "path"),
    [
        ("patient-alone", "&report=tocsin-3", "/reports/tocsin-3"),
        ("chart", "&report=tocsin-3", "/reports/tocsin-3"),
        ("card", "", "/reports/tocsin-2"),
    ],
)
def test_the_launch_address_or_a_card_may_name_the_report(hospital: Hospital, value: str, more: str, path: str) -> None:
    assert landed(WebVisitor().open(hospital.launch_url(value, more))) == path


def test_a_launch_of_its_own_asks_for_the_patient_and_without_one_leads_to_the_list(hospital: Hospital) -> None:
    browser = WebVisitor()
    assert landed(browser.open(f"{hospital.tocsin}/launch")) == "/worklist"
    asked = next(parse_qs(urlsplit(url).query) for url in browser.way if urlsplit(url).path == "/auth")
    assert asked["scope"][0].split()[0] == "launch/patient"
    assert "launch" not in asked


def test_the_readers_own_token_reads_the_record_and_another_does_not(hospital: Hospital) -> None:
    browser = WebVisitor()
    browser.open(hospital.launch_url("chart"))
    session = hospital.session(browser)
    assert session is not None
    record = ReadersRecord(hospital.settings.serve, 1_000_000, issuers_http(hospital.settings.serve))
    assert record(session).read("DiagnosticReport/x", unknown=LookupError) == {"resourceType": "DiagnosticReport", "id": "x"}
    with pytest.raises((Unavailable, FhirRejected)):
        record(replace(session, token=type(session.token)("made-up"))).read("DiagnosticReport/x", unknown=LookupError)


def test_the_browser_gets_a_cookie_that_no_script_reads_and_never_a_token(hospital: Hospital) -> None:
    browser = WebVisitor()
    back = browser.open(hospital.launch_url("chart"), until=f"{hospital.tocsin}/reports")
    cookie = session_cookie(back)
    assert {name: cookie[name] for name in ("httponly", "secure", "samesite", "partitioned", "path")} == {
        "httponly": "yes", "secure": "yes", "samesite": "None", "partitioned": "yes", "path": "/",
    }  # fmt: skip
    session = hospital.session(browser)
    assert session is not None
    token = session.token.get_secret_value()
    assert token not in back.text + str(back.headers) + str(browser.way)


def test_redis_holds_neither_token_nor_clinician_nor_patient_in_the_clear(hospital: Hospital, redis_server: Redis) -> None:
    browser = WebVisitor()
    browser.open(hospital.launch_url("chart"))
    session = hospital.session(browser)
    assert session is not None
    client = Client.from_url(redis_server.url)
    kept = {key: client.get(key) for key in client.scan_iter("tocsin.serve.*", _type="string")}  # looks have a contract of their own
    everything = repr(kept)
    assert kept
    for word in (session.token.get_secret_value(), "Practitioner", "Patient/p1", browser.cookies[HOST]["tocsin"]):
        assert word not in everything
    assert all(0 < client.ttl(key) <= 900 for key in kept)


def test_a_log_in_begins_a_session_of_its_own_whatever_cookie_was_planted(hospital: Hospital) -> None:
    planted = "A" * 43
    browser = WebVisitor({HOST: {"tocsin": planted}})
    browser.open(hospital.launch_url("chart"))
    assert browser.cookies[HOST]["tocsin"] != planted
    first = browser.cookies[HOST]["tocsin"]
    browser.open(hospital.launch_url("chart"))
    assert browser.cookies[HOST]["tocsin"] != first
    earlier = WebVisitor({HOST: {"tocsin": first}})
    assert hospital.session(earlier) is None


def test_a_way_back_counts_once(hospital: Hospital) -> None:
    browser = WebVisitor()
    kept = browser.open(hospital.launch_url("chart"), until=f"{hospital.tocsin}/callback").headers["location"]
    assert browser.ask(kept).status == 303
    again = browser.ask(kept)
    assert (again.status, "used already" in again.text) == (400, True)


def test_a_way_back_counts_in_the_browser_that_began_it_alone(hospital: Hospital) -> None:
    kept = WebVisitor().open(hospital.launch_url("chart"), until=f"{hospital.tocsin}/callback").headers["location"]
    victim = WebVisitor()
    lost = victim.ask(kept)
    assert (lost.status, "kept no cookie" in lost.text) == (400, True)
    victim.open(hospital.launch_url("chart"), until=f"{hospital.tocsin}/callback")
    assert victim.ask(kept).status == 400
    assert "tocsin" not in victim.cookies[HOST]


def test_an_answer_in_the_name_of_another_issuer_is_refused(hospital: Hospital) -> None:
    for iss in ("https://evil.example.org", None):
        browser = WebVisitor()
        kept = urlsplit(browser.open(hospital.launch_url("chart"), until=f"{hospital.tocsin}/callback").headers["location"])
        said = {name: values[0] for name, values in parse_qs(kept.query).items() if name != "iss"}
        answer = browser.ask(f"{hospital.tocsin}/callback?{urlencode(said if iss is None else said | {'iss': iss})}")
        assert (answer.status, "tocsin" in browser.cookies[HOST]) == (400, False)


def test_a_record_that_the_settings_do_not_name_is_asked_nothing(hospital: Hospital) -> None:
    browser = WebVisitor()
    answer = browser.open(f"{hospital.tocsin}/launch?iss=http://localhost:1/fhir&launch=x")
    assert (answer.status, len(browser.way)) == (403, 1)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("stingy", "user/Media.rs"),
        ("denied", "access_denied"),
        ("no-doctor", "does not say that you are one"),
        ("elsewhere", "does not say that you are one"),
    ],
)
def test_a_refused_launch_says_what_is_missing_and_begins_no_session(hospital: Hospital, value: str, sentence: str) -> None:
    browser = WebVisitor()
    answer = browser.open(hospital.launch_url(value))
    assert (answer.status, sentence in answer.text) == (403, True)
    assert "tocsin" not in browser.cookies[HOST]


def test_a_clinicians_own_language_is_spoken(hospital: Hospital) -> None:
    browser = WebVisitor()
    assert '<html lang="de">' in browser.open(hospital.launch_url("german")).text


def test_logging_off_ends_the_session_here_and_in_the_browser(hospital: Hospital) -> None:
    browser = WebVisitor()
    browser.open(hospital.launch_url("chart"))
    session, secret = hospital.session(browser), browser.cookies[HOST]["tocsin"]
    assert session is not None
    assert browser.open(f"{hospital.tocsin}/log-off", form={"csrf": "made-up"}).status == 403
    assert "You are logged off" in browser.open(f"{hospital.tocsin}/log-off", form={"csrf": session.csrf}).text
    assert "tocsin" not in browser.cookies[HOST]
    assert hospital.session(WebVisitor({HOST: {"tocsin": secret}})) is None


def test_a_form_of_the_chart_before_counts_for_nothing_once_another_chart_is_open_in_the_browser(hospital: Hospital) -> None:
    browser = WebVisitor()
    browser.open(hospital.launch_url("chart"))
    first = hospital.session(browser)
    browser.open(hospital.launch_url("patient-alone"))
    second = hospital.session(browser)
    assert first is not None
    assert second is not None
    form = {"csrf": first.csrf, "submission": str(uuid.uuid4()), "report_version": "1", "act": "accept"}
    answer = browser.ask(f"{hospital.tocsin}/reports/tocsin-1/verdict", form)
    assert (answer.status, "This form is not valid any more" in answer.text) == (403, True)
    assert hospital.session(browser) == second


@pytest.mark.parametrize(
    "query",
    [
        "iss={iss}&launch=a&launch=b",
        "iss={iss}&iss={iss}",
        "iss={iss}&launch=a%0d%0aSet-Cookie:%20x=y",
        "iss={iss}&launch=" + "a" * 5000,
        "iss={iss}&launch=a&report=../../callback",
        "iss={iss}&launch=a&report=https://evil.example.org",
        "iss={iss}&launch=a&report=%0d%0aLocation:%20https://evil.example.org",
    ],
)
def test_what_no_ehr_sends_is_refused_and_leads_nowhere(hospital: Hospital, query: str) -> None:
    answer = WebVisitor().open(f"{hospital.tocsin}/launch?{query.format(iss=hospital.ehr.fhir)}")
    assert (answer.status, "location" in answer.headers, answer.cookies) == (400, False, [])


def test_one_address_cannot_keep_others_from_launching(hospital: Hospital) -> None:
    flood = WebVisitor(caller="192.0.2.66")
    statuses = {flood.ask(f"{hospital.tocsin}/launch?iss=https://evil.example.org").status for _ in range(400)}
    assert statuses == {403, 429}
    assert landed(WebVisitor(caller="192.0.2.1").open(hospital.launch_url("chart"))) == "/reports/tocsin-1"


def test_no_parameter_leads_the_browser_elsewhere(hospital: Hospital) -> None:
    more = "&next=https://evil.example.org&redirect_uri=https://evil.example.org&url=//evil.example.org"
    browser = WebVisitor()
    browser.open(hospital.launch_url("chart", more))
    assert {urlsplit(url).hostname for url in browser.way} == {HOST, "localhost"}


def test_a_hundred_clinicians_at_once_have_a_hundred_sessions(hospital: Hospital) -> None:
    def come(_number: int) -> WebVisitor:
        browser = WebVisitor()
        browser.open(hospital.launch_url("patient-alone"), until=f"{hospital.tocsin}/reports")
        return browser

    with ThreadPoolExecutor(20) as clinicians:
        browsers = list(clinicians.map(come, range(100)))
    sessions = [hospital.session(each) for each in browsers]
    assert [each.way[-1] for each, session in zip(browsers, sessions, strict=True) if session is None] == []
    assert all(each is not None and each.patient == "Patient/p1" for each in sessions)
    assert len({each.key for each in sessions if each}) == len({each.csrf for each in sessions if each}) == 100


@pytest.mark.parametrize("kind", ["secret", "RS384", "ES384"])
def test_a_client_proves_who_it_is(redis_server: Redis, tmp_path: Path, kind: str) -> None:
    (port,) = free_ports(1)
    tocsin, file = f"http://{HOST}:{port}", tmp_path / "proof"
    if kind == "secret":
        file.write_text(SECRET)
        known = IssuerSettings(client_id="tocsin", client_secret_file=file)
        client = public_client(f"{tocsin}/callback", token_endpoint_auth_method="client_secret_basic", client_secret=SECRET)
    else:
        key = rsa.generate_private_key(65537, 2048) if kind == "RS384" else ec.generate_private_key(ec.SECP384R1())
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        known = IssuerSettings(client_id="tocsin", private_key_file=file, private_key_id="k1")
        told = {"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": kind}
        client = public_client(f"{tocsin}/callback", **told, jwks=public_keys({"https://any.example.org": known}))
    with ehr([client], LAUNCHES) as running, served(serve_settings(port, redis_server.url, {running.fhir: known})):
        assert landed(WebVisitor().open(f"{tocsin}/launch?iss={running.fhir}&launch=chart")) == "/reports/tocsin-1"


def test_a_role_is_given_by_claim_and_without_one_nobody_comes_in(redis_server: Redis) -> None:
    (port,) = free_ports(1)
    tocsin = f"http://{HOST}:{port}"
    roles = IssuerSettings(client_id="tocsin", roles_claim="groups", roles={"reader": ("derm",), "lead": ("derm-lead",)})
    with ehr([public_client(f"{tocsin}/callback")], LAUNCHES) as running:
        settings = serve_settings(port, redis_server.url, {running.fhir: roles})
        with served(settings):
            here, lead, stranger = Hospital(running, tocsin, settings), WebVisitor(), WebVisitor()
            assert landed(lead.open(here.launch_url("lead"))) == "/worklist"
            session = here.session(lead)
            assert session is not None
            assert session.roles == {Role.READER, Role.LEAD}
            answer = stranger.open(here.launch_url("stranger"))
            assert (answer.status, "none of the roles" in answer.text) == (403, True)


def test_the_demos_own_ehr_launches_too_and_reads_for_its_token_alone(redis_server: Redis) -> None:
    (port,) = free_ports(1)
    tocsin = f"http://{HOST}:{port}"
    with web() as behind, little_ehr(f"{behind.origin}/fhir", tocsin) as demo:
        behind.replies["/fhir/Media/m1"] = Reply(200, b'{"resourceType": "Media", "id": "m1"}', {"Content-Type": "application/fhir+json"})
        demo.list(Chart("DiagnosticReport/r1", "Patient/p1", "<b>raised</b>"), first=True)
        variables = demo.settings(f"{behind.origin}/fhir")
        known = environment.read(Settings, variables).settings.serve.issuers
        settings = serve_settings(port, redis_server.url, known)
        with served(settings):
            browser = WebVisitor()
            assert landed(browser.open(demo.launch_url("r1"))) == "/reports/r1"
            here = Hospital(Ehr(demo.origin), tocsin, settings)
            session = here.session(browser)
            assert session is not None
            assert (session.patient, session.roles) == ("Patient/p1", frozenset({Role.READER, Role.LEAD}))
            record = ReadersRecord(settings.serve, 1_000_000, issuers_http(settings.serve))
            assert record(session).read("Media/m1", unknown=LookupError)["id"] == "m1"
            assert all("authorization" not in each.headers for each in behind.asked)
            asked = len(behind.asked)
            assert WebVisitor().open(f"{demo.fhir}/Media/m1").status == 401
            assert len(behind.asked) == asked
        assert "&lt;b&gt;raised" in WebVisitor().open(demo.origin).text
