"""CDS Hooks on a real server: callers of another make sign each call, a real record holds the reports, a real browser asks from a page."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from playwright.sync_api import Browser, Page
from redis import Redis as RedisClient
from tocsin.errors import Unavailable
from tocsin.fhir.client import FhirClient
from tocsin.report.resources.identity import device_id
from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.redis import Redis
from tocsin.settings import FhirSettings, Settings

from tests.support.browser import visitor
from tests.support.cds_caller import Ehr, call_json, drafts, ec_key, jwk, jwks, order
from tests.support.cds_peers import Callers, callers, key_sets, listening, shapes
from tests.support.cds_rules import outcome_problems, response_problems, services_problems
from tests.support.house import Record
from tests.support.stored import HIGH, ISSUER, searchset, stored
from tests.support.tls import Authority
from tests.support.web import Reply, web

Json = dict[str, Any]

ISS = "https://page.example.org"


@dataclass
class Sink:
    """A bus that takes what it is sent."""

    sent: list[tuple[str, bytes]] = field(default_factory=list)
    away: bool = False

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Any = ()) -> None:
        """See EventSink.send."""
        del key, headers
        if self.away:
            raise Unavailable("kafka", "away")
        self.sent.append((topic, value))

    def close(self) -> None:
        """See EventSink.close."""


@dataclass
class Site:
    """The service, its callers, and what it sent."""

    origin: str
    peers: Callers
    known: dict[str, tuple[str, Json, Json]]
    """Shape -> iss, claims, header."""
    sink: Sink

    def ask(self, shape: str, path: str, body: Json | None, *, header: Json | None = None, **claims: Any) -> tuple[int, Json]:
        """Status and answer; the method follows from whether there is a body."""
        iss, usual, fields = self.known[shape]
        call = {"shape": shape, "method": "GET" if body is None else "POST", "url": self.origin + path, "body": body}
        [answer] = self.peers.call(call | {"claims": {"iss": iss, **usual, **claims}, "header": {**fields, **(header or {})}})
        return answer


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, redis_server: Redis, fhir_server: Fhir) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("cds")
    authority, sink = Authority(folder / "ca"), Sink()
    with callers() as peers:
        sandbox = folder / "sandbox.json"
        sandbox.write_bytes(orjson.dumps(peers.sets["sandbox"]))
        page_keys = folder / "page.json"
        page_keys.write_bytes(jwks(jwk(ec_key(), "k1")))
        served = {
            "/epic": orjson.dumps(peers.sets["epic"]),
            "/oracle": orjson.dumps(peers.sets["oracle"]),
            "/more": jwks(jwk(ec_key(), "x")),
        }
        with key_sets(authority, served) as keys, web() as page:
            agreed = shapes("", keys, sandbox, fhir_server.base_url)
            issuers: Json = {iss: entry for _, iss, entry, _, _ in agreed}
            issuers[ISS] = {"jwks_file": str(page_keys), "fhir_base_url": fhir_server.base_url}
            settings = Settings.model_validate(
                {
                    "cds": {"issuers": issuers, "tls_ca_file": authority.file, "origins": [page.origin], "answer_within_s": 10.0},
                    "redis": {"url": redis_server.url},
                }
            )
            with listening(settings, sink) as origin:
                yield Site(origin, peers, {shape: (iss, claims, header) for shape, iss, _, claims, header in agreed}, sink)


def flagged(fhir: Fhir) -> str:
    """A patient in the record who has a flagged report; the patient's id."""
    patient = f"cds-{uuid.uuid4().hex[:12]}"
    record, client = Record(fhir.base_url), FhirClient(FhirSettings(base_url=fhir.base_url))
    record.patient(patient)
    record.media(
        f"{patient}-m", f"Patient/{patient}", bodySite={"coding": [{"system": "urn:site", "code": "calf-l", "display": "Left calf"}]}
    )
    client.put({"resourceType": "Device", "id": device_id(ISSUER.source, ISSUER.card.model)})
    report = stored(HIGH, f"Media/{patient}-m", subject=f"Patient/{patient}")[0]
    client.put({name: value for name, value in report.items() if name != "result"})
    return patient


