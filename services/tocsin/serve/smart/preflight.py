"""Checks whether a launch could succeed: each issuer's configuration and keys, and the address by which browsers reach the pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tocsin.errors import ConfigurationError, Unavailable
from tocsin.fhir.address import address
from tocsin.fhir.reference import ServiceBase
from tocsin.network import WebSettings, steps, web_way
from tocsin.serve.smart.asking import Asking, NotJson
from tocsin.serve.smart.client import public_keys
from tocsin.serve.smart.discovery import ROUTE, Endpoints, endpoints
from tocsin.serve.smart.keys import ROUTE as KEYS
from tocsin.serve.smart.keys import usable
from tocsin.serve.smart.refusals import IssuerUnfit
from tocsin.settings import IssuerSettings, ServeSettings
from tocsin.telemetry.preflight import ONLY_SERVE, Check, check, is_here, skipped, warned

PART: Final = "ehr"
SAID: Final = WebSettings("TOCSIN_SERVE__ISSUERS", "TOCSIN_SERVE__TLS_CA_FILE", "FHIR server")
CONFIGURATION: Final = "SMART configuration"

_UNFIT: Final = (
    "have the EHR's team offer SMART App Launch 2 with PKCE (S256) and OpenID Connect there; deploy/serve.md says what is needed"
)
_NO_KEYS: Final = "have the EHR's team look at jwks_uri of that configuration: without its keys nobody is known"
ANOTHER: Final = (
    "where it is that very record by another address, name that in TOCSIN_FHIR__ALSO_KNOWN_AS, or the record's in also_known_as of its "
    "entry; where it is another, such as a test system that was copied from this one, take it out of TOCSIN_SERVE__ISSUERS: give it a "
    "Tocsin of its own"
)
_PUBLIC: Final = (
    "start `tocsin serve`, and have the proxy at TOCSIN_SERVE__PUBLIC_URL lead to it; where this machine may not reach that address, try "
    "it in a browser"
)


def ehr_preflight(settings: ServeSettings, asking: Asking, record: ServiceBase, *, of_serve: bool = False) -> Iterator[Check]:
    """Checks each issuer from its name to its keys, Tocsin's own keys, and the public address; no check where no issuer is set.

    `record` is the server that verdicts are written to. `of_serve`: whether whoever looks has the files of `tocsin serve`; else one that
    is not here is not looked at.
    """
    if not settings.issuers:
        return
    for issuer in settings.issuers:
        yield from _issuer(issuer, settings, asking)
    yield _of_record(settings, record)
    yield from own_keys(settings, of_serve=of_serve)
    yield _public(settings, asking)


def strangers(settings: ServeSettings, record: ServiceBase) -> list[str]:
    """The issuers that are no address of the record, by what the settings say of either: what clinicians decided there would be written
    here, by the same ids, perhaps about another patient.
    """
    return [
        issuer
        for issuer, known in settings.issuers.items()
        if all(record.path_below(f"{each.rstrip('/')}/metadata") is None for each in (issuer, *known.also_known_as))
    ]


def _of_record(settings: ServeSettings, record: ServiceBase) -> Check:
    others = ", ".join(strangers(settings, record))
    found = f"{others}: no address of the FHIR server that verdicts are written to" if others else "clinicians come from the record itself"
    return check(PART, "record", not others, found, ANOTHER)


def _issuer(issuer: str, settings: ServeSettings, asking: Asking) -> Iterator[Check]:
    if settings.proxy_url is None:
        for found in steps(web_way(issuer, PART, settings.tls_ca_file, settings.issuer_timeout_s, SAID)):
            yield found
            if not found.passed:
                return
    try:
        offered = endpoints(asking.get(address(f"{issuer}/{ROUTE}"), ROUTE))
    except IssuerUnfit as why:
        yield check(PART, CONFIGURATION, False, f"{issuer}: {why.detail}", _UNFIT)
        return
    except (NotJson, Unavailable) as why:
        yield check(PART, CONFIGURATION, False, f"{issuer}/{ROUTE}: {why}", _UNFIT)
        return
    yield check(PART, CONFIGURATION, True, f"{issuer}: PKCE by S256, log-in at {offered.authorize.origin}", "")
    yield _keys(issuer, offered, asking)


def _keys(issuer: str, offered: Endpoints, asking: Asking) -> Check:
    try:
        found = usable(asking.get(offered.keys, KEYS))
    except (NotJson, Unavailable) as why:
        return check(PART, "keys", False, f"{issuer}: {why}", _NO_KEYS)
    kinds = ", ".join(sorted({each for key in found for each in key.algorithms})) or "none by which an id_token can be verified"
    return check(PART, "keys", bool(found), f"{issuer}: {len(found)} keys, {kinds}", _NO_KEYS)


def own_keys(settings: ServeSettings, *, of_serve: bool) -> Iterator[Check]:
    """Checks the keys by which issuers know Tocsin. See ehr_preflight for `of_serve`."""
    files = {each.private_key_file for each in settings.issuers.values() if each.private_key_file is not None}
    elsewhere = set() if of_serve else {file for file in files if not is_here(file)}
    yield from (skipped(PART, "own keys", f"{file}: {ONLY_SERVE}") for file in sorted(elsewhere))
    here = {issuer: each for issuer, each in settings.issuers.items() if each.private_key_file not in elsewhere}
    if here:
        yield _readable(here)


def _readable(issuers: Mapping[str, IssuerSettings]) -> Check:
    try:
        count = len(public_keys(issuers)["keys"])
    except ConfigurationError as why:
        return check(PART, "own keys", False, str(why), "name a file that holds the private key whose public half the EHR was given")
    return check(PART, "own keys", True, f"{count} of Tocsin's own", "")


def _public(settings: ServeSettings, asking: Asking) -> Check:
    what, url = "public address", settings.public_url
    try:
        said = asking.get(address(f"{url}/.well-known/jwks.json"), "own jwks")
    except (NotJson, Unavailable) as why:
        return warned(PART, what, f"{url}: {why}", _PUBLIC)
    return check(PART, what, isinstance(said.get("keys"), list), f"{url}: answers with Tocsin's own keys", _PUBLIC)
