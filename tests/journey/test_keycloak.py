"""SMART launches with Keycloak as the authorisation server: what a site has that puts it before a FHIR server of its own."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playwright.sync_api import Browser
from tocsin.fhir.address import address
from tocsin.fhir.reference import ServiceBase
from tocsin.network import HOST, free_ports
from tocsin.sandbox.redis import Redis
from tocsin.serve.record import issuers_http
from tocsin.serve.sessions.sealed import name_of, new_secret
from tocsin.serve.sessions.shelf import RedisShelf
from tocsin.serve.sessions.written import read
from tocsin.serve.smart.asking import Asking
from tocsin.serve.smart.discovery import Endpoints, endpoints
from tocsin.serve.smart.exchange import Grant, redeem
from tocsin.serve.smart.launch import challenge
from tocsin.serve.smart.preflight import ehr_preflight
from tocsin.serve.smart.refusals import CodeRefused
from tocsin.serve.types import Role, Session
from tocsin.settings import IssuerSettings, ReportSettings, Settings

from tests.fakes.page import CLINICIAN, NAME, SOURCE, clinic
from tests.support import keycloak
from tests.support.browser import visitor
from tests.support.keycloak_hospital import (
    PASSWORD,
    SECRET,
    TOKEN_LIFE_S,
    TOKEN_LIFE_S_BY_DEFAULT,
    Hospital,
    hospital,
    patient_in_answer,
    roles_in_id_token,
)
from tests.support.pictures import encoded, textured
from tests.support.serving import serve_settings, served
from tests.support.stack import running
from tests.support.web_visitor import Shown, WebVisitor

pytestmark = pytest.mark.keycloak

FORM = re.compile(r'<form id="kc-form-login"[^>]*action="([^"]+)"')
LAUNCH_MAX_S = 1
"""Of the Tocsin that is tried with log-ins that take too long."""
ROLES = {"reader": ("derm",), "lead": ("derm-lead",)}


@dataclass(frozen=True)
class Site:
    """A hospital with Keycloak, and the Tocsin that its clinicians log in to."""

    hospital: Hospital
    tocsin: str
    hasty: str
    """The same Tocsin for who logs in at once."""
    settings: Settings
    report: str
    """The path of the one report's page."""

    def launch(self, client: str = "tocsin", **more: str) -> str:
        """Where a clinician begins, who does not come from a chart."""
        return f"{self.tocsin}/launch?{urlencode({'iss': self.hospital.fhir(client), **more})}"

    def session(self, browser: WebVisitor) -> Session | None:
        """The session of this browser, as it stands in Redis."""
        secret = browser.cookies.get(HOST, {}).get("tocsin", "")
        content = RedisShelf(self.settings.redis, "session").get(secret)
        return None if content is None else read(content, name_of(secret))

    def opened(self, browser: WebVisitor, user: str = "ada", client: str = "tocsin", **more: str) -> Shown:
        """What a clinician sees in the end who logs in there."""
        return log_in(browser, browser.open(self.launch(client, **more)), user)

    @property
    def asking(self) -> Asking:
        return Asking(issuers_http(self.settings.serve))

    def endpoints(self, client: str = "tocsin") -> Endpoints:
        return endpoints(self.asking.get(address(f"{self.hospital.fhir(client)}/.well-known/smart-configuration"), "configuration"))


