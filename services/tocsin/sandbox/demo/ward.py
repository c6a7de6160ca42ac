"""A ward of made-up patients, each with pictures that lie where hospitals keep them: inline, as a Binary, or at an address."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tocsin.image.fhir import SNOMED
from tocsin.image.gate import DICOM_MODALITY
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
SUFFIXES: Final = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}


@dataclass(frozen=True, slots=True)
class Case:
    """One picture of one made-up patient."""

    number: int
    content: bytes = field(repr=False)
    media_type: str
    modality: str
    """DICOM modality code that the Media states."""
    claimed_patient: int
    """Number of the patient whom the imaging event names; another than the Media's is a swap, and must be refused."""

    @property
    def patient(self) -> int:
        """Number of the patient whose picture it is."""
        return self.number // PICTURES_OF_ONE_PATIENT

    @property
    def place(self) -> str:
        """Where the bytes lie."""
        return PLACES[self.number % len(PLACES)]

    @property
    def media_id(self) -> str:
        """Id of the Media."""
        return f"demo-{self.number + 1:03d}"

    @property
    def subject(self) -> str:
        """Patient/<id> whom the event names."""
        return f"Patient/{_patient_id(self.claimed_patient)}"


def drawn_cases(count: int) -> list[Case]:
    """Drawn lesions; of six or more, the last three show what Tocsin does with a dark picture, a photograph, and swapped patients."""
    cases = [_case(number, lesions.lesion(number)) for number in range(count)]
    if count >= 6:
        dark, photograph, swapped = count - 3, count - 2, count - 1
        cases[dark] = _case(dark, lesions.too_dark(dark))
        cases[photograph] = _case(photograph, lesions.lesion(photograph), modality="XC")
        cases[swapped] = _case(swapped, lesions.lesion(swapped), claimed_patient=0)
    return cases


def cases_from(folder: Path, count: int | None, modality: str) -> list[Case]:
    """The first `count` pictures of a folder by name (all, if None), each said to be of `modality`."""
    files = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in SUFFIXES][:count]
    return [_case(number, file.read_bytes(), SUFFIXES[file.suffix.lower()], modality) for number, file in enumerate(files)]


def resources_of(case: Case, pictures_origin: str) -> list[Json]:
    """The Patient, the Media, and the Binary where the bytes lie in one."""
    resources = [_patient(case.patient), _media(case, pictures_origin)]
    if case.place == "binary":
        data = base64.b64encode(case.content).decode("ascii")
        resources.insert(1, {"resourceType": "Binary", "id": case.media_id, "contentType": case.media_type, "data": data})
    return resources


def event_of(case: Case, now: datetime) -> Json:
    """The imaging event that announces the picture."""
    return {
        "version": 1,
        "id": f"demo-{case.media_id}",
        "source": "urn:tocsin:demo:camera",
        "occurred_at": now.isoformat(),
        "media": f"Media/{case.media_id}",
        "subject": case.subject,
    }


def _case(
    number: int, content: bytes, media_type: str = "image/jpeg", modality: str = "DMS", *, claimed_patient: int | None = None
) -> Case:
    claimed = number // PICTURES_OF_ONE_PATIENT if claimed_patient is None else claimed_patient
    return Case(number, content, media_type, modality, claimed)


def _patient_id(number: int) -> str:
    return f"demo-patient-{number + 1:02d}"


def _patient(number: int) -> Json:
    return {
        "resourceType": "Patient",
        "id": _patient_id(number),
        "active": True,
        "name": [{"text": f"Made-up patient {number + 1}"}],
        "gender": ("female", "male")[number % 2],
        "birthDate": f"{1942 + 7 * (number % 8)}-04-01",
    }


def _media(case: Case, pictures_origin: str) -> Json:
    code, display = SITES[case.number % len(SITES)]
    return {
        "resourceType": "Media",
        "id": case.media_id,
        "status": "completed",
        "modality": {"coding": [{"system": DICOM_MODALITY, "code": case.modality}]},
        "subject": {"reference": f"Patient/{_patient_id(case.patient)}"},
        "createdDateTime": (datetime.now(UTC) - timedelta(minutes=5)).isoformat(timespec="seconds"),
        "bodySite": {"coding": [{"system": SNOMED, "code": code, "display": display}]},
        "content": {
            "contentType": case.media_type,
            "size": len(case.content),
            "hash": base64.b64encode(hashlib.sha1(case.content, usedforsecurity=False).digest()).decode("ascii"),
            **_bytes_of(case, pictures_origin),
        },
    }


def _bytes_of(case: Case, pictures_origin: str) -> Json:
    match case.place:
        case "inline":
            return {"data": base64.b64encode(case.content).decode("ascii")}
        case "binary":
            return {"url": f"Binary/{case.media_id}"}
        case _:
            return {"url": f"{pictures_origin}/{case.media_id}"}
