"""Can this FHIR server do what Tocsin asks of it? Read from its CapabilityStatement (FHIR R4, http.html#capabilities)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from tocsin.errors import Deferred, FhirRejected
from tocsin.fhir.client import FhirClient, Json, accepted, is_absent, json_of
from tocsin.preflight import Check, check

PART: Final = "fhir"

READ: Final = ("Media", "Patient", "ImagingStudy", "Binary", "DiagnosticReport", "Observation", "RiskAssessment", "Device")
SEARCHED: Final = {
    "DiagnosticReport": ("media", "issued", "identifier", "_id", "_lastUpdated"),
    "Media": ("created", "modality", "site", "_id", "_lastUpdated"),
    "Device": ("identifier", "_lastUpdated"),
}
"""By which parameters it is searched: reports by their Media and in the order of `issued` for every event, the rest by `tocsin work`."""
WRITTEN: Final = ("DiagnosticReport", "Observation", "RiskAssessment", "Provenance", "Device", "DocumentReference")

NOBODY: Final = "Patient/tocsin-check"
"""No patient has this id; a server that lets Tocsin ask says so."""


def fhir_preflight(fhir: FhirClient) -> Iterator[Check]:
    """Version, a read as this client, transactions, each resource type's interactions, and the searches that are made."""
    try:
        statement = json_of(accepted(fhir.get("metadata"), "metadata"), "metadata")
    except (Deferred, FhirRejected) as error:
        fix = "set TOCSIN_FHIR__BASE_URL to the server's FHIR R4 base address, and look whether it answers /metadata"
        yield check(PART, "server", False, f"{fhir.base_url}: {error}", fix)
        return
    yield _server(fhir, statement)
    yield _may_read(fhir)
    yield from _rest(next(iter(statement.get("rest", [])), {}))


def _server(fhir: FhirClient, statement: Json) -> Check:
    version = str(statement.get("fhirVersion"))
    software = " ".join(str(part) for part in (statement.get("software") or {}).values())
    found = f"{fhir.base_url}: FHIR {version}, {software or 'software not stated'}"
    return check(PART, "server", version.startswith(("4.0", "4.3")), found, "Tocsin needs the FHIR R4 (4.0.1) endpoint of this server")


def _may_read(fhir: FhirClient) -> Check:
    """Everybody may read a CapabilityStatement; only a real read shows this client's rights."""
    fix = (
        "set TOCSIN_FHIR__BEARER_TOKEN to a token with which this server lets Tocsin read patients; where it redirects, set "
        "TOCSIN_FHIR__BASE_URL to where it leads; where it answers 404, its body must be an OperationOutcome, without which Tocsin waits"
    )
    try:
        answer = fhir.get(NOBODY)
    except (Deferred, FhirRejected) as error:
        return check(PART, "reading as this client", False, str(error), fix)
    able = answer.status == 200 or is_absent(answer)
    return check(PART, "reading as this client", able, f"HTTP {answer.status} for {NOBODY}", fix)


def _rest(rest: Json) -> Iterator[Check]:
    system = {each.get("code") for each in rest.get("interaction", [])}
    yield check(
        PART, "transaction", "transaction" in system, _said("transaction" in system), "allow transactions: a report is written whole or not"
    )
    resources = {each.get("type"): each for each in rest.get("resource", [])}
    for kind in READ:
        able = "read" in _interactions(resources.get(kind, {}))
        yield check(PART, f"read {kind}", able, _said(able), f"allow Tocsin's client to read {kind}")
    for kind, names in SEARCHED.items():
        yield _searched(kind, names, resources.get(kind, {}), rest)
    for kind in WRITTEN:
        yield _written(kind, resources.get(kind, {}))


def _searched(kind: str, names: Iterable[str], resource: Json, rest: Json) -> Check:
    """Parameters that hold for every resource type may be stated once for all."""
    stated = {each.get("name") for each in (*resource.get("searchParam", []), *rest.get("searchParam", []))}
    missing = [name for name in names if name not in stated] if "search-type" in _interactions(resource) else list(names)
    fix = (
        f"let Tocsin's client search {kind} by {', '.join(missing)}: without `media` and `issued` no older report would give way, so that "
        "`tocsin consume` stops; the others are for reconciliation and backfill (`tocsin work`)"
    )
    return check(PART, f"search {kind}", not missing, f"not offered: {', '.join(missing)}" if missing else "offered", fix)


def _written(kind: str, resource: Json) -> Check:
    able = "update" in _interactions(resource) and resource.get("updateCreate") is not False  # HAPI allows it and does not say so
    able = able and resource.get("versioning") != "no-version"
    fix = (
        f"allow update of {kind} under the client's own ids (updateCreate), so that a repeated event never becomes a second report, and "
        "let the server count versions, so that nothing is written over what somebody has changed meanwhile"
    )
    return check(PART, f"write {kind}", able, _said(able), fix)


def _interactions(resource: Json) -> set[str]:
    return {str(each.get("code")) for each in resource.get("interaction", [])}


def _said(able: bool) -> str:
    return "offered" if able else "not offered"