@pytest.fixture(scope="module")
def site(redis_server: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, (port, hasty) = tmp_path_factory.mktemp("keycloak"), free_ports(2)
    made = clinic(encoded(textured(64, 48)))
    with running(lambda: keycloak.start(folder)) as part, hospital(part, made.record) as there:
        origins = [f"http://{HOST}:{each}" for each in (port, hasty)]
        issuers = {there.fhir(client): each for client, each in clients(there, [f"{each}/callback" for each in origins], folder).items()}
        settings, quick = (
            serve_settings(each, redis_server.url, issuers, **more).model_copy(update={"report": ReportSettings(source=SOURCE)})
            for each, more in ((port, {}), (hasty, {"launch_max_s": LAUNCH_MAX_S}))
        )
        with served(settings), served(quick):
            yield Site(there, origins[0], origins[1], settings, made.path)


def clients(there: Hospital, back: list[str], folder: Path) -> dict[str, IssuerSettings]:
    """Tocsin in each way in which a site may register it, by its client id there."""
    found: dict[str, IssuerSettings] = {}

    def known(client: str, **more: object) -> None:
        found[client] = IssuerSettings.model_validate({"client_id": client, **more})

    for client in ("tocsin", "greedy", "roleless"):
        there.register(client, back)
    there.register("ward", back, [patient_in_answer("page-p1")])
    there.register("roles", back, [roles_in_id_token()])
    there.register("brief", back, attributes={"access.token.lifespan": None})
    there.register("secret", back, publicClient=False, secret=SECRET)
    for client in ("tocsin", "ward", "brief"):
        known(client)
    known("greedy", scopes=("openid", "fhirUser", "user/Nonsense.rs"))
    for client in ("roles", "roleless"):
        known(client, roles_claim="realm_access.roles", roles=ROLES)
    (folder / "secret").write_text(SECRET)
    known("secret", client_secret_file=folder / "secret")
    for client, key in (("RS384", rsa.generate_private_key(65537, 2048)), ("ES384", ec.generate_private_key(ec.SECP384R1()))):
        (folder / client).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        known(client, private_key_file=folder / client, private_key_id=f"key-{client}")
        signed = {"use.jwks.url": "true", "jwks.url": back[0].replace("/callback", "/.well-known/jwks.json")}
        signing = {**signed, "token.endpoint.auth.signing.alg": client}
        there.register(client, back, publicClient=False, clientAuthenticatorType="client-jwt", attributes=signing)
    return found


def form_of(shown: Shown) -> str:
    """The address to which the log-in form goes."""
    found = FORM.search(shown.text)
    assert found is not None, (shown.status, shown.url, shown.text[:500])
    return html.unescape(found[1])


def log_in(browser: WebVisitor, shown: Shown, user: str, password: str = PASSWORD, until: str | None = None) -> Shown:
    """Fill in the form that is shown."""
    return browser.open(form_of(shown), form={"username": user, "password": password}, until=until)


def landed(shown: Shown) -> str:
    return urlsplit(shown.url).path


def way_back(site: Site, browser: WebVisitor, **more: str) -> str:
    """The address at which a clinician who has logged in would come back to Tocsin."""
    shown = browser.open(site.launch(**more))
    return log_in(browser, shown, "ada", until=f"{site.tocsin}/callback").headers["location"]


def test_a_clinician_logs_in_in_a_real_browser_reads_the_report_and_logs_off(site: Site, browser: Browser) -> None:
    with visitor(browser) as page:
        page.goto(site.launch(report=site.report.rpartition("/")[2]))
        assert page.url.startswith(site.hospital.log_in)
        page.fill("#username", "ada")
        page.fill("#password", PASSWORD)
        page.click("#kc-login")
        page.wait_for_url(f"{site.tocsin}{site.report}")
        assert NAME in page.locator(".patient").inner_text()
        assert "malignancy is possible" in page.locator("main").inner_text()
        page.wait_for_function("document.querySelector('.stage img').naturalWidth > 0")
        kept = {each["name"]: each for each in page.context.cookies(site.tocsin)}
        assert kept["tocsin"]["httpOnly"]
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="Log off").click()
        page.wait_for_url(f"{site.tocsin}/ended?by=reader")
        page.goto(f"{site.tocsin}{site.report}")
        assert NAME not in page.content()


def test_the_session_is_of_who_logged_in_and_ends_with_the_token(site: Site) -> None:
    browser = WebVisitor()
    shown = site.opened(browser)
    asked = parse_qs(urlsplit(next(url for url in browser.way if url.startswith(site.hospital.log_in))).query)
    assert asked["aud"] == [site.hospital.fhir("tocsin")]
    assert asked["code_challenge_method"] == ["S256"]
    session = site.session(browser)
    assert session is not None
    assert (session.clinician, session.patient, session.banner) == (CLINICIAN, None, True)
    assert landed(shown) == "/worklist"
    assert timedelta(seconds=TOKEN_LIFE_S - 60) < session.until - datetime.now(UTC) <= timedelta(seconds=TOKEN_LIFE_S)
    assert session.token.get_secret_value() not in shown.text + str(shown.headers) + str(browser.way)


def test_a_patient_in_the_token_answer_leads_to_the_patients_reports(site: Site) -> None:
    browser = WebVisitor()
    shown = site.opened(browser, client="ward")
    assert (landed(shown), NAME in shown.text) == ("/reports", True)
    session = site.session(browser)
    assert session is not None
    assert session.patient == "Patient/page-p1"


