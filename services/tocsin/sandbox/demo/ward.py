"""Makes a ward of patients, whose pictures lie where hospitals keep them: inline, as a Binary, or at an address."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tocsin.clock import utc_now
from tocsin.fhir.canonical import DICOM_MODALITY, SNOMED
from tocsin.sandbox.demo import lesions

Json = dict[str, Any]

PICTURES_OF_ONE_PATIENT: Final = 2
PLACES: Final = ("inline", "binary", "url")
SITES: Final = (
    ("22943007", "Trunk structure"),
    ("53120007", "Upper limb structure"),
    ("61685007", "Lower limb structure"),
    ("69536005", "Head structure"),
)
INLINE_BYTES_MAX: Final = 2_000_000
"""A larger picture lies at an address, since FHIR servers bound the size of a resource."""
TEST_DATA: Final[Json] = {
    "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST", "display": "test health data"}]
}
"""The label of test data (FHIR R4, security-labels.html), so that nobody takes these records for a real patient's."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the record states of a picture and its patient; None: nothing."""

    sex: str | None = None
    """FHIR R4 AdministrativeGender."""
    born: date | None = None
    body_site: str | None = None
    """SNOMED CT code."""


@dataclass(frozen=True, slots=True)
class Case:
    """One picture of one patient of the demo."""

    number: int
    picture: bytes | Path = field(repr=False)
    """The picture's bytes, or the file that holds them."""
    media_type: str
    modality: str
    """DICOM modality code that the Media states."""
    patient: int
    """Number of the patient whose picture it is."""
    claimed_patient: int
    """Number of the patient whom the imaging event names. Where it differs from `patient`, Tocsin must refuse the event."""
    facts: Facts
    file: str | None = None
    """Path of a real picture below its folder; None for a drawn one. The demo prints it, and no record holds it."""

    @property
    def content(self) -> bytes:
        """The picture's bytes, read when they are asked for. Raises OSError where its file has gone."""
        return self.picture if isinstance(self.picture, bytes) else self.picture.read_bytes()

    @property
    def place(self) -> str:
        """Where the picture's bytes lie, of PLACES; a large picture lies at an address, as hospitals keep them."""
        large = isinstance(self.picture, Path) and self.picture.stat().st_size > INLINE_BYTES_MAX
        return "url" if large else PLACES[self.number % len(PLACES)]

    @property
    def media_id(self) -> str:
        """The id of the Media."""
        return f"demo-{self.number + 1:03d}"

    @property
    def subject(self) -> str:
        """Patient/<id>, the patient whom the event names."""
        return f"Patient/{_patient_id(self.claimed_patient)}"


def drawn_cases(count: int) -> list[Case]:
    """Cases with drawn lesions; of six or more, the last three are a dark picture, a photograph, and a swap of patients."""
    cases = [_drawn(number, lesions.lesion(number)) for number in range(count)]
    if count >= 6:
        dark, photograph, swapped = count - 3, count - 2, count - 1
        cases[dark] = _drawn(dark, lesions.too_dark(dark))
        cases[photograph] = _drawn(photograph, lesions.lesion(photograph), modality="XC")
        cases[swapped] = _drawn(swapped, lesions.lesion(swapped), claimed_patient=0)
    return cases


def resources_of(case: Case, pictures_origin: str) -> list[Json]:
    """The case's resources: the Patient, the Media, and the Binary where it holds the picture."""
    resources = [_patient(case), _media(case, pictures_origin)]
    if case.place == "binary":
        data = base64.b64encode(case.content).decode("ascii")
        resources.insert(
            1, {"resourceType": "Binary", "id": case.media_id, "meta": TEST_DATA, "contentType": case.media_type, "data": data}
        )
    return resources


def event_of(case: Case, now: datetime) -> Json:
    """The imaging event that announces the case's picture at `now` (aware)."""
    return {
        "version": 1,
        "id": f"demo-{case.media_id}",
        "source": "urn:tocsin:demo:camera",
        "occurred_at": now.isoformat(),
        "media": f"Media/{case.media_id}",
        "subject": case.subject,
    }


def _drawn(number: int, content: bytes, modality: str = "DMS", *, claimed_patient: int | None = None) -> Case:
    """A case with a drawn picture, of a made-up patient with a sex and a day of birth."""
    patient = number // PICTURES_OF_ONE_PATIENT
    site, _ = SITES[number % len(SITES)]
    facts = Facts(("female", "male")[patient % 2], date(1942 + 7 * (patient % 8), 4, 1), site)
    claimed = patient if claimed_patient is None else claimed_patient
    return Case(number, content, "image/jpeg", modality, patient, claimed, facts)


def _patient_id(number: int) -> str:
    return f"demo-patient-{number + 1:02d}"


def _patient(case: Case) -> Json:
    """The Patient: a made-up one of a drawn picture; of a real picture, only what pictures.csv states."""
    stated = {"gender": case.facts.sex, "birthDate": None if case.facts.born is None else case.facts.born.isoformat()}
    return {
        "resourceType": "Patient",
        "id": _patient_id(case.patient),
        "meta": TEST_DATA,
        "active": True,
        "name": [{"text": f"Made-up patient {case.patient + 1}"}],
        **{name: value for name, value in stated.items() if value is not None},
    }


def _media(case: Case, pictures_origin: str) -> Json:
    content = case.content
    return {
        "resourceType": "Media",
        "id": case.media_id,
        "meta": TEST_DATA,
        "status": "completed",
        "modality": {"coding": [{"system": DICOM_MODALITY, "code": case.modality}]},
        "subject": {"reference": f"Patient/{_patient_id(case.patient)}"},
        **_taken(case),
        **_body_site(case),
        "content": {
            "contentType": case.media_type,
            "size": len(content),
            "hash": base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode("ascii"),
            **_bytes_of(case, content, pictures_origin),
        },
    }


def _taken(case: Case) -> Json:
    """The Media's time of creation; none for a real picture, whose time is not known."""
    return {} if case.file is not None else {"createdDateTime": (utc_now() - timedelta(minutes=5)).isoformat(timespec="seconds")}


def _body_site(case: Case) -> Json:
    code = case.facts.body_site
    if code is None:
        return {}
    display = dict(SITES).get(code)
    return {"bodySite": {"coding": [{"system": SNOMED, "code": code} | ({} if display is None else {"display": display})]}}


def _bytes_of(case: Case, content: bytes, pictures_origin: str) -> Json:
    match case.place:
        case "inline":
            return {"data": base64.b64encode(content).decode("ascii")}
        case "binary":
            return {"url": f"Binary/{case.media_id}"}
        case _:
            return {"url": f"{pictures_origin}/{case.media_id}"}
