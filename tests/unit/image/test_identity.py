"""Whose picture it is, is said as it is: only two patients of this server can have been swapped."""

from __future__ import annotations

from typing import Any

import pytest
from tocsin.errors import IdentityUnsafe, SubjectMismatch, SubjectMissing, SubjectNotAPatient, SubjectUnresolved
from tocsin.fhir.reference import ServiceBase
from tocsin.image.identity import check_subject

BASE = ServiceBase(("https://fhir.example.org/r4",))


def check(subject: Any) -> None:
    check_subject(subject, "Patient/p1", BASE, "Media/m1")


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p1",
        "Patient/p1/_history/3",
        "https://fhir.example.org/r4/Patient/p1",
        "https://fhir.example.org/r4/Patient/p1/_history/3",
        "https://FHIR.example.org:443/r4/Patient/p1",
        "HTTPS://fhir.example.org/r4/Patient/p1",
    ],
)
def test_the_same_patient_may_be_named_in_each_way_that_this_server_knows(reference: str) -> None:
    check({"reference": reference, "display": "Jane Canary"})


@pytest.mark.parametrize(
    ("subject", "error"),
    [
        (None, SubjectMissing),
        ({}, SubjectMissing),
        ("Patient/p1", SubjectMissing),
        ([{"reference": "Patient/p1"}], SubjectMissing),
        ({"display": "Jane Canary"}, SubjectMissing),
        ({"reference": ""}, SubjectMissing),
        ({"reference": 5}, SubjectMissing),
        ({"identifier": {"value": "Canary"}}, SubjectUnresolved),
        ({"identifier": {"value": "Canary"}, "type": "Patient"}, SubjectUnresolved),
        ({"identifier": {"value": "Canary"}, "type": "Device"}, SubjectNotAPatient),
        ({"reference": "#p"}, SubjectUnresolved),
        ({"reference": "urn:uuid:6dbcbca2-0000-4000-8000-8fe2d12a5d51"}, SubjectUnresolved),
        ({"reference": "urn:oid:1.2.3"}, SubjectUnresolved),
        ({"reference": "https://other.example.org/fhir/Patient/p1"}, SubjectUnresolved),
        ({"reference": "http://fhir.example.org/r4/Patient/p1"}, SubjectUnresolved),
        ({"reference": "https://fhir.example.org/r5/Patient/p1"}, SubjectUnresolved),
        ({"reference": "https://fhir.example.org:8443/r4/Patient/p1"}, SubjectUnresolved),
        ({"reference": "https://fhir.example.org@other.example.org/r4/Patient/p1"}, SubjectUnresolved),
        ({"reference": "https://fhir.example.org/r4/../r4/Patient/p1"}, SubjectUnresolved),
        ({"reference": "Patient?identifier=Canary"}, SubjectUnresolved),
        ({"reference": "Patient/p1/"}, SubjectUnresolved),
        ({"reference": "Patient/Jane Canary"}, SubjectUnresolved),
        ({"reference": "Canary"}, SubjectUnresolved),
        ({"reference": "Group/g1"}, SubjectNotAPatient),
        ({"reference": "Device/d1"}, SubjectNotAPatient),
        ({"reference": "https://fhir.example.org/r4/Practitioner/p1"}, SubjectNotAPatient),
        ({"reference": "Canary/p1"}, SubjectNotAPatient),
        ({"reference": "Patient/p2"}, SubjectMismatch),
        ({"reference": "Patient/p2/_history/1"}, SubjectMismatch),
        ({"reference": "https://fhir.example.org/r4/Patient/p2"}, SubjectMismatch),
        ({"reference": "Patient/P1"}, SubjectMismatch),
    ],
)
def test_each_other_subject_is_refused_for_what_it_is(subject: Any, error: type[IdentityUnsafe]) -> None:
    with pytest.raises(IdentityUnsafe) as caught:
        check(subject)
    assert type(caught.value) is error
    assert "Canary" not in str(caught.value)
    assert ("swapped" in caught.value.advice) is (error is SubjectMismatch)


def test_a_group_is_called_a_group() -> None:
    with pytest.raises(SubjectNotAPatient, match="Media/m1: the subject is a Group"):
        check({"reference": "Group/g1"})