def test_a_client_that_is_told_no_life_of_its_tokens_has_sessions_of_five_minutes(site: Site) -> None:
    browser = WebVisitor()
    site.opened(browser, client="brief")
    session = site.session(browser)
    assert session is not None
    assert session.until - datetime.now(UTC) <= timedelta(seconds=TOKEN_LIFE_S_BY_DEFAULT)


@pytest.mark.parametrize("client", ["secret", "RS384", "ES384"])
def test_tocsin_proves_who_it_is(site: Site, client: str) -> None:
    assert landed(site.opened(WebVisitor(), client=client)) == "/worklist"


def test_roles_come_by_a_mapper_into_the_id_token_and_without_it_nobody_comes_in(site: Site) -> None:
    lead, reader = WebVisitor(), WebVisitor()
    site.opened(lead, "ben", "roles")
    site.opened(reader, "ada", "roles")
    found = [site.session(each) for each in (lead, reader)]
    assert [each.roles for each in found if each] == [{Role.READER, Role.LEAD}, {Role.READER}]
    shown = site.opened(WebVisitor(), "ben", "roleless")
    assert (shown.status, "none of the roles" in shown.text) == (403, True)


def test_a_clinicians_own_language_is_spoken(site: Site) -> None:
    assert '<html lang="de">' in site.opened(WebVisitor(), "ben", report=site.report.rpartition("/")[2]).text


def test_whoever_is_no_clinician_there_is_turned_away_whatever_stands_in_their_profile(site: Site) -> None:
    browser = WebVisitor()
    shown = site.opened(browser, "porter")
    assert (shown.status, site.session(browser)) == (403, None)
    assert "does not say that you are one" in shown.text


def test_a_wrong_password_leads_nowhere(site: Site) -> None:
    browser = WebVisitor()
    shown = log_in(browser, browser.open(site.launch()), "ada", "a guess")
    assert shown.url.startswith(site.hospital.keycloak.origin)
    assert form_of(shown)
    assert site.session(browser) is None


def test_keycloaks_log_in_is_shown_in_no_frame(site: Site) -> None:
    assert WebVisitor().open(site.launch()).headers["x-frame-options"] == "SAMEORIGIN"


@pytest.mark.parametrize(("client", "more"), [("greedy", {}), ("tocsin", {"launch": "a-chart"})])
def test_a_scope_that_the_realm_does_not_know_is_said_before_anybody_logs_in(site: Site, client: str, more: dict[str, str]) -> None:
    browser = WebVisitor()
    shown = browser.open(site.launch(client, **more))
    assert (shown.status, "invalid_scope" in shown.text, site.session(browser)) == (403, True, None)


