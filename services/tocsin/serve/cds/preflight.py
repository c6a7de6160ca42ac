"""Checks whether the keys of each EHR that may call CDS Hooks can be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from tocsin.serve.cds.callers import Issuer
from tocsin.serve.cds.keys import KeysAway, KeySet
from tocsin.telemetry.preflight import ONLY_SERVE, Check, check, is_here, skipped

PART: Final = "cds"

_FIX: Final = (
    "have the EHR's key set be readable from here: see jku or jwks_file of this issuer in TOCSIN_CDS__ISSUERS, and TOCSIN_CDS__TLS_CA_FILE "
    "and TOCSIN_CDS__PROXY_URL; until then every call of this EHR is refused"
)


def cds_preflight(issuers: Iterable[Issuer], *, of_serve: bool = False) -> Iterator[Check]:
    """A check for each key set; none where no EHR may call.

    `of_serve`: whether whoever looks has the files of `tocsin serve`; else one that is not here is not looked at.
    """
    for issuer in issuers:
        what, file = f"keys of {issuer.name}", issuer.agreed.jwks_file
        if file is not None and not (of_serve or is_here(file)):
            yield skipped(PART, what, f"{file}: {ONLY_SERVE}")
            continue
        for address, keys in issuer.key_sets.items():
            yield _looked_at(what, keys, address or str(file))


def _looked_at(what: str, keys: KeySet, place: str) -> Check:
    try:
        count = keys.count()
    except KeysAway as why:
        return check(PART, what, False, f"{place}: {why}", _FIX)
    return check(PART, what, count > 0, f"{place}: {count} key(s)", "have the EHR state a kid with each key: without one it fits no token")