@pytest.mark.parametrize("shape", ["sandbox", "epic", "oracle"])
def test_callers_of_three_shapes_are_known_everywhere_and_get_cards(site: Site, shape: str) -> None:
    status, said = site.ask(shape, "/cds-services", None)
    assert (status, services_problems(said)) == (200, [])
    call = call_json(prefetch={"reports": searchset(stored(HIGH)[:1]), "pictures": None})
    status, said = site.ask(shape, "/cds-services/tocsin-flags", call)
    assert (status, response_problems(said), len(said["cards"])) == (200, [], 1)
    told = {"card": said["cards"][0]["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-03-01T10:00:00Z"}
    assert site.ask(shape, "/cds-services/tocsin-flags/feedback", {"feedback": [told]}) == (200, {})
    topic, value = site.sink.sent[-1]
    assert topic == "tocsin.feedback.v1"
    assert orjson.loads(value)["report"] == f"DiagnosticReport/{stored(HIGH)[0]['id']}"


@pytest.mark.parametrize(
    ("shape", "header", "claims", "why"),
    [
        ("sandbox", {}, {"aud": "sand_man"}, "audience"),
        ("sandbox", {"kid": "other"}, {}, "unknown-key"),
        ("sandbox", {}, {"exp": 1}, "expired"),
        ("epic", {"kid": "p 7d/0aQk3bZ1w=="}, {}, "unknown-key"),
        ("epic", {}, {"sub": "client-2"}, "subject"),
        ("oracle", {"jku": "https://127.0.0.1:1/oracle"}, {}, "key-address"),
        ("oracle", {}, {"tenant": "t2"}, "tenant"),
        ("oracle", {}, {"iss": "https://sandbox.example.org"}, "unknown-key"),
    ],
)
def test_a_caller_who_deviates_is_told_in_which_way(site: Site, shape: str, header: Json, claims: Json, why: str) -> None:
    status, said = site.ask(shape, "/cds-services", None, header=header, **claims)
    assert (status, outcome_problems(said)) == (401, [])
    assert said["issue"][0]["details"]["coding"][0]["code"] == why


def test_a_token_that_one_process_took_is_replayed_at_no_other(site: Site, redis_server: Redis, tmp_path: Path) -> None:
    ehr = Ehr(time.time())
    keys = tmp_path / "keys.json"
    keys.write_bytes(jwks(jwk(ec_key(), "k1")))
    issuers = {ISS: {"jwks_file": str(keys), "audiences": ["https://one.example.org"]}}
    settings = Settings.model_validate({"cds": {"issuers": issuers}, "redis": {"url": redis_server.url}})
    token = ehr.token("https://one.example.org", iss=ISS)
    with listening(settings, Sink()) as one, listening(settings, Sink()) as other:
        assert [_status(origin, token) for origin in (one, other, one)] == [200, 401, 401]
    kept = RedisClient.from_url(redis_server.url)
    assert not [key for key in kept.scan_iter("tocsin:cds:token:*") if b"example" in key or kept.get(key) != b"1"]


def _status(origin: str, token: str) -> int:
    asked = urllib.request.Request(f"{origin}/cds-services", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_a_real_record_is_searched_with_the_calls_token_where_nothing_came_along(site: Site, fhir_server: Fhir) -> None:
    patient = flagged(fhir_server)
    token = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "user/*.rs", "subject": "tocsin"}
    biopsy = {"draftOrders": drafts(order(subject=f"Patient/{patient}"))}
    for hook, context in (("patient-view", {}), ("order-sign", biopsy)):
        call = call_json(hook, patient, context=context, fhirServer=fhir_server.base_url, fhirAuthorization=token)
        status, said = site.ask("oracle", "/cds-services/tocsin-flags", call)
        assert (status, response_problems(said)) == (200, [])
        assert ["Left calf" in card["summary"] for card in said["cards"]] == [True]
    nobody = call_json("patient-view", "cds-nobody", fhirServer=fhir_server.base_url, fhirAuthorization=token)
    assert site.ask("oracle", "/cds-services/tocsin-flags", nobody) == (200, {"cards": []})


def test_a_token_that_states_no_end_ends_with_the_calls_own_time(redis_server: Redis, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_bytes(jwks(jwk(ec_key(), "k1")))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fhir = f"http://127.0.0.1:{silent.getsockname()[1]}/fhir"
        issuers = {ISS: {"jwks_file": str(keys), "fhir_base_url": fhir}}
        settings = Settings.model_validate({"cds": {"issuers": issuers, "answer_within_s": 0.5}, "redis": {"url": redis_server.url}})
        token = {"access_token": "t", "token_type": "Bearer", "scope": "user/*.rs", "subject": "tocsin"}
        call = orjson.dumps(call_json(fhirServer=fhir, fhirAuthorization=token))
        with listening(settings, Sink()) as origin:
            address = f"{origin}/cds-services/tocsin-flags"
            bearer = {"Authorization": f"Bearer {Ehr(time.time()).token(address, iss=ISS)}"}
            began = time.monotonic()
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(urllib.request.Request(address, call, bearer), timeout=10)
            assert refused.value.code == 412
            assert time.monotonic() - began < 2.0, "0.5 s, and what a busy machine adds"


FETCH = """async ([address, token, body]) => {
  try {
    const asked = {headers: {Authorization: `Bearer ${token}`, "Content-Type": "application/json"}};
    const response = await fetch(address, body ? {...asked, method: "POST", body} : asked);
    return [response.status, await response.json()];
  } catch (error) { return [0, {}]; }
}"""


def from_page(page: Page, origin: str, path: str, body: Json | None = None) -> tuple[int, Json]:
    token = Ehr(time.time()).token(origin + path, iss=ISS)
    status, said = page.evaluate(FETCH, [origin + path, token, None if body is None else orjson.dumps(body).decode()])
    return status, said


def test_a_page_of_an_agreed_origin_may_call_from_a_real_browser_and_no_other_page(
    browser: Browser, redis_server: Redis, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_bytes(jwks(jwk(ec_key(), "k1")))
    call = call_json(prefetch={"reports": searchset(stored(HIGH)[:1]), "pictures": None})
    with web() as sandbox, web() as stranger, visitor(browser) as page:
        for each in (sandbox, stranger):
            each.replies["/"] = Reply(200, b"<!doctype html><title>EHR</title>", {"Content-Type": "text/html"})
        cds = {"issuers": {ISS: {"jwks_file": str(keys)}}, "origins": [sandbox.origin]}
        settings = Settings.model_validate({"cds": cds, "redis": {"url": redis_server.url}})
        with listening(settings, Sink()) as origin:
            page.goto(sandbox.origin)
            assert from_page(page, origin, "/cds-services")[0] == 200
            status, said = from_page(page, origin, "/cds-services/tocsin-flags", call)
            assert (status, len(said["cards"])) == (200, 1)
            assert from_page(page, origin, "/cds-services/tocsin-flags", {})[0] == 400
            page.goto(stranger.origin)
            assert from_page(page, origin, "/cds-services")[0] == 0
            assert from_page(page, origin, "/cds-services/tocsin-flags", call)[0] == 0
