"""What `tocsin check` says of an EHR before the first clinician comes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from tocsin.bootstrap.operate import preflights
from tocsin.fhir.reference import ServiceBase
from tocsin.kafka.preflight import Role
from tocsin.serve.record import issuers_http
from tocsin.serve.smart.asking import Asking
from tocsin.serve.smart.preflight import ehr_preflight, own_keys
from tocsin.settings import CdsIssuer, CdsSettings, IssuerSettings, ServeSettings, Settings
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


def found(site: Web, record: str | None = None, *, of_serve: bool = True, **more: Any) -> dict[str, Check]:
    usual = {"public_url": site.origin, "issuers": {f"{site.origin}/fhir": IssuerSettings(client_id="tocsin")}, "issuer_timeout_s": 2}
    settings = ServeSettings(**usual | more)
    base = ServiceBase((record or f"{site.origin}/fhir/",))
    return {each.what: each for each in ehr_preflight(settings, Asking(issuers_http(settings)), base, of_serve=of_serve)}


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


@pytest.mark.parametrize(("of_serve", "passed"), [(True, False), (False, None)])
def test_a_key_that_is_not_here_fails_for_serve_and_is_not_looked_at_by_others(of_serve: bool, passed: bool | None, tmp_path: Path) -> None:
    issuers = {"https://ehr.example.org": IssuerSettings(client_id="t", private_key_file=tmp_path / "smart.pem", private_key_id="k")}
    (check,) = own_keys(ServeSettings(issuers=issuers), of_serve=of_serve)
    assert (check.what, check.passed) == ("own keys", passed)
    assert "private_key_file cannot be read" in check.found if of_serve else "--for serve" in check.found


@pytest.mark.parametrize(("role", "passed"), [("serve", False), ("work", None), (None, None)])
def test_tocsin_check_has_the_files_of_serve_only_where_it_checks_for_serve(role: Role | None, passed: bool | None, tmp_path: Path) -> None:
    ehr = IssuerSettings(client_id="t", private_key_file=tmp_path / "smart.pem", private_key_id="k")
    cds = CdsIssuer(jwks_file=tmp_path / "jwks.json")
    settings = Settings(serve=ServeSettings(issuers={"http://127.0.0.1:9/fhir": ehr}), cds=CdsSettings(issuers={"https://one": cds}))
    looks = [each.look for each in preflights(settings, {}, role) if each.part in ("ehr", "cds")]
    checks = {each.what: each.passed for look in looks for each in look()}
    assert {what: checks[what] for what in ("own keys", "keys of https://one")} == {"own keys": passed, "keys of https://one": passed}


@pytest.mark.parametrize("of_serve", [True, False])
def test_a_key_that_is_here_and_is_none_fails_for_everybody_whatever_is_elsewhere(of_serve: bool, tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here.pem", tmp_path / "elsewhere.pem"
    here.write_text("no key")
    named = {"https://one.example.org": here, "https://two.example.org": elsewhere}
    issuers = {at: IssuerSettings(client_id="t", private_key_file=file, private_key_id=file.stem) for at, file in named.items()}
    assert [each.passed for each in own_keys(ServeSettings(issuers=issuers), of_serve=of_serve)] == ([False] if of_serve else [None, False])


def test_an_issuer_that_is_not_the_record_fails_unless_an_address_of_the_record_is_its_own(site: Web) -> None:
    check = found(site, record="https://fhir.example.org/r4")["record"]
    assert (check.passed, site.origin in check.found) == (False, True)