@pytest.mark.parametrize(
    "change",
    [
        lambda asked: asked | {"redirect_uri": "https://evil.example.org/callback"},
        lambda asked: asked | {"redirect_uri": asked["redirect_uri"] + "/../evil"},
        lambda asked: asked | {"client_id": "nobody"},
    ],
)
def test_keycloak_sends_nobody_to_an_address_that_was_not_registered(
    site: Site, change: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    browser = WebVisitor()
    leads_to = urlsplit(browser.open(site.launch(), until=site.hospital.log_in).headers["location"])
    asked = {name: values[0] for name, values in parse_qs(leads_to.query).items()}
    shown = browser.ask(f"{site.hospital.log_in}?{urlencode(change(asked))}")
    assert (shown.status, "location" in shown.headers) == (400, False)


@pytest.mark.parametrize("left_out", [("code_challenge", "code_challenge_method"), ("code_challenge_method",)])
def test_keycloak_gives_no_code_without_pkce_by_s256(site: Site, left_out: tuple[str, ...]) -> None:
    browser = WebVisitor()
    leads_to = urlsplit(browser.open(site.launch(), until=site.hospital.log_in).headers["location"])
    asked = {name: values[0] for name, values in parse_qs(leads_to.query).items() if name not in left_out}
    back = urlsplit(browser.ask(f"{site.hospital.log_in}?{urlencode(asked)}").headers["location"])
    assert parse_qs(back.query)["error"] == ["invalid_request"]


def test_a_way_back_counts_once_and_names_who_answers(site: Site) -> None:
    browser = WebVisitor()
    back = way_back(site, browser)
    said = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    assert said["iss"] == site.endpoints().issuer
    for iss in ("https://evil.example.org", None):
        other = WebVisitor()
        kept = {name: values[0] for name, values in parse_qs(urlsplit(way_back(site, other)).query).items() if name != "iss"}
        assert other.ask(f"{site.tocsin}/callback?{urlencode(kept if iss is None else kept | {'iss': iss})}").status == 400
        assert site.session(other) is None
    assert browser.ask(back).status == 303
    again = browser.ask(back)
    assert (again.status, "used already" in again.text) == (400, True)


def test_a_code_of_another_log_in_gives_no_session(site: Site) -> None:
    thief, victim = WebVisitor(), WebVisitor()
    stolen = parse_qs(urlsplit(way_back(site, victim)).query)["code"][0]
    own = {name: values[0] for name, values in parse_qs(urlsplit(way_back(site, thief)).query).items()}
    shown = thief.ask(f"{site.tocsin}/callback?{urlencode(own | {'code': stolen})}")
    assert (shown.status, site.session(thief)) == (502, None)


def redeemed(site: Site, code: str, verifier: str) -> Grant:
    return redeem(site.asking, IssuerSettings(client_id="tocsin"), site.endpoints(), code, verifier, f"{site.tocsin}/callback")


def test_a_code_is_redeemed_once_with_its_own_verifier_and_the_first_token_dies_with_the_second_try(site: Site) -> None:
    there, verifier = site.hospital, new_secret()
    codes = []
    for _ in range(2):
        browser = WebVisitor()
        leads_to = urlsplit(browser.open(site.launch(), until=there.log_in).headers["location"])
        asked = {name: values[0] for name, values in parse_qs(leads_to.query).items()} | {"code_challenge": challenge(verifier)}
        shown = log_in(browser, browser.ask(f"{there.log_in}?{urlencode(asked)}"), "ada", until=f"{site.tocsin}/callback")
        codes.append(parse_qs(urlsplit(shown.headers["location"]).query)["code"][0])
    with pytest.raises(CodeRefused) as refused:
        redeemed(site, codes[0], new_secret())
    assert "invalid_grant" in refused.value.detail
    token = redeemed(site, codes[1], verifier).token
    assert there.counts(token.get_secret_value(), there.fhir("tocsin"))
    with pytest.raises(CodeRefused) as refused:
        redeemed(site, codes[1], verifier)
    assert "invalid_grant" in refused.value.detail
    assert not there.counts(token.get_secret_value(), there.fhir("tocsin"))


def test_a_log_in_that_takes_too_long_is_begun_anew(site: Site) -> None:
    browser = WebVisitor()
    shown = browser.open(site.launch().replace(site.tocsin, site.hasty))
    time.sleep(LAUNCH_MAX_S + 0.5)
    late = log_in(browser, shown, "ada")
    assert (landed(late), late.status, "took too long" in late.text) == ("/callback", 400, True)
    assert site.session(browser) is None


def test_a_token_opens_the_record_that_it_was_given_for_and_no_other(site: Site) -> None:
    browser, there = WebVisitor(), site.hospital
    site.opened(browser)
    session = site.session(browser)
    assert session is not None
    token = session.token.get_secret_value()
    assert [there.counts(token, there.fhir(client)) for client in ("tocsin", "ward")] == [True, False]


def test_logging_off_ends_tocsins_session_and_leaves_the_hospitals(site: Site) -> None:
    browser = WebVisitor()
    site.opened(browser)
    session = site.session(browser)
    assert session is not None
    assert "You are logged off" in browser.open(f"{site.tocsin}/log-off", form={"csrf": session.csrf}).text
    assert site.session(browser) is None
    assert landed(browser.open(site.launch())) == "/worklist", "Keycloak asks for no password while its own session lasts"


def test_a_session_that_the_hospital_ends_opens_no_report_any_more(site: Site) -> None:
    browser = WebVisitor()
    shown = site.opened(browser, "ben", report=site.report.rpartition("/")[2])
    assert (landed(shown), shown.status, NAME in shown.text) == (site.report, 200, True)
    site.hospital.log_out("ben")
    shown = browser.open(f"{site.tocsin}{site.report}")
    assert (shown.status, NAME in shown.text) == (401, False)


def test_tocsin_check_finds_keycloak_fit(site: Site) -> None:
    found = list(ehr_preflight(site.settings.serve, site.asking, ServiceBase(tuple(site.settings.serve.issuers))))
    assert [each for each in found if not each.passed] == []
    assert sum(each.what == "keys" for each in found) == len(site.settings.serve.issuers)
