"""What every source of pictures keeps, the fake and the FHIR server alike: the picture of that patient, or a refusal."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

import orjson
import pytest
from tocsin.clock import utc_now
from tocsin.errors import ContentMissing, HashMismatch, MediaUnknown, MediaWithdrawn, SubjectMismatch, UrlNotAllowed
from tocsin.event.types import ImagingEvent
from tocsin.fhir.canonical import DICOM_MODALITY
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Coding, Json
from tocsin.fhir.http import Http
from tocsin.image.fhir import FhirPictures
from tocsin.image.ports import Pictures
from tocsin.image.types import PatientFacts
from tocsin.sandbox.fhir import Fhir
from tocsin.settings import FhirSettings, ImageSettings

from tests.builders import event_json, picture
from tests.fakes.stages import FakePictures
from tests.support.pictures import encoded, textured
from tests.support.proxy import proxy
from tests.support.web import Reply, Web, web

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PNG = encoded(textured(64, 48), "PNG")
SHA256 = hashlib.sha256(PNG).hexdigest()


class Gallery(Protocol):
    """Where one picture, m1 of patient p1, can be had; ids end in the mark of this test alone."""

    mark: str
    pictures: Pictures


class FakeGallery:
    """Pictures in memory."""

    def __init__(self) -> None:
        self.mark = secrets.token_hex(4)
        known = picture(media=f"Media/m1-{self.mark}", subject=f"Patient/p1-{self.mark}", content_sha256=SHA256)
        self.pictures: Pictures = FakePictures({known.media: known})


class FhirGallery:
    """Pictures on a real server."""

    def __init__(self, base_url: str, found_at: str, stores: tuple[str, ...]) -> None:
        """`found_at`: the base address that Tocsin is given; `stores`: where the server may send it."""
        self.mark = secrets.token_hex(4)
        self._stores = stores
        self.found_at = found_at
        self.fhir = FhirClient(FhirSettings(base_url=base_url))
        for name in ("p1", "p2"):
            patient = {
                "resourceType": "Patient",
                "id": f"{name}-{self.mark}",
                "active": True,
                "gender": "female",
                "birthDate": "1970-06-01",
            }
            self.fhir.put(patient)
        self.put({"data": base64.b64encode(PNG).decode()})
        self.pictures: Pictures = self.source()

    def source(self, *origins: str) -> FhirPictures:
        """With these origins allowed, besides the server's own stores."""
        http = Http(connect_timeout_s=3, request_timeout_s=20)
        fhir = FhirClient(FhirSettings(base_url=self.found_at))
        return FhirPictures(fhir, http, ImageSettings(url_origins_allowed=(*self._stores, *origins)), utc_now)

    def put(self, content: Json, **changes: object) -> None:
        """The Media m1, with its picture in this attachment."""
        media = {
            "resourceType": "Media",
            "id": f"m1-{self.mark}",
            "status": "completed",
            "subject": {"reference": f"Patient/p1-{self.mark}"},
            "modality": {"coding": [{"system": DICOM_MODALITY, "code": "DMS"}]},
            "bodySite": {"coding": [{"system": "http://snomed.info/sct", "code": "22943007"}]},
            "createdDateTime": "2026-03-01T09:30:00+01:00",
            "content": {"contentType": "image/png"} | content,
        }
        self.fhir.put(media | changes)


@pytest.fixture
def fhir_gallery(fhir_server: Fhir, fhir_found_at: str, stores: tuple[str, ...]) -> FhirGallery:
    return FhirGallery(fhir_server.base_url, fhir_found_at, stores)


@pytest.fixture(params=["fake", "fhir"])
def gallery(request: pytest.FixtureRequest, quirk: str | None) -> Gallery:
    """`quirk` is named for pytest, which else would not see that this fixture depends on it."""
    return FakeGallery() if request.param == "fake" else request.getfixturevalue("fhir_gallery")


