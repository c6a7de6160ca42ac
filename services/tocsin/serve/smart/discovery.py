"""What an issuer says of itself: .well-known/smart-configuration, read again when it is old (SMART App Launch 2.2, conformance)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tocsin.fhir.address import Address, NoAddress, address
from tocsin.serve.smart.asking import Asking, Json, NotJson, private_address
from tocsin.serve.smart.refusals import IssuerUnfit

ROUTE: Final = ".well-known/smart-configuration"
S256: Final = "S256"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where an issuer's authorisation server does what."""

    authorize: Address
    token: Address
    keys: Address
    issuer: str
    """The name that stands in its id_tokens (iss)."""
    says_issuer: bool
    """Whether it names itself when it sends a clinician back (RFC 9207)."""


class Discovery:
    """The endpoints of issuers, kept for a while. Safe for threads."""

    def __init__(self, asking: Asking, keep_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._asking = asking
        self._keep_s = keep_s
        self._clock = clock
        self._kept: dict[str, tuple[float, Endpoints]] = {}
        self._lock = threading.Lock()

    def of(self, issuer: str) -> Endpoints:
        """The endpoints of an issuer of the settings. Raises Unavailable(ehr), and IssuerUnfit with what is missing.

        Where it does not answer, what it said before counts no longer than it would have anyway.
        """
        with self._lock:
            kept = self._kept.get(issuer)
        now = self._clock()
        if kept is not None and now < kept[0]:
            return kept[1]
        found = self._read(issuer)
        with self._lock:
            self._kept[issuer] = now + self._keep_s, found
        return found

    def _read(self, issuer: str) -> Endpoints:
        try:
            return endpoints(self._asking.get(address(f"{issuer}/{ROUTE}"), ROUTE))
        except NotJson as what:
            raise IssuerUnfit(f"{ROUTE}: {what}") from None


def endpoints(said: Json) -> Endpoints:
    """What the configuration says. Raises IssuerUnfit where it does not offer PKCE by S256 or who has logged in, or states no address."""
    if S256 not in _texts(said.get("code_challenge_methods_supported")):
        raise IssuerUnfit("code_challenge_methods_supported lacks S256 (PKCE)")
    issuer = said.get("issuer")
    if not isinstance(issuer, str) or not issuer:
        raise IssuerUnfit("issuer is missing, which an issuer with sso-openid-connect states")
    return Endpoints(
        _address_of(said, "authorization_endpoint"),
        _address_of(said, "token_endpoint"),
        _address_of(said, "jwks_uri"),
        issuer,
        said.get("authorization_response_iss_parameter_supported") is True,
    )


def _address_of(said: Json, name: str) -> Address:
    try:
        return private_address(said.get(name))
    except NoAddress as why:
        raise IssuerUnfit(f"{name} is not an address: {why}") from None


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
