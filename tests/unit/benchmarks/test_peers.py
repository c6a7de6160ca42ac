"""The services that Tocsin is compared with do Tocsin's job: what they saved at a patient's cost would be no saving."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest
from PIL import Image
from tocsin.errors import HashMismatch, PatientInactive, SubjectMismatch
from tocsin.event.types import ImagingEvent
from tocsin.fhir.canonical import DICOM_MODALITY
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Coding
from tocsin.fhir.http import Http
from tocsin.image.fhir import FhirPictures
from tocsin.image.types import Obstacle, PatientFacts, Picture
from tocsin.report.resources.identity import report_id
from tocsin.settings import FhirSettings, ImageSettings, Settings

from tests.benchmarks.peers.journey import Look, Site, composed, content_url, flag, judged, picture_of, site_of
from tests.benchmarks.peers.looks import with_pillow, with_tocsins_functions
from tests.builders import card, event_json, picture
from tests.support.pictures import encoded, textured
from tests.support.web import Reply, Web, web

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
JPEG = encoded(textured())
EVENT = ImagingEvent.model_validate(event_json())
LOOKS = pytest.mark.parametrize("look", [with_tocsins_functions, with_pillow])


@pytest.fixture
def site() -> Site:
    return site_of(Settings(), card())


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as running:
        yield running


def media(**changes: Any) -> dict[str, Any]:
    sha1 = base64.b64encode(hashlib.sha1(JPEG).digest()).decode()
    content = {"contentType": "image/jpeg", "url": "Binary/m1", "size": len(JPEG), "hash": sha1}
    return {
        "resourceType": "Media",
        "id": "m1",
        "meta": {"versionId": "3", "lastUpdated": "2026-03-01T09:31:00+01:00"},
        "status": "completed",
        "modality": {"coding": [{"system": DICOM_MODALITY, "code": "DMS"}]},
        "bodySite": {"coding": [{"system": "http://snomed.info/sct", "code": "22943007"}]},
        "subject": {"reference": "Patient/p1"},
        "createdDateTime": "2026-03-01T09:30:00+01:00",
        "content": content,
    } | changes


def patient(**changes: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p1", "active": True, "gender": "female", "birthDate": "1970-06-01"} | changes


@pytest.mark.parametrize(("born", "created"), [("1970-06-01", "2026-03-01T09:30:00+01:00"), ("1970", "2026"), ("1970-06-01", None)])
def test_a_peer_knows_of_a_picture_what_tocsin_knows(server: Web, born: str, created: str | None) -> None:
    resources = media(createdDateTime=created), patient(birthDate=born)
    for resource, path in zip(resources, ("Media/m1", "Patient/p1"), strict=True):
        server.replies[f"/fhir/{path}"] = Reply(200, orjson.dumps(resource), {"Content-Type": "application/fhir+json"})
    server.replies["/fhir/Binary/m1"] = Reply(200, JPEG, {"Content-Type": "image/jpeg"})
    fhir = FhirClient(FhirSettings(base_url=f"{server.origin}/fhir"))
    http = Http(connect_timeout_s=1.0, request_timeout_s=2.0)
    assert picture_of(EVENT, *resources, JPEG, NOON) == FhirPictures(fhir, http, ImageSettings(), lambda: NOON).fetch(EVENT)


def test_a_peer_refuses_another_patients_picture_and_a_withdrawn_patient_and_other_bytes(site: Site) -> None:
    with pytest.raises(SubjectMismatch):
        content_url(EVENT, media(subject={"reference": "Patient/p2"}), patient(), site)
    with pytest.raises(PatientInactive):
        content_url(EVENT, media(), patient(active=False), site)
    with pytest.raises(HashMismatch):
        picture_of(EVENT, media(), patient(), JPEG[:-1] + b"\xd8", NOON)


def test_pillow_makes_the_same_tensor_as_tocsins_decoder(site: Site) -> None:
    ours, pillows = (look(picture(content=JPEG), site) for look in (with_tocsins_functions, with_pillow))
    assert isinstance(ours, np.ndarray)
    assert isinstance(pillows, np.ndarray)
    assert np.array_equal(ours, pillows)


@LOOKS
@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        (picture(textured(30, 30)), "too-small"),
        (picture(textured(320, 64)), "wrong-shape"),
        (picture(textured().point(lambda value: value * 0.06)), "too-dark"),
        (picture(Image.new("RGB", (320, 240), (255, 255, 255))), "too-bright"),
        (picture(Image.new("RGB", (320, 240), (120, 120, 120))), "empty"),
        (picture(Image.linear_gradient("L").convert("RGB")), "blurred"),
        (picture(modality=(Coding(DICOM_MODALITY, "US"),)), "modality-not-accepted"),
        (picture(modality=(), modality_stated=False), "modality-unknown"),
        (picture(facts=PatientFacts("female", 12.0)), "outside-intended-ages"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_peer_keeps_the_same_pictures_from_the_model(site: Site, look: Look, shown: Picture, reason: str) -> None:
    seen = look(shown, site)
    assert isinstance(seen, Obstacle)
    assert seen.reason == reason


@LOOKS
def test_a_picture_that_lies_on_its_side_is_turned(site: Site, look: Look) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = look(picture(content=encoded(textured(64, 48), "PNG", exif=exif)), site)
    upright = look(picture(content=encoded(textured(64, 48).transpose(Image.Transpose.ROTATE_270), "PNG")), site)
    assert np.array_equal(np.asarray(turned), np.asarray(upright))


def test_a_peer_writes_and_tells_under_tocsins_ids(site: Site) -> None:
    shown = picture()
    report = composed(EVENT, shown, judged(np.array([[0.6, 0.1, 0.3]]), site.card), site)
    told = flag(EVENT, report, site)
    assert report.id == report_id(site.settings.report.source, "Media/m1", shown.content_sha256, site.card.model)
    assert (told["report"], told["band"], told["flagged"], told["probability"]) == (report.reference, "high", True, 0.7)


def test_a_peer_tells_that_a_picture_could_not_be_assessed(site: Site) -> None:
    told = flag(EVENT, composed(EVENT, picture(), Obstacle("too-dark", "The image is too dark."), site), site)
    assert (told["outcome"], told["reason"], told["flagged"]) == ("not-assessable", "too-dark", False)