@pytest.fixture
def elsewhere() -> Iterator[Web]:
    with web() as site:
        site.replies["/m1.png"] = Reply(200, PNG, {"Content-Type": "image/png"})
        yield site


def event(mark: str, media: str = "m1", patient: str = "p1") -> ImagingEvent:
    return ImagingEvent.model_validate(event_json(media=f"Media/{media}-{mark}", subject=f"Patient/{patient}-{mark}"))


def test_a_picture_comes_with_its_patient_its_hash_and_its_bytes(gallery: Gallery) -> None:
    fetched = gallery.pictures.fetch(event(gallery.mark))
    assert (fetched.media, fetched.subject) == (f"Media/m1-{gallery.mark}", f"Patient/p1-{gallery.mark}")
    assert fetched.content_sha256 == SHA256
    assert fetched.content == PNG
    assert fetched.version  # in whatever words the server has it
    assert fetched.as_of.tzinfo is not None
    assert fetched.modality == (Coding(DICOM_MODALITY, "DMS"),)
    assert fetched.facts == PatientFacts("female", 55.0, ("22943007",))


def test_of_two_looks_at_one_picture_the_second_is_the_later_one(gallery: Gallery) -> None:
    first, second = (gallery.pictures.fetch(event(gallery.mark)) for _ in range(2))
    assert first.as_of == second.as_of
    assert first.fetched < second.fetched
    assert second.recency > first.recency
    assert (second.fetched.microsecond % 1000, second.fetched.tzinfo is not None) == (0, True)


def test_a_picture_was_fetched_when_nothing_had_been_asked_yet() -> None:
    """What was changed after this time may be unseen."""
    attachment = {"contentType": "image/png", "data": base64.b64encode(PNG).decode()}
    media = {"resourceType": "Media", "id": "m1-x", "subject": {"reference": "Patient/p1-x"}, "content": attachment}
    with web() as site:
        site.replies["/fhir/Media/m1-x"] = Reply(200, orjson.dumps(media))
        site.replies["/fhir/Patient/p1-x"] = Reply(200, orjson.dumps({"resourceType": "Patient", "id": "p1-x"}))
        fhir, http = FhirClient(FhirSettings(base_url=f"{site.origin}/fhir")), Http(connect_timeout_s=3, request_timeout_s=3)
        fetched = FhirPictures(fhir, http, ImageSettings(), lambda: NOON + timedelta(hours=len(site.asked))).fetch(event("x"))
    assert (fetched.fetched, fetched.as_of) == (NOON, NOON)


def test_a_picture_that_nobody_has_is_unknown(gallery: Gallery) -> None:
    with pytest.raises(MediaUnknown) as caught:
        gallery.pictures.fetch(event(gallery.mark, media="m2"))
    assert caught.value.reference == f"Media/m2-{gallery.mark}"


def test_a_picture_that_was_replaced_is_as_of_a_later_time(fhir_gallery: FhirGallery) -> None:
    first = fhir_gallery.pictures.fetch(event(fhir_gallery.mark))
    fhir_gallery.put({"data": base64.b64encode(encoded(textured(64, 48, seed=2), "PNG")).decode()})
    second = fhir_gallery.pictures.fetch(event(fhir_gallery.mark))
    assert second.as_of > first.as_of
    assert first.version
    assert second.version
    assert first.version != second.version


def test_a_picture_of_another_patient_than_the_event_says_is_refused(gallery: Gallery) -> None:
    with pytest.raises(SubjectMismatch) as caught:
        gallery.pictures.fetch(event(gallery.mark, patient="p2"))
    assert caught.value.reference == f"Media/m1-{gallery.mark}"


@pytest.mark.parametrize("form", ["relative", "absolute"])
def test_a_picture_in_a_binary_is_found_by_its_address(fhir_gallery: FhirGallery, form: str) -> None:
    binary = f"Binary/b1-{fhir_gallery.mark}"
    fhir_gallery.fhir.put(
        {"resourceType": "Binary", "id": f"b1-{fhir_gallery.mark}", "contentType": "image/png", "data": base64.b64encode(PNG).decode()}
    )
    fhir_gallery.put({"url": binary if form == "relative" else f"{fhir_gallery.found_at}/{binary}"})
    assert fhir_gallery.pictures.fetch(event(fhir_gallery.mark)).content_sha256 == SHA256


