"""Who logged in, by the issuer's signed word: the id_token (OpenID Connect Core, 3.1.3.7; SMART App Launch 2.2, fhirUser)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from jwt.exceptions import PyJWTError
from pydantic import SecretStr

from tocsin.fhir.reference import ServiceBase
from tocsin.serve.smart.discovery import Endpoints
from tocsin.serve.smart.keys import Keys
from tocsin.serve.smart.refusals import IdTokenInvalid, NoClinician, NoRole
from tocsin.serve.types import Role
from tocsin.settings import IssuerSettings
from tocsin.words.catalogue import LANGUAGES

CLINICIANS: Final = ("Practitioner", "PractitionerRole")
FHIR_USER: Final = "fhirUser"
CLAIM_VALUES_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Identity:
    """Who logged in."""

    clinician: str
    """Practitioner/<id> or PractitionerRole/<id> of the issuer's server."""
    roles: frozenset[Role]
    language: str | None
    """Their own, where the issuer says it and Tocsin speaks it."""


class Verifier:
    """Reads id_tokens. Safe for threads."""

    def __init__(self, keys: Keys, skew_s: float) -> None:
        self._keys = keys
        self._skew_s = skew_s

    def claims(self, id_token: SecretStr, endpoints: Endpoints, client_id: str, nonce: str) -> Mapping[str, Any]:
        """What the token says, once it is shown to be this issuer's, for this client and this launch, and fresh.

        Raises IdTokenInvalid, and Unavailable(ehr) where the keys cannot be read.
        """
        text = id_token.get_secret_value()
        try:
            head = jwt.get_unverified_header(text)
        except PyJWTError as error:
            raise IdTokenInvalid(type(error).__name__) from None
        key_id = head.get("kid")
        key = self._keys.find(endpoints.keys, key_id if isinstance(key_id, str) else None)
        try:
            said: dict[str, Any] = jwt.decode(
                text,
                key.material,
                algorithms=sorted(key.algorithms),
                audience=client_id,
                issuer=endpoints.issuer,
                leeway=self._skew_s,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except PyJWTError as error:
            raise IdTokenInvalid(type(error).__name__) from None
        if isinstance(said["aud"], list) and len(said["aud"]) > 1 and said.get("azp") != client_id:
            raise IdTokenInvalid("it is for others too, and azp does not name Tocsin")
        if not hmac.compare_digest(str(said.get("nonce", "")).encode(), nonce.encode()):
            raise IdTokenInvalid("its nonce is of another launch")
        return said


def identity(said: Mapping[str, Any], issuer: str, settings: IssuerSettings) -> Identity:
    """Who these claims are about. Raises NoClinician and NoRole."""
    return Identity(_clinician(said, issuer, settings), _roles(said, settings), _language(said.get("locale")))


def _clinician(said: Mapping[str, Any], issuer: str, settings: IssuerSettings) -> str:
    """The clinician's reference on the issuer's own server; one of another server is nobody here.

    `profile` says it in SMART 1.0 (OpenID Connect: a person's web page, which they may write themselves), so that it counts only where the
    settings do not ask for fhirUser.
    """
    stated = said.get(FHIR_USER) if FHIR_USER in settings.scopes else said.get(FHIR_USER) or said.get("profile")
    found = ServiceBase((issuer, *settings.also_known_as)).reference(stated)
    if found is None or found.kind not in CLINICIANS:
        raise NoClinician("fhirUser names no Practitioner and no PractitionerRole of the issuer's server")
    return found.local


def _roles(said: Mapping[str, Any], settings: IssuerSettings) -> frozenset[Role]:
    if settings.roles_claim is None:
        return frozenset({Role.READER})
    values = _values(said, settings.roles_claim)
    found = frozenset(Role(name) for name, needed in settings.roles.items() if not values.isdisjoint(needed))
    if not found:
        raise NoRole("the claim of TOCSIN_SERVE__ISSUERS roles_claim has no value that stands in roles")
    return found


def _values(said: Mapping[str, Any], claim: str) -> frozenset[str]:
    """The claim's values; its name may be one with dots, or lead into objects by them."""
    value: Any = said.get(claim)
    if value is None:
        value = said
        for part in claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    listed = value[:CLAIM_VALUES_MAX] if isinstance(value, list) else [value]
    return frozenset(each for each in listed if isinstance(each, str))


def _language(stated: object) -> str | None:
    tag = stated.replace("_", "-").split("-")[0].lower() if isinstance(stated, str) else ""
    return tag if tag in LANGUAGES else None
