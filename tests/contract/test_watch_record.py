"""What a look asks a real FHIR server for: device and body site of Media, by their ids, and no content."""

from __future__ import annotations

import secrets

from tocsin.fhir.client import FhirClient
from tocsin.learning.watch.origins import ELSEWHERE, Origin
from tocsin.learning.watch.record import FhirRecord
from tocsin.sandbox.fhir import Fhir
from tocsin.settings import FhirSettings

from tests.unit.learning.test_labels_bus import CARD

TRUNK = CARD.facts.site_codes["trunk"][0]


def test_a_real_server_says_where_pictures_come_from_and_whose_they_are(fhir_server: Fhir) -> None:
    fhir, mark = FhirClient(FhirSettings(base_url=fhir_server.base_url)), secrets.token_hex(4)
    for whole in (
        {"resourceType": "Patient", "id": f"p-{mark}"},
        {"resourceType": "Patient", "id": f"q-{mark}"},
        {"resourceType": "Device", "id": f"d-{mark}"},
    ):
        fhir.put(whole)
    media = {
        "resourceType": "Media",
        "status": "completed",
        "subject": {"reference": f"Patient/p-{mark}"},
        "content": {"contentType": "image/jpeg", "data": "AAAA"},
    }
    site = {"bodySite": {"coding": [{"system": "http://snomed.info/sct", "code": TRUNK}]}}
    fhir.put(media | site | {"id": f"a-{mark}", "device": {"reference": f"Device/d-{mark}"}})
    fhir.put(media | {"id": f"b-{mark}", "deviceName": "A camera"})
    fhir.put(media | site | {"id": f"c-{mark}"})
    fhir.put(media | site | {"id": f"e-{mark}", "subject": {"reference": f"Patient/q-{mark}"}})
    asked = {f"Media/{each}-{mark}": f"Patient/p-{mark}" for each in "abcef"}
    found = FhirRecord(fhir, CARD.facts, 60).origins(asked)
    assert set(found) == {f"Media/{each}-{mark}" for each in "abc"}
    assert found[f"Media/a-{mark}"] == Origin(f"Device/d-{mark}", "trunk")
    assert found[f"Media/b-{mark}"].device.startswith("device-")
    assert (found[f"Media/b-{mark}"].region, found[f"Media/c-{mark}"]) == (ELSEWHERE, Origin("", "trunk"))
