"""Every call proves who makes it; each check that fails is told by its reason, and none can be left out."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from tocsin.serve.cds.callers import REASONS, Callers, Issuer, NotTrusted
from tocsin.serve.cds.keys import KeysAway, KeySet, Patience
from tocsin.serve.cds.once import OnceHere
from tocsin.settings import CdsIssuer

from tests.support.cds_caller import DISCOVERY, ISS, SERVICE, Ehr, ec_key, jwk, jwks, rsa_key

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
JKU = "https://ehr.example.org/jwks.json"
OTHER_JKU = "https://ehr.example.org/more.json"
EPIC_KID = "Jw+p/aB4=="
SET = jwks(
    jwk(ec_key(), "k1", alg="ES384", use="sig"),
    jwk(rsa_key(), "r1"),
    jwk(ec_key(7, "P-256"), "p256"),
    jwk(rsa_key(), EPIC_KID, alg="RS384"),
)


def key_set(content: bytes = SET) -> KeySet:
    return KeySet(lambda: content, Patience(3600, 86_400, 10))


def callers(room: int = 100, **agreed: Any) -> Callers:
    issuer = CdsIssuer(**({"jku": [JKU]} | agreed))
    sets = {url: key_set() for url in issuer.jku} or {"": key_set()}
    return Callers({ISS: Issuer(ISS, issuer, sets)}, OnceHere(room))


def reason(who: Callers, token: str, address: str = SERVICE) -> str:
    with pytest.raises(NotTrusted) as refused:
        who.issuer(f"Bearer {token}", address, NOW)
    assert token[:20] not in refused.value.sentence
    return refused.value.reason


EHR = Ehr(NOW.timestamp())
RSA = Ehr(NOW.timestamp(), rsa_key(), "RS384", {"kid": "r1"})


@pytest.mark.parametrize("ehr", [EHR, RSA], ids=["ES384", "RS384"])
@pytest.mark.parametrize("address", [DISCOVERY, SERVICE, f"{SERVICE}/feedback"])
def test_a_caller_that_signs_as_it_should_is_known(ehr: Ehr, address: str) -> None:
    assert callers().issuer(f"Bearer {ehr.token(address)}", address, NOW).name == ISS


def test_the_audience_may_be_a_list_and_the_key_sets_address_may_be_named() -> None:
    token = EHR.token(aud=["https://elsewhere.example.org", SERVICE], header={"jku": JKU})
    assert callers().issuer(f"Bearer {token}", SERVICE, NOW).name == ISS


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"iss": None}, "issuer"),
        ({"iss": "https://ehr.example.org/"}, "issuer"),
        ({"aud": None}, "claims"),
        ({"aud": []}, "claims"),
        ({"aud": [SERVICE, 3]}, "claims"),
        ({"aud": DISCOVERY}, "audience"),
        ({"aud": f"{SERVICE}/"}, "audience"),
        ({"exp": None}, "claims"),
        ({"exp": "soon"}, "claims"),
        ({"exp": int(NOW.timestamp()) - 31}, "expired"),
        ({"iat": None}, "claims"),
        ({"iat": True}, "claims"),
        ({"iat": int(NOW.timestamp()) + 31}, "not-yet"),
        ({"nbf": int(NOW.timestamp()) + 31}, "not-yet"),
        ({"nbf": "now"}, "claims"),
        ({"iat": int(NOW.timestamp()) - 331}, "too-old"),
        ({"jti": None}, "claims"),
        ({"jti": ""}, "claims"),
        ({"jti": "x" * 513}, "claims"),
    ],
)
def test_each_claim_is_checked(changes: dict[str, Any], why: str) -> None:
    assert reason(callers(), EHR.token(**changes)) == why


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"typ": None}, "type"),
        ({"typ": "at+jwt"}, "type"),
        ({"kid": ""}, "key-id"),
        ({"kid": "k2"}, "unknown-key"),
        ({"kid": "r1"}, "unknown-key"),
        ({"kid": "p256"}, "unknown-key"),
        ({"jku": "https://evil.example.org/jwks.json"}, "key-address"),
        ({"jku": f"{JKU}?x"}, "key-address"),
        ({"jku": 3}, "key-address"),
        ({"crit": ["x"], "x": 1}, "malformed"),
    ],
)
def test_each_field_of_the_header_is_checked(header: dict[str, Any], why: str) -> None:
    assert reason(callers(), EHR.token(header=header)) == why


def test_a_header_without_a_key_id_is_refused() -> None:
    assert reason(callers(), Ehr(NOW.timestamp(), header={}).token()) == "key-id"


def _forged(header: dict[str, Any], signature: bytes = b"", **changes: Any) -> str:
    claims = {"iss": ISS, "aud": SERVICE, "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 60, "jti": "j", **changes}
    parts = (orjson.dumps(header), orjson.dumps(claims), signature)
    return ".".join(base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in parts)


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "HS384", "PS384", "ES512", "ES256", "RS256", "", "ES384 "])
def test_no_other_algorithm_is_taken_whatever_the_token_says(algorithm: str) -> None:
    assert reason(callers(), _forged({"alg": algorithm, "typ": "JWT", "kid": "k1"}, b"x" * 96)) == "algorithm"


def test_a_public_key_is_never_taken_for_a_shared_secret() -> None:
    signed = _forged({"alg": "HS384", "typ": "JWT", "kid": "k1"}).rpartition(".")[0]
    signature = hmac.digest(orjson.dumps(jwk(ec_key(), "k1")), signed.encode(), "sha384")
    assert reason(callers(), f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}") == "algorithm"


def test_an_issuer_that_is_no_text_is_unknown() -> None:
    assert reason(callers(), _forged({"alg": "ES384", "typ": "JWT", "kid": "k1"}, iss=[ISS])) == "issuer"


def test_a_signature_by_another_key_is_refused() -> None:
    assert reason(callers(), Ehr(NOW.timestamp(), ec_key(1)).token()) == "signature"


def test_claims_that_were_changed_after_signing_are_refused() -> None:
    header, _, signature = EHR.token().split(".")
    _, claims, _ = EHR.token(jti="another").split(".")
    assert reason(callers(), f"{header}.{claims}.{signature}") == "signature"


@pytest.mark.parametrize("token", ["x", "a.b", "a.b.c", "....", "a" * 8193, ".." + "é"])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert reason(callers(), token) == "malformed"


def test_deeply_nested_json_is_refused() -> None:
    deep = b'{"alg":"ES384","x":' + b"[" * 3000 + b"]" * 3000 + b"}"
    token = f"{base64.urlsafe_b64encode(deep).rstrip(b'=').decode()}.e30.eA"
    assert reason(callers(), token) == "malformed"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic x", "Token y"])
def test_a_call_without_a_token_is_refused(header: str | None) -> None:
    with pytest.raises(NotTrusted) as refused:
        callers().issuer(header, SERVICE, NOW)
    assert refused.value.reason == "no-token"


def test_a_token_is_good_once() -> None:
    who, token = callers(), EHR.token()
    who.issuer(f"Bearer {token}", SERVICE, NOW)
    assert reason(who, token) == "replayed"


def test_a_refused_token_uses_its_jti_up_for_nobody() -> None:
    who = callers()
    assert reason(who, Ehr(NOW.timestamp(), ec_key(1)).token(jti="j")) == "signature"
    assert who.issuer(f"Bearer {EHR.token(jti='j')}", SERVICE, NOW).name == ISS


def test_where_no_more_tokens_can_be_remembered_calls_are_refused() -> None:
    who = callers(room=1)
    who.issuer(f"Bearer {EHR.token()}", SERVICE, NOW)
    assert reason(who, EHR.token()) == "full"


def test_epics_tokens_name_the_client_begin_early_and_state_a_typed_audience() -> None:
    """nbf five minutes before iat, sub the client id, aud as the site typed it in, a key id of base64."""
    who = callers(audiences=["typed-by-the-site"], subject="client-1", algorithms=["RS384"])
    epic = Ehr(NOW.timestamp(), rsa_key(), "RS384", {"kid": EPIC_KID, "jku": JKU})
    early = int(NOW.timestamp()) - 300
    assert who.issuer(f"Bearer {epic.token(aud='typed-by-the-site', sub='client-1', nbf=early)}", SERVICE, NOW).name == ISS
    assert reason(who, epic.token(aud="typed-by-the-site", sub="client-2")) == "subject"
    assert reason(who, epic.token(aud="typed-by-the-site")) == "subject"
    assert reason(who, epic.token(aud=SERVICE, sub="client-1")) == "audience"


def test_oracles_tokens_name_one_of_several_key_sets() -> None:
    who = callers(jku=[JKU, OTHER_JKU])
    assert who.issuer(f"Bearer {EHR.token(header={'jku': OTHER_JKU})}", SERVICE, NOW).name == ISS
    assert reason(who, EHR.token()) == "key-address"


def test_the_sandboxs_key_set_is_exchanged_by_hand_and_the_address_it_names_never_asked() -> None:
    who = callers(jku=[], jwks_file="/keys.json")
    assert who.issuer(f"Bearer {EHR.token(header={'jku': 'https://sandbox.example.org/jwks.json'})}", SERVICE, NOW).name == ISS


def test_a_tenant_is_checked_where_the_site_names_some() -> None:
    who = callers(tenants=["t1", "t2"])
    assert who.issuer(f"Bearer {EHR.token(tenant='t2')}", SERVICE, NOW).name == ISS
    assert reason(who, EHR.token(tenant="t3")) == "tenant"
    assert reason(who, EHR.token()) == "tenant"


def test_without_keys_nobody_is_known() -> None:
    def away() -> bytes:
        raise KeysAway("away")

    issuer = Issuer(ISS, CdsIssuer(jku=(JKU,)), {JKU: KeySet(away, Patience(1, 2, 1))})
    assert reason(Callers({ISS: issuer}, OnceHere(9)), EHR.token()) == "keys-away"


def test_the_clocks_may_differ_by_what_the_site_allows() -> None:
    who = callers(leeway_s=60)
    now = int(NOW.timestamp())
    changes: tuple[dict[str, Any], ...] = ({"exp": now - 59}, {"iat": now + 59}, {"iat": now - 359})
    for each in changes:
        assert who.issuer(f"Bearer {EHR.token(**each)}", SERVICE, NOW).name == ISS


def test_each_reason_is_told_in_a_sentence() -> None:
    assert all(sentence.endswith((".", "?")) for sentence in REASONS.values())