@pytest.mark.parametrize("form", ["relative", "absolute"])
def test_of_a_binary_with_two_versions_the_one_that_is_named_is_read(fhir_gallery: FhirGallery, form: str) -> None:
    binary = f"Binary/b2-{fhir_gallery.mark}"
    for each in (PNG, encoded(textured(64, 48, seed=3), "PNG")):
        content = {"contentType": "image/png", "data": base64.b64encode(each).decode()}
        fhir_gallery.fhir.put({"resourceType": "Binary", "id": f"b2-{fhir_gallery.mark}"} | content)
    named = f"{binary}/_history/1"
    fhir_gallery.put({"url": named if form == "relative" else f"{fhir_gallery.found_at}/{named}"})
    assert fhir_gallery.pictures.fetch(event(fhir_gallery.mark)).content_sha256 == SHA256
    fhir_gallery.put({"url": f"{binary}/_history/7"})
    with pytest.raises(ContentMissing):
        fhir_gallery.pictures.fetch(event(fhir_gallery.mark))


def test_a_binary_that_is_handed_out_as_fhir_alone_is_unwrapped(fhir_gallery: FhirGallery, fhir_server: Fhir) -> None:
    binary = f"Binary/b1-{fhir_gallery.mark}"
    fhir_gallery.fhir.put(
        {"resourceType": "Binary", "id": f"b1-{fhir_gallery.mark}", "contentType": "image/png", "data": base64.b64encode(PNG).decode()}
    )
    fhir_gallery.put({"url": binary})
    wrapped = Reply(200, fhir_gallery.fhir.get(binary).body, {"Content-Type": "application/fhir+json"})
    with proxy(fhir_server.base_url) as between:
        between.afterwards = lambda _method, path: wrapped if path.endswith(binary) else None
        fhir = FhirClient(FhirSettings(base_url=between.base_url))
        pictures = FhirPictures(fhir, Http(connect_timeout_s=3, request_timeout_s=20), ImageSettings(), utc_now)
        assert pictures.fetch(event(fhir_gallery.mark)).content_sha256 == SHA256


def test_a_picture_elsewhere_is_fetched_where_its_origin_is_allowed(fhir_gallery: FhirGallery, elsewhere: Web) -> None:
    fhir_gallery.put({"url": f"{elsewhere.origin}/m1.png", "size": len(PNG)})
    with pytest.raises(UrlNotAllowed):
        fhir_gallery.pictures.fetch(event(fhir_gallery.mark))
    assert elsewhere.asked == []
    assert fhir_gallery.source(elsewhere.origin).fetch(event(fhir_gallery.mark)).content_sha256 == SHA256


def test_a_picture_that_changed_on_its_way_is_refused(fhir_gallery: FhirGallery, elsewhere: Web) -> None:
    stated = base64.b64encode(hashlib.sha1(b"another", usedforsecurity=False).digest()).decode()
    fhir_gallery.put({"url": f"{elsewhere.origin}/m1.png", "hash": stated})
    with pytest.raises(HashMismatch):
        fhir_gallery.source(elsewhere.origin).fetch(event(fhir_gallery.mark))


def test_a_picture_without_bytes_or_taken_back_is_refused(fhir_gallery: FhirGallery) -> None:
    fhir_gallery.put({"title": "nothing"})
    with pytest.raises(ContentMissing):
        fhir_gallery.pictures.fetch(event(fhir_gallery.mark))
    fhir_gallery.put({"data": "AAAA"}, status="entered-in-error")
    with pytest.raises(MediaWithdrawn):
        fhir_gallery.pictures.fetch(event(fhir_gallery.mark))
