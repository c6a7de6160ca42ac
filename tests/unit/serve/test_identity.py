"""Whose word is taken for who logged in, and what is made of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from pydantic import SecretStr
from tocsin.fhir.address import address
from tocsin.serve.record import issuers_http
from tocsin.serve.smart.asking import Asking
from tocsin.serve.smart.discovery import Endpoints
from tocsin.serve.smart.identity import Verifier, identity
from tocsin.serve.smart.keys import AGAIN_S, Keys, usable
from tocsin.serve.smart.refusals import IdTokenInvalid, NoClinician, NoRole
from tocsin.serve.types import Role
from tocsin.settings import IssuerSettings, ServeSettings

from tests.support.web import Reply, Web, web

ISSUER, NAME = "https://ehr.example.org/fhir", "https://login.example.org"
RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP384R1())


def jwk(key: Any, key_id: str, **more: Any) -> dict[str, Any]:
    kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": key_id, **more}


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as running:
        running.replies["/jwks"] = Reply(
            200, json.dumps({"keys": [jwk(RSA_KEY, "r1", use="sig"), jwk(EC_KEY, "e1", alg="ES384")]}).encode()
        )
        yield running


def endpoints(site: Web) -> Endpoints:
    at = address(f"{site.origin}/jwks")
    return Endpoints(at, at, at, NAME, False)


def keys(now: list[float] | None = None) -> Keys:
    return Keys(Asking(issuers_http(ServeSettings(issuer_timeout_s=2))), 300, (lambda: now[0]) if now else time.monotonic)


def claims(**change: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {"iss": NAME, "sub": "s1", "aud": "tocsin", "iat": now, "exp": now + 300, "nonce": "n1", "fhirUser": "Practitioner/c1"}
    return {name: value for name, value in (usual | change).items() if value is not None}


def signed(said: dict[str, Any], key: Any = RSA_KEY, algorithm: str = "RS256", key_id: str | None = "r1") -> SecretStr:
    return SecretStr(jwt.encode(said, key, algorithm, headers={"kid": key_id} if key_id else {}))


@pytest.mark.parametrize(
    ("key", "algorithm", "key_id"),
    [(RSA_KEY, "RS256", "r1"), (RSA_KEY, "RS384", "r1"), (EC_KEY, "ES384", "e1")],
    ids=["RS256", "RS384", "ES384"],
)
def test_a_token_that_the_issuer_signed_is_believed(site: Web, key: Any, algorithm: str, key_id: str) -> None:
    found = Verifier(keys(), 30).claims(signed(claims(), key, algorithm, key_id), endpoints(site), "tocsin", "n1")
    assert found["sub"] == "s1"


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example.org"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"aud": ["tocsin", "another"]},
        {"aud": ["tocsin", "another"], "azp": "another"},
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"iat": int(time.time()) + 3600},
        {"iat": None},
        {"nbf": int(time.time()) + 3600},
        {"sub": None},
        {"nonce": "n2"},
        {"nonce": None},
    ],
    ids=lambda change: " ".join(f"{name}={value if isinstance(value, str) else type(value).__name__}" for name, value in change.items()),
)
def test_a_token_of_another_for_another_or_of_another_time_is_not(site: Web, change: dict[str, Any]) -> None:
    with pytest.raises(IdTokenInvalid):
        Verifier(keys(), 30).claims(signed(claims(**change)), endpoints(site), "tocsin", "n1")


def test_a_token_signed_by_another_or_by_nobody_or_by_the_public_key_as_a_password_is_not(site: Web) -> None:
    public = RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    forged = [
        signed(claims(), OTHER_KEY),
        SecretStr(jwt.encode(claims(), "", "none", headers={"kid": "r1"})),
        SecretStr(jwt.encode(claims(), public.hex(), "HS256", headers={"kid": "r1"})),
        signed(claims(), key_id="unknown"),
        signed(claims(), key_id=None),
        signed(claims(), EC_KEY, "ES384", "r1"),
        SecretStr("not.a.token"),
        SecretStr(""),
    ]
    for each in forged:
        with pytest.raises(IdTokenInvalid):
            Verifier(keys(), 30).claims(each, endpoints(site), "tocsin", "n1")


def test_a_new_key_is_found_and_made_up_ones_have_the_set_read_no_oftener(site: Web) -> None:
    now = [100.0]
    known = keys(now)
    known.find(endpoints(site).keys, "r1")
    for number in range(5):
        with pytest.raises(IdTokenInvalid):
            known.find(endpoints(site).keys, f"made-up-{number}")
    assert len(site.asked) == 1
    site.replies["/jwks"] = Reply(200, json.dumps({"keys": [jwk(OTHER_KEY, "r2")]}).encode())
    now[0] += AGAIN_S
    assert known.find(endpoints(site).keys, "r2").id == "r2"


def test_keys_for_other_ends_of_unknown_kinds_broken_or_too_short_are_left_out() -> None:
    listed = [
        jwk(RSA_KEY, "enc", use="enc"),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "h"},
        {"kty": ["RSA"]},
        3,
        jwk(RSA_KEY, "hmac", alg="HS256"),
        {"kty": "RSA", "n": "!", "e": "AQAB"},
        {"kty": "RSA", "n": 3, "e": "AQAB"},
        {"kty": "RSA", "n": "AQAB", "e": "AQ"},
        {**jwk(EC_KEY, "off"), "y": jwk(EC_KEY, "off")["x"]},
        jwk(rsa.generate_private_key(65537, 1024), "short"),
    ]
    assert usable({"keys": listed}) == ()
    assert usable({"keys": "none"}) == ()


@pytest.mark.parametrize(
    ("stated", "clinician"),
    [
        ({"fhirUser": "Practitioner/c1"}, "Practitioner/c1"),
        ({"fhirUser": f"{ISSUER}/PractitionerRole/c2"}, "PractitionerRole/c2"),
        ({"fhirUser": "https://alias.example.org/r4/Practitioner/c3"}, "Practitioner/c3"),
    ],
)
def test_a_clinician_of_the_issuers_own_record_is_known(stated: dict[str, str], clinician: str) -> None:
    settings = IssuerSettings(client_id="tocsin", also_known_as=("https://alias.example.org/r4",))
    assert identity(stated, ISSUER, settings).clinician == clinician


def test_the_claim_of_smart_1_counts_only_where_the_settings_do_not_ask_for_that_of_smart_2() -> None:
    old = IssuerSettings(client_id="tocsin", scopes=("openid", "profile", "user/DiagnosticReport.read"))
    said = {"profile": f"{ISSUER}/Practitioner/c4"}
    assert identity(said, ISSUER, old).clinician == "Practitioner/c4"
    for more in ({}, {"fhirUser": ""}):
        with pytest.raises(NoClinician):
            identity(said | more, ISSUER, IssuerSettings(client_id="tocsin"))


@pytest.mark.parametrize(
    "stated",
    [
        "Patient/p1",
        "RelatedPerson/r1",
        "https://evil.example.org/Practitioner/c1",
        "Practitioner/",
        "Practitioner/../x",
        "",
        None,
        3,
        ["Practitioner/c1"],
    ],
)
def test_whoever_else_logs_in_is_no_clinician(stated: object) -> None:
    with pytest.raises(NoClinician):
        identity({"fhirUser": stated}, ISSUER, IssuerSettings(client_id="tocsin"))


ROLES = IssuerSettings(
    client_id="tocsin", roles_claim="realm_access.roles", roles={"reader": ("derm",), "lead": ("head",), "operator": ("it",)}
)


@pytest.mark.parametrize(
    ("said", "roles"),
    [
        ({"realm_access": {"roles": ["derm"]}}, {Role.READER}),
        ({"realm_access": {"roles": ["derm", "head", "other"]}}, {Role.READER, Role.LEAD}),
        ({"realm_access": {"roles": "it"}}, {Role.OPERATOR}),
        ({"realm_access.roles": ["head"]}, {Role.LEAD}),
    ],
)
def test_roles_come_of_the_claim_that_the_settings_name(said: dict[str, Any], roles: set[Role]) -> None:
    assert identity({"fhirUser": "Practitioner/c1", **said}, ISSUER, ROLES).roles == roles


@pytest.mark.parametrize(
    "said",
    [{}, {"realm_access": []}, {"realm_access": {"roles": ["porter"]}}, {"realm_access": {"roles": {"derm": 1}}}, {"roles": ["derm"]}],
)
def test_nobody_is_a_reader_by_default_where_roles_are_asked_for(said: dict[str, Any]) -> None:
    with pytest.raises(NoRole):
        identity({"fhirUser": "Practitioner/c1", **said}, ISSUER, ROLES)
