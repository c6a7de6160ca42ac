"""Sends transactions that write over no version that was not read, also to servers whose answer says little."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from tocsin.errors import FhirRejected
from tocsin.fhir.client import FhirClient, NotSaid, accepted, is_absent, resource_of
from tocsin.fhir.datatypes import Json, etag, reference_to, version_of
from tocsin.fhir.reference import ServiceBase
from tocsin.report.resources.bundle import only_if
from tocsin.report.resources.mark import stored_report

NESTING_MAX: Final = 100
"""Most levels of a resource; FHIR's own need a fifth of it, and JSON cannot be written to any depth."""


def conditional(fhir: FhirClient, bundle: Json, stands: Iterable[Json]) -> Json:
    """The bundle with ifMatch: each entry is taken only while the version of its resource that was read stands (FHIR R4).

    `stands` are the resources that were read, which may be written back changed. A Provenance, on which nobody acts, is read here: servers
    may insist on its version too.
    """
    versions = {reference_to(each): version_of(each) for each in stands}
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Provenance":
            versions[reference_to(entry["resource"])] = _version(fhir, reference_to(entry["resource"]))
    entries = [entry | {"resource": _relative(entry["resource"], fhir.service_base)} for entry in bundle["entry"]]
    return bundle | {"entry": [only_if(entry, versions.get(reference_to(entry["resource"]))) for entry in entries]}


def _relative(value: Any, base: ServiceBase, depth: int = 0) -> Any:
    """The value with its references to this server's resources made relative: a server that sends absolute ones may not take them back."""
    if depth > NESTING_MAX:
        raise FhirRejected(f"what stands in the record is nested deeper than {NESTING_MAX} levels and cannot be written back")
    if isinstance(value, list):
        return [_relative(each, base, depth + 1) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: _shortened(each, base) if name == "reference" else _relative(each, base, depth + 1) for name, each in value.items()}


def _shortened(text: Any, base: ServiceBase) -> Any:
    found = base.reference(text)
    return text if found is None else str(found)


def _version(fhir: FhirClient, reference: str) -> str | None:
    """The resource's version; None where it is absent, or this client may write it and not read it."""
    answer = fhir.get_with_headers(reference)
    return version_of(resource_of(answer, reference)) if 200 <= answer.status < 300 else None


def is_stale(fhir: FhirClient, bundle: Json) -> bool:
    """Whether another version stands of anything in the bundle than the one that it names: some servers refuse such a bundle as they refuse
    what is wrong by itself (400).
    """
    asked = ((entry["request"].get("ifMatch"), _version(fhir, reference_to(entry["resource"]))) for entry in bundle["entry"])
    return any(named != (None if stands is None else etag(stands)) for named, stands in asked)


def send(fhir: FhirClient, bundle: Json, reference: str) -> list[Json]:
    """Send the bundle and return its entries' responses. Raises as FhirClient.transact.

    A server that does not say what became of each entry is asked what stands.
    """
    try:
        return fhir.transact(bundle, reference)
    except NotSaid:
        if not all(_stands(fhir, entry["resource"]) for entry in bundle["entry"]):
            raise
        return [{"status": "201"} for _ in bundle["entry"]]


def _stands(fhir: FhirClient, resource: Json) -> bool:
    """Whether the record holds the resource as it was sent, by its status and mark: a server may write the rest in its own way."""
    reference = reference_to(resource)
    answer = fhir.get_with_headers(reference)
    if is_absent(answer):
        return False
    found = resource_of(accepted(answer, reference), reference)
    if resource["resourceType"] == "DiagnosticReport" and stored_report(found).mark != stored_report(resource).mark:
        return False
    return bool(found.get("status") == resource.get("status"))
