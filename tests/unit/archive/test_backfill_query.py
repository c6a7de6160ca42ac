"""A backfill's query finds what the model accepts; it neither names a person nor meddles with the paging."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError
from tocsin.archive.backfill.backfiller import modalities
from tocsin.archive.types import Query
from tocsin.fhir.canonical import DICOM_MODALITY
from tocsin.fhir.datatypes import Coding
from tocsin.image.gate import Acceptance

from tests.builders import card


def test_unless_told_only_what_the_model_accepts_is_looked_for() -> None:
    accepts = card().accepts
    acceptance = Acceptance(
        modalities=frozenset(Coding(each.system, each.code) for each in accepts.modalities),
        refused=frozenset(),
        limits=accepts.quality,
        modality_when_absent=None,
    )
    vouching = Acceptance(acceptance.modalities, acceptance.refused, acceptance.limits, Coding(DICOM_MODALITY, "DMS"))
    by_either_name = (f"{DICOM_MODALITY}|DMS", "urn:oid:1.2.840.10008.2.16.4|DMS")
    assert modalities(acceptance, None) == by_either_name
    assert modalities(vouching, None) == (*by_either_name, "absent")
    assert modalities(vouching, ["XC"]) == ("XC",)
    assert modalities(vouching, []) == ()


@pytest.mark.parametrize(
    "query",
    [
        {"where": ["patient.name=X"]},
        {"where": ["subject:Patient.birthdate=1970-01-01"]},
        {"where": ["encounter.patient.family=X"]},
        {"where": ["encounter.subject:Patient.name=X"]},
        {"where": ["encounter.subject.name:exact=X"]},
        {"where": ["encounter.patient:identifier=X"]},
        {"where": ["device.patient.birthdate=1970-01-01"]},
        {"where": ["based-on.subject.phone=1"]},
        {"where": ["based-on:ServiceRequest.requester.name=X"]},
        {"where": ["operator.name=X"]},
        {"where": ["operator:Patient=1"]},
        {"where": ["encounter.participant:RelatedPerson.address-city=X"]},
        {"where": ["encounter.account.owner.birthdate:exact=1970-01-01"]},
        {"where": ["_sort=-created"]},
        {"where": ["_count=100000"]},
        {"where": ["created=ge2020"]},
        {"where": ["device"]},
        {"created_from": date(2026, 3, 2), "created_to": date(2026, 3, 1)},
    ],
)
def test_a_query_neither_names_a_person_nor_meddles_with_the_paging(query: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Query.model_validate(query)


@pytest.mark.parametrize(
    "where",
    [
        "device=Device/camera-3",
        "device.device-name=dermatoscope",
        "encounter.location.name=Ward-3",
        "encounter.service-provider.name=Dermatology",
        "encounter.patient=Patient/p1",
        "based-on.code=24626005",
        "identifier=urn:test:camera|a.family=b",
        "subject=Patient/p1",
        "_tag=study-7",
    ],
)
def test_a_query_may_name_whatever_is_no_person(where: str) -> None:
    assert Query(where=(where,)).where == (where,)
