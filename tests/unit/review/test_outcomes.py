"""What counts as pathology's word on a picture, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from tocsin.fhir.canonical import AI_ASSERTED
from tocsin.fhir.reference import ServiceBase
from tocsin.review.outcomes import Finding, Link, Outcome, Picture, recognised

from tests.support.reviewing import NOW

PICTURE = Picture(
    "DiagnosticReport/r1", "Media/m1", "Patient/p1", orders=frozenset({"ServiceRequest/o1"}), specimens=frozenset({"Specimen/s1"})
)
BASE = ServiceBase(("https://fhir.example.org/r4",))
MELANOMA = {"coding": [{"system": "urn:oid:2.16.840.1.113883.6.96", "code": "93655004", "display": "Malignant melanoma of skin"}]}


def observation(**changes: Any) -> dict[str, Any]:
    whole = {
        "resourceType": "Observation",
        "id": "h1",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "derivedFrom": [{"reference": "Media/m1"}],
        "valueCodeableConcept": MELANOMA,
        "issued": "2026-03-12T10:00:00Z",
    }
    return {name: value for name, value in (whole | changes).items() if value is not None}


def histology(**changes: Any) -> dict[str, Any]:
    whole = {
        "resourceType": "DiagnosticReport",
        "id": "h1",
        "conclusionCode": [MELANOMA],
        "valueCodeableConcept": None,
        "derivedFrom": None,
    }
    return observation(**(whole | changes))


def of(resource: dict[str, Any]) -> Outcome | None:
    return recognised(resource, PICTURE, "urn:tocsin:test", BASE, NOW)


@pytest.mark.parametrize(
    ("resource", "link"),
    [
        (observation(), Link.MEDIA),
        (histology(media=[{"link": {"reference": "https://fhir.example.org/r4/Media/m1/_history/2"}}]), Link.MEDIA),
        (observation(derivedFrom=None, specimen={"reference": "Specimen/s1"}), Link.SPECIMEN),
        (histology(specimen=[{"reference": "Specimen/s9"}, {"reference": "Specimen/s1"}]), Link.SPECIMEN),
        (observation(derivedFrom=None, basedOn=[{"reference": "ServiceRequest/o1"}]), Link.ORDER),
        (histology(basedOn=[{"reference": "ServiceRequest/o1"}], specimen=[{"reference": "Specimen/s1"}]), Link.SPECIMEN),
        (histology(status="corrected", basedOn=[{"reference": "ServiceRequest/o1"}]), Link.ORDER),
    ],
)
def test_a_settled_result_that_names_picture_specimen_or_order_is_an_outcome_by_its_surest_link(resource: Any, link: Link) -> None:
    outcome = of(resource)
    assert outcome is not None
    assert (outcome.link, outcome.found, outcome.report) == (link, f"{resource['resourceType']}/h1", "DiagnosticReport/r1")
    assert outcome.findings == (Finding(system="http://snomed.info/sct", code="93655004"),)


@pytest.mark.parametrize(
    "resource",
    [
        observation(subject={"reference": "Patient/p2"}),
        observation(subject=None),
        observation(subject={"reference": "https://elsewhere.example.org/Patient/p1"}),
        observation(status="preliminary"),
        observation(status="entered-in-error"),
        observation(derivedFrom=[{"reference": "Media/m2"}]),
        observation(derivedFrom=None),
        observation(derivedFrom=None, specimen={"reference": "Specimen/s2"}, basedOn=[{"reference": "ServiceRequest/o2"}]),
        observation(meta={"security": [AI_ASSERTED]}),
        histology(id="r1", basedOn=[{"reference": "ServiceRequest/o1"}]),
        observation(resourceType="Condition"),
    ],
    ids=[
        *("another patient", "no patient", "another server's patient", "not settled", "withdrawn", "another picture", "no link"),
        *("another specimen and order", "an AI's", "the report itself", "another kind"),
    ],
)
def test_what_is_not_certainly_pathologys_word_on_this_picture_is_no_outcome(resource: Any) -> None:
    assert of(resource) is None


def test_words_are_not_read() -> None:
    outcome = of(histology(media=[{"link": {"reference": "Media/m1"}}], conclusion="Melanoma.", conclusionCode=[{"text": "Melanoma"}]))
    assert outcome is not None
    assert outcome.findings == ()
