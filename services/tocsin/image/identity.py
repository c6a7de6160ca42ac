"""Checks whose picture it is: Media, Patient and study must each be the very one that the event names. Pure; fails closed.

A subject's reference must lead to this very patient on this very server; each other case has an error text of its own.
"""

from __future__ import annotations

import re
from typing import Any, Final

from tocsin.errors import (
    MediaMalformed,
    MediaWithdrawn,
    PatientInactive,
    PatientUnknown,
    StudyUnknown,
    SubjectMismatch,
    SubjectMissing,
    SubjectNotAPatient,
    SubjectUnresolved,
)
from tocsin.event.types import ImagingEvent
from tocsin.fhir.datatypes import Json, an_object, objects, reference_to, text
from tocsin.fhir.reference import ServiceBase
from tocsin.image.types import WITHDRAWN_MEDIA

OTHERS: Final = frozenset(
    {"Device", "Group", "Location", "Medication", "Practitioner", "PractitionerRole", "Procedure", "Specimen", "Substance"}
)
"""Types besides Patient that a subject may have (FHIR R4 and R4B); an error names no other type."""

_ABSOLUTE: Final = re.compile(r"^https?://", re.IGNORECASE)


_OTHER: Final = "the server answered with another resource"
_REPLACED: Final = frozenset({"replaced-by", "seealso-replaced-by"})
"""Links of a Patient that was merged into another (FHIR R4 and R4B, link-type)."""


def check_media(media: Json, event: ImagingEvent, server: ServiceBase) -> None:
    """Checks that the Media is the event's, is not withdrawn, and is of the event's patient.

    Raises MediaMalformed or MediaWithdrawn, and what check_subject raises.
    """
    if reference_to(media) != event.media:
        raise MediaMalformed(_OTHER, reference=event.media)
    if text(media.get("status")) in WITHDRAWN_MEDIA:
        raise MediaWithdrawn(f"Media.status is {media['status']}", reference=event.media)
    check_subject(media.get("subject"), event.subject, server, event.media)


def check_patient(patient: Json, event: ImagingEvent) -> None:
    """Checks that the Patient is the event's, active, and not merged into another. Raises PatientUnknown or PatientInactive."""
    if reference_to(patient) != event.subject:
        raise PatientUnknown(_OTHER, reference=event.subject)
    if patient.get("active") is False:
        raise PatientInactive("Patient.active is false", reference=event.subject)
    if was_merged(patient):
        raise PatientInactive("the Patient was merged into another", reference=event.subject)


def was_merged(patient: Json) -> bool:
    """Whether the record says that this Patient was merged into another."""
    return any(text(link.get("type")) in _REPLACED for link in objects(patient.get("link")))


def check_study(study: Json, event: ImagingEvent, server: ServiceBase) -> None:
    """Checks that the study, which the report will refer to, is the event's and of its patient.

    Raises StudyUnknown, and what check_subject raises.
    """
    if event.study is None or reference_to(study) != event.study:
        raise StudyUnknown(_OTHER, reference=event.study or "")
    check_subject(study.get("subject"), event.subject, server, event.study)


def check_subject(subject: Any, wanted: str, server: ServiceBase, of: str) -> None:
    """Checks that a resource's subject is the event's patient.

    `of` is the resource whose subject this is, `wanted` the Patient whom the event names, `server` the FHIR server it was read from. A
    version of the Patient is the same patient. Raises SubjectMissing, SubjectNotAPatient, SubjectUnresolved or SubjectMismatch.
    """
    stated = an_object(subject)
    reference = text(stated.get("reference"))
    if not reference:
        raise _without_reference(stated, of)
    found = server.reference(reference)
    if found is None:
        raise SubjectUnresolved(_why(reference), reference=of)
    if found.kind != "Patient":
        raise SubjectNotAPatient(f"the subject is a {_kind(found.kind)}", reference=of)
    if found.local != wanted:
        raise SubjectMismatch(f"the event names {wanted}, the {of.partition('/')[0]} another patient", reference=of)


def _without_reference(stated: dict[str, Any], of: str) -> Exception:
    kind = text(stated.get("type")).rpartition("/")[2]
    if kind not in ("", "Patient"):
        return SubjectNotAPatient(f"the subject is a {_kind(kind)}", reference=of)
    if stated.get("identifier"):
        return SubjectUnresolved("the subject has an identifier alone, which Tocsin does not look up", reference=of)
    return SubjectMissing("there is no subject.reference", reference=of)


def _why(reference: str) -> str:
    """Why a reference leads to no resource of this server; its own words may name a person and are not repeated."""
    if reference.startswith("#"):
        return "the subject is contained in the resource itself"
    if reference.lower().startswith("urn:"):
        return "subject.reference is a urn, which means nothing outside the Bundle it came in"
    if _ABSOLUTE.match(reference):
        return "the subject is on another server than TOCSIN_FHIR__BASE_URL and TOCSIN_FHIR__ALSO_KNOWN_AS name"
    return "subject.reference is no reference to a resource by its id"


def _kind(name: str) -> str:
    return name if name in OTHERS else "resource of another type"
