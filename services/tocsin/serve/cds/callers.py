"""Who calls: a JSON Web Token at every call, by the rules of its issuer (CDS Hooks 3.0.0, "Trusting CDS Clients"; RFC 7515, 7519, 8725).

Each check that fails has its reason, which the caller's integrator is told in words, and never the token or a part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import jwt
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

from tocsin.fhir.reference import ServiceBase
from tocsin.serve.cds.keys import KeysAway, KeySet
from tocsin.serve.cds.once import Full, Once
from tocsin.settings.cds import Algorithm, CdsIssuer

TOKEN_CHARACTERS_MAX: Final = 8192
ID_CHARACTERS_MAX: Final = 512

REASONS: Final[Mapping[str, str]] = {
    "no-token": "There is no `Authorization: Bearer` header with a JSON Web Token; every call needs one, discovery too.",
    "malformed": "The bearer token is no JSON Web Token of three parts, is too long, or marks something as critical (crit).",
    "issuer": "Its iss is not one that this service knows: have TOCSIN_CDS__ISSUERS name it, letter by letter.",
    "algorithm": "Its alg is not one that is agreed for this issuer (ES384 and RS384 unless stated otherwise; never none, never HMAC).",
    "type": "The header's typ is not JWT.",
    "key-id": "The header has no kid.",
    "key-address": "The header's jku is not an address that is agreed for this issuer.",
    "keys-away": "The issuer's key set cannot be read at the moment, so that no signature can be checked.",
    "unknown-key": "The issuer's key set has no key of this kid that fits the alg.",
    "signature": "The signature is not by that key.",
    "claims": "A claim is missing or of the wrong kind: iss, aud, exp, iat and jti are needed.",
    "audience": "Its aud is not the address that was called, nor what is agreed for this issuer.",
    "expired": "Its exp has passed. Is the clock right?",
    "not-yet": "Its iat or nbf lies in the future. Is the clock right?",
    "too-old": "Its iat is older than is agreed for this issuer.",
    "subject": "Its sub is not the one that is agreed for this issuer.",
    "tenant": "Its tenant is not one that is agreed for this issuer.",
    "replayed": "Its jti was used before: each call needs a token of its own.",
    "full": "This service cannot remember more tokens at the moment. Try again in some minutes.",
}
"""Why a caller is not trusted, and the sentence that says so."""


class NotTrusted(Exception):
    """The caller did not prove who it is."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        """One of REASONS."""

    @property
    def sentence(self) -> str:
        """What the integrator is told."""
        return REASONS[self.reason]


@dataclass(frozen=True, slots=True)
class Issuer:
    """An EHR that may call, as the settings have it, with its keys."""

    name: str
    """The iss of its tokens."""
    agreed: CdsIssuer
    key_sets: Mapping[str, KeySet]
    """By the address of each; the one without an address is a file."""

    @property
    def base(self) -> ServiceBase:
        """The addresses by which its FHIR server names its own resources."""
        return ServiceBase((*filter(None, [self.agreed.fhir_base_url]), *self.agreed.also_known_as))

    def keys_at(self, address: str | None) -> KeySet:
        """The key set that a token's jku names; without one, the only one there is. Raises NotTrusted."""
        if "" in self.key_sets:
            return self.key_sets[""]  # exchanged by hand: whatever address a token names is never asked
        if address is None and len(self.key_sets) == 1:
            return next(iter(self.key_sets.values()))
        if address is None or address not in self.key_sets:
            raise NotTrusted("key-address")
        return self.key_sets[address]


