"""What `tocsin check` says of an EHR before the first clinician comes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from tocsin.fhir.reference import ServiceBase
from tocsin.serve.record import issuers_http
from tocsin.serve.smart.asking import Asking
from tocsin.serve.smart.preflight import ehr_preflight
from tocsin.settings import IssuerSettings, ServeSettings
from tocsin.telemetry.preflight import Check

from tests.support.web import Reply, Web, web

SET = {"keys": [{**RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key(), as_dict=True), "kid": "k"}]}


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as running:
        running.replies["/fhir/.well-known/smart-configuration"] = Reply(200, json.dumps(configuration(running.origin)).encode())
        running.replies["/jwks"] = Reply(200, json.dumps(SET).encode())
        running.replies["/.well-known/jwks.json"] = Reply(200, b'{"keys": []}')
        yield running


def configuration(origin: str, **change: Any) -> dict[str, Any]:
    names = {"authorization_endpoint": "auth", "token_endpoint": "token", "jwks_uri": "jwks"}
    usual = {"issuer": origin, "code_challenge_methods_supported": ["S256"], **{name: f"{origin}/{path}" for name, path in names.items()}}
    return usual | change


def found(site: Web, record: str | None = None, **more: Any) -> dict[str, Check]:
    usual = {"public_url": site.origin, "issuers": {f"{site.origin}/fhir": IssuerSettings(client_id="tocsin")}, "issuer_timeout_s": 2}
    settings = ServeSettings(**usual | more)
    base = ServiceBase((record or f"{site.origin}/fhir/",))
    return {each.what: each for each in ehr_preflight(settings, Asking(issuers_http(settings)), base)}


def test_an_ehr_that_offers_all_passes(site: Web) -> None:
    checks = found(site)
    assert {each.passed for each in checks.values()} == {True}
    assert list(checks) == ["connection", "SMART configuration", "keys", "record", "own keys", "public address"]
    assert "RS256" in checks["keys"].found


def test_no_issuer_no_check(site: Web) -> None:
    assert found(site, issuers={}) == {}


@pytest.mark.parametrize(
    ("path", "reply", "what", "word"),
    [
        ("/fhir/.well-known/smart-configuration", Reply(404), "SMART configuration", "HTTP 404"),
        ("/fhir/.well-known/smart-configuration", Reply(200, b"{}"), "SMART configuration", "S256"),
        ("/jwks", Reply(500), "keys", "HTTP 500"),
        ("/jwks", Reply(200, b'{"keys": [{"kty": "oct"}]}'), "keys", "none by which"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(site: Web, path: str, reply: Reply, what: str, word: str) -> None:
    site.replies[path] = reply
    check = found(site)[what]
    assert (check.passed, word in check.found, bool(check.fix)) == (False, True, True)


def test_an_issuer_that_does_not_answer_is_one_failed_check(site: Web) -> None:
    checks = found(site, issuers={"http://127.0.0.1:9/fhir": IssuerSettings(client_id="tocsin")})
    assert (checks["connection"].passed, "SMART configuration" in checks) == (False, False)


def test_a_public_address_that_is_not_up_yet_is_a_warning(site: Web) -> None:
    check = found(site, public_url="http://127.0.0.1:9")["public address"]
    assert (check.passed, check.warning) == (True, True)


def test_an_issuer_that_is_not_the_record_fails_unless_an_address_of_the_record_is_its_own(site: Web) -> None:
    check = found(site, record="https://fhir.example.org/r4")["record"]
    assert (check.passed, site.origin in check.found) == (False, True)
