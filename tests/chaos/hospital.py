"""The hospital's own side of the record: patients and pictures, written straight to the FHIR server until it has them."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from PIL import Image, ImageEnhance

from tests.support.pictures import encoded, textured

ANSWER_WITHIN_S: Final = 20.0
PATIENCE_S: Final = 600.0
"""Longest wait for a FHIR server that is away."""
PAUSE_S: Final = 0.3
DERMOSCOPY: Final = {"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "DMS"}]}
SIZE_PX: Final = (300, 240)
KILLING_SIZE_PX: Final = (331, 337)
"""KILLS of tests/support/trap, which would be set in this process too if it were imported."""

Json = dict[str, Any]


class HospitalStuck(Exception):
    """The load could not do its own part, so that the run says nothing about the product."""


class Archive:
    """Writes to the FHIR server, each repeated until it is taken. Safe for threads."""

    def __init__(self, fhir: str, stopping: threading.Event) -> None:
        self._fhir = fhir
        self._stopping = stopping

    def put(self, resource: Json) -> None:
        """Returns once the server has it. Raises HospitalStuck after PATIENCE_S, or when told to stop meanwhile."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._taken(resource):
            if time.monotonic() > deadline or self._stopping.wait(PAUSE_S):
                raise HospitalStuck(f"{resource['resourceType']}/{resource['id']} was not taken by the FHIR server")

    def _taken(self, resource: Json) -> bool:
        url = f"{self._fhir}/{resource['resourceType']}/{resource['id']}"
        headers = {"Content-Type": "application/fhir+json"}
        try:
            with urlopen(Request(url, json.dumps(resource).encode(), headers, method="PUT"), timeout=ANSWER_WITHIN_S) as answer:
                answer.read()
        except HTTPError as error:
            if error.code < 500 and error.code not in (409, 412):
                raise HospitalStuck(f"{url} was refused with HTTP {error.code}: {error.read()[:500]!r}") from None
            return False
        except (OSError, HTTPException):
            return False
        return True


def patient(number: int) -> Json:
    """A patient of an age that the model card accepts."""
    return {"resourceType": "Patient", "id": f"chaos-{number}", "active": True, "birthDate": "1970-06-01"}


def media(id_: str, subject: str, content: bytes) -> Json:
    """A dermoscopy picture of `subject` (Patient/<id>)."""
    return {
        "resourceType": "Media",
        "id": id_,
        "status": "completed",
        "modality": DERMOSCOPY,
        "subject": {"reference": subject},
        "createdDateTime": "2026-03-01T09:30:00+01:00",
        "content": {"contentType": "image/jpeg", "data": base64.b64encode(content).decode()},
    }


def photograph(seed: int) -> bytes:
    """A picture that can be assessed, unlike that of any other seed."""
    return encoded(textured(*SIZE_PX, seed=seed), quality=50)


def dark_photograph(seed: int) -> bytes:
    """One that is too dark."""
    return encoded(ImageEnhance.Brightness(textured(*SIZE_PX, seed=seed)).enhance(0.1), quality=50)


def killing_photograph(seed: int) -> bytes:
    """One that kills the process which decodes it, where tests/support/trap is on its path."""
    return encoded(textured(*SIZE_PX, seed=seed).resize(KILLING_SIZE_PX, Image.Resampling.BILINEAR), quality=50)
