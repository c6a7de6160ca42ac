"""Checks whether the keys of each EHR that may call CDS Hooks can be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from tocsin.serve.cds.callers import Issuer
from tocsin.serve.cds.keys import KeysAway, KeySet
from tocsin.telemetry.preflight import Check, check

PART: Final = "cds"

_FIX: Final = (
    "have the EHR's key set be readable from here: see jku or jwks_file of this issuer in TOCSIN_CDS__ISSUERS, and TOCSIN_CDS__TLS_CA_FILE "
    "and TOCSIN_CDS__PROXY_URL; until then every call of this EHR is refused"
)


def cds_preflight(issuers: Iterable[Issuer]) -> Iterator[Check]:
    """A check for each key set; none where no EHR may call."""
    for issuer in issuers:
        for address, keys in issuer.key_sets.items():
            yield _looked_at(f"keys of {issuer.name}", keys, address or str(issuer.agreed.jwks_file))


def _looked_at(what: str, keys: KeySet, place: str) -> Check:
    try:
        count = keys.count()
    except KeysAway as why:
        return check(PART, what, False, f"{place}: {why}", _FIX)
    return check(PART, what, count > 0, f"{place}: {count} key(s)", "have the EHR state a kid with each key: without one it fits no token")
