"""Is this bundle FHIR? The shape by fhir.resources, and the rules it does not know by our own short list.

fhir.resources 8.3 accepts an unknown status, a reference to a resource of the wrong type and a transaction entry without a request. The
whole truth is the FHIR server's validator; this check costs about 7 ms and is made at start, on a sample, and in tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from tocsin.errors import ReportInvalid
from tocsin.fhir.datatypes import Json, reference_to

_STATUS: Final = {
    "DiagnosticReport": {"preliminary"},
    "Observation": {"preliminary"},
    "RiskAssessment": {"preliminary"},
    "Device": {"active"},
    "DocumentReference": {"current"},
}
"""Resource type -> the statuses that Tocsin itself may write; a clinician's act changes them later."""

_TARGETS: Final = {
    ("DiagnosticReport", "subject"): {"Patient"},
    ("DiagnosticReport", "result"): {"Observation"},
    ("DiagnosticReport", "imagingStudy"): {"ImagingStudy"},
    ("Observation", "subject"): {"Patient"},
    ("Observation", "device"): {"Device"},
    ("Observation", "derivedFrom"): {"Media"},
    ("RiskAssessment", "subject"): {"Patient"},
    ("RiskAssessment", "performer"): {"Device"},
    ("RiskAssessment", "basis"): {"Media", "Observation"},
    ("Device", "parent"): {"Device"},
    ("Provenance", "target"): {"Device", "DiagnosticReport", "Observation", "RiskAssessment"},
}
"""Where a reference stands -> the resource types it may name."""


def check_bundle(bundle: Json) -> None:
    """Check that the bundle is FHIR. Raises ReportInvalid with the elements that are wrong, never their values."""
    problems = [*_shape(bundle), *_entries(bundle)]
    if problems:
        raise ReportInvalid("; ".join(problems[:5]))


def _shape(bundle: Json) -> Iterator[str]:
    try:
        Bundle.model_validate(bundle)
    except ValidationError as error:
        for item in error.errors(include_input=False, include_url=False):
            yield f"{'.'.join(map(str, item['loc']))}: {item['type']}"


def _entries(bundle: Json) -> Iterator[str]:
    for entry in bundle["entry"]:
        resource, request = entry["resource"], entry.get("request", {})
        kind = resource["resourceType"]
        if request.get("method") != "PUT" or request.get("url") != reference_to(resource):
            yield f"{kind}: request is no PUT to its own id"
        if kind in _STATUS and resource.get("status") not in _STATUS[kind]:
            yield f"{kind}.status: not in the closed set"
        yield from _references(kind, resource)


def _references(kind: str, resource: Json) -> Iterator[str]:
    for (owner, element), types in _TARGETS.items():
        if owner == kind and element in resource:
            value = resource[element]
            for each in value if isinstance(value, list) else [value]:
                if each["reference"].partition("/")[0] not in types:
                    yield f"{kind}.{element}: not a reference to {' or '.join(sorted(types))}"