class Callers:
    """Tells whose call it is. Safe for threads."""

    def __init__(self, issuers: Mapping[str, Issuer], once: Once) -> None:
        self._issuers, self._once = issuers, once

    def issuer(self, authorization: str | None, address: str, now: datetime) -> Issuer:
        """The issuer of this call's token. `address` is what was called, `now` aware. Raises NotTrusted."""
        token = _token(authorization)
        header, claims = _read(token)
        issuer = self._issuers.get(_text(claims.get("iss")))
        if issuer is None:
            raise NotTrusted("issuer")
        algorithm = _algorithm(header, issuer.agreed)
        _signed(token, header, algorithm, issuer)
        _in_time(claims, issuer.agreed, now.timestamp())
        _for_us(claims, issuer.agreed, address)
        self._first_time(claims, issuer)
        return issuer

    def _first_time(self, claims: Mapping[str, Any], issuer: Issuer) -> None:
        used = _text(claims.get("jti"))
        if not 0 < len(used) <= ID_CHARACTERS_MAX:
            raise NotTrusted("claims")
        key = hashlib.sha256(f"{issuer.name}\n{used}".encode()).hexdigest()
        try:
            first = self._once.first(key, issuer.agreed.age_max_s + 2 * issuer.agreed.leeway_s)
        except Full:
            raise NotTrusted("full") from None
        if not first:
            raise NotTrusted("replayed")


def _token(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotTrusted("no-token")
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise NotTrusted("malformed")
    return token.strip()


def _read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as the token states them, before anything of it is believed."""
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False, "verify_sub": False, "verify_jti": False})
    except (PyJWTError, ValueError, RecursionError):  # RecursionError: JSON that is nested a thousand deep
        raise NotTrusted("malformed") from None
    if "crit" in header or "b64" in header:
        raise NotTrusted("malformed")
    return header, claims


def _algorithm(header: Mapping[str, Any], agreed: CdsIssuer) -> Algorithm:
    found = next((each for each in agreed.algorithms if each == header.get("alg")), None)
    if found is None:
        raise NotTrusted("algorithm")
    return found


def _signed(token: str, header: Mapping[str, Any], algorithm: Algorithm, issuer: Issuer) -> None:
    if _text(header.get("typ")).upper() != "JWT":
        raise NotTrusted("type")
    key_id, address = _text(header.get("kid")), header.get("jku")
    if not 0 < len(key_id) <= ID_CHARACTERS_MAX:
        raise NotTrusted("key-id")
    if not (address is None or isinstance(address, str)):
        raise NotTrusted("key-address")
    try:
        key = issuer.keys_at(address).find(key_id, algorithm)
    except KeysAway:
        raise NotTrusted("keys-away") from None
    if key is None:
        raise NotTrusted("unknown-key")
    try:
        PyJWS().decode_complete(token, key.key, algorithms=[algorithm])
    except (PyJWTError, ValueError):
        raise NotTrusted("signature") from None


def _in_time(claims: Mapping[str, Any], agreed: CdsIssuer, now: float) -> None:
    issued, ends = _moment(claims, "iat"), _moment(claims, "exp")
    begins = _moment(claims, "nbf") if "nbf" in claims else issued
    if ends <= now - agreed.leeway_s:
        raise NotTrusted("expired")
    if max(issued, begins) > now + agreed.leeway_s:
        raise NotTrusted("not-yet")
    if issued < now - agreed.leeway_s - agreed.age_max_s:
        raise NotTrusted("too-old")


def _for_us(claims: Mapping[str, Any], agreed: CdsIssuer, address: str) -> None:
    stated = claims.get("aud")
    audience = [stated] if isinstance(stated, str) else stated
    if not isinstance(audience, list) or not audience or not all(isinstance(each, str) for each in audience):
        raise NotTrusted("claims")
    if not {*audience} & {*(agreed.audiences or (address,))}:
        raise NotTrusted("audience")
    if agreed.subject is not None and claims.get("sub") != agreed.subject:
        raise NotTrusted("subject")
    if agreed.tenants and claims.get("tenant") not in agreed.tenants:
        raise NotTrusted("tenant")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _moment(claims: Mapping[str, Any], name: str) -> float:
    """The claim as seconds since 1970 (RFC 7519, NumericDate). Raises NotTrusted."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise NotTrusted("claims")
    return float(value)
