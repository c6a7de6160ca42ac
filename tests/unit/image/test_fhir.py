"""Whose picture it is and that its bytes are the ones the Media states, held against a FHIR server over real HTTP."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from tocsin import errors
from tocsin.errors import Deferred, Refused, Unavailable
from tocsin.event.types import ImagingEvent
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Coding
from tocsin.fhir.http import Http
from tocsin.image.fhir import FhirPictures
from tocsin.image.types import Picture
from tocsin.settings import FhirSettings, ImageSettings

from tests.builders import event_json
from tests.support.pictures import encoded, textured
from tests.support.web import Reply, Web, web

JPEG = encoded(textured())
DATA = base64.b64encode(JPEG).decode()
FHIR = {"Content-Type": "application/fhir+json"}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OUTCOME = b'{"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}'


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as running:
        yield running


@pytest.fixture
def elsewhere() -> Iterator[Web]:
    with web() as running:
        yield running


def media(**changes: Any) -> dict[str, Any]:
    whole = {"resourceType": "Media", "id": "m1", "status": "completed", "subject": {"reference": "Patient/p1"}, "content": {"data": DATA}}
    return {name: value for name, value in (whole | changes).items() if value is not None}


def patient(**changes: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p1", "active": True, "gender": "female", "birthDate": "1970-06-01"} | changes


def serve(site: Web, media: dict[str, Any], patient: dict[str, Any]) -> None:
    site.replies["/fhir/Media/m1"] = Reply(200, orjson.dumps(media), FHIR)
    site.replies["/fhir/Patient/p1"] = Reply(200, orjson.dumps(patient), FHIR)


def fetch(site: Web, *, origins: tuple[str, ...] = (), content_bytes_max: int = 1_000_000, **event: str | None) -> Picture:
    fhir = FhirClient(FhirSettings(base_url=f"{site.origin}/fhir", bearer_token=SecretStr("canary-token"), request_timeout_s=2.0))
    http = Http(connect_timeout_s=1.0, request_timeout_s=2.0)
    settings = ImageSettings(url_origins_allowed=origins, content_bytes_max=content_bytes_max)
    return FhirPictures(fhir, http, settings, lambda: NOON).fetch(ImagingEvent.model_validate(event_json(**event)))


def test_a_picture_comes_with_what_is_known_of_it(site: Web) -> None:
    modality = {"coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "DMS"}]}
    site_code = {"coding": [{"system": "http://snomed.info/sct", "code": "22943007"}]}
    serve(site, media(modality=modality, bodySite=site_code, createdDateTime="2026-03-01T09:30:00+01:00"), patient())
    picture = fetch(site)
    assert (picture.subject, picture.content_sha256) == ("Patient/p1", hashlib.sha256(JPEG).hexdigest())
    assert (picture.facts.sex, picture.facts.age_years, picture.facts.body_site_codes) == ("female", 55.0, ("22943007",))
    assert picture.modality == (Coding("http://dicom.nema.org/resources/ontology/DCM", "DMS"),)


@pytest.mark.parametrize(
    ("meta", "version", "as_of"),
    [
        ({"versionId": "7", "lastUpdated": "2026-03-01T09:31:00.123456+01:00"}, "7", datetime(2026, 3, 1, 8, 31, 0, 123000, UTC)),
        ({"lastUpdated": "2026-03-01T08:31:00Z"}, "2026-03-01T08:31:00Z", datetime(2026, 3, 1, 8, 31, tzinfo=UTC)),
        ({"versionId": "7", "lastUpdated": "2016-12-31T23:59:60Z"}, "7", datetime(2017, 1, 1, tzinfo=UTC)),
        ({"versionId": "7", "lastUpdated": "9999-12-31T08:31:00Z"}, "7", NOON),
        ({"versionId": "7"}, "7", NOON),
        (None, None, NOON),
    ],
    ids=["version-and-time", "time-alone", "leap-second", "beyond-the-calendar", "version-alone", "neither"],
)
def test_a_picture_knows_which_version_of_the_media_it_is(
    site: Web, meta: dict[str, str] | None, version: str | None, as_of: datetime
) -> None:
    serve(site, media(meta=meta), patient())
    picture = fetch(site)
    assert (picture.version, picture.as_of) == (version, as_of)


@pytest.mark.parametrize("form", ["raw", "wrapped"])
def test_a_binary_is_read_in_both_forms_servers_give_it(site: Web, form: str) -> None:
    serve(site, media(content={"url": "Binary/b1", "contentType": "image/jpeg"}), patient())
    wrapped = orjson.dumps({"resourceType": "Binary", "contentType": "image/jpeg", "data": DATA})
    site.replies["/fhir/Binary/b1"] = Reply(200, JPEG, {"Content-Type": "image/jpeg"}) if form == "raw" else Reply(200, wrapped, FHIR)
    assert fetch(site).content_sha256 == hashlib.sha256(JPEG).hexdigest()


def test_an_allowed_address_is_fetched_without_the_servers_token(site: Web, elsewhere: Web) -> None:
    serve(site, media(content={"url": f"{elsewhere.origin}/a.jpg"}), patient())
    elsewhere.replies["/a.jpg"] = Reply(200, JPEG, {"Content-Type": "image/jpeg"})
    assert fetch(site, origins=(elsewhere.origin,)).content == JPEG
    assert "authorization" not in elsewhere.asked[0].headers
    assert all(asked.headers["authorization"] == "Bearer canary-token" for asked in site.asked)


def test_an_address_off_the_list_is_never_asked(site: Web, elsewhere: Web) -> None:
    serve(site, media(content={"url": f"{elsewhere.origin}/a.jpg"}), patient())
    with pytest.raises(errors.UrlNotAllowed):
        fetch(site)
    assert elsewhere.asked == []


@pytest.mark.parametrize(
    ("subject", "error"),
    [("Patient/p2", errors.SubjectMismatch), (None, errors.SubjectMissing), ("nobody", errors.StudyUnknown)],
    ids=["another-patients", "nobodys", "unknown"],
)
def test_a_study_that_is_not_the_patients_is_never_linked_to_the_report(site: Web, subject: str | None, error: type[Exception]) -> None:
    serve(site, media(), patient())
    if subject != "nobody":
        study = {"resourceType": "ImagingStudy", "id": "s1"} | ({"subject": {"reference": subject}} if subject else {})
        site.replies["/fhir/ImagingStudy/s1"] = Reply(200, orjson.dumps(study), FHIR)
    with pytest.raises(error):
        fetch(site, study="ImagingStudy/s1")


@pytest.mark.parametrize("path", ["/fhir/../secret", "/fhir/%2e%2e/secret", "/fhir/./../secret"])
def test_an_address_that_climbs_out_of_the_fhir_server_is_never_asked(site: Web, path: str) -> None:
    serve(site, media(content={"url": f"{site.origin}{path}"}), patient())
    with pytest.raises(errors.UrlNotAllowed):
        fetch(site)
    assert all("secret" not in asked.path for asked in site.asked)


def test_a_redirect_is_not_followed(site: Web, elsewhere: Web) -> None:
    serve(site, media(content={"url": f"{elsewhere.origin}/a.jpg"}), patient())
    elsewhere.replies["/a.jpg"] = Reply(302, b"", {"Location": f"{site.origin}/secret"})
    with pytest.raises(errors.UrlRedirected):
        fetch(site, origins=(elsewhere.origin,))
    assert all(asked.path != "/secret" for asked in site.asked)


@pytest.mark.parametrize(
    ("media", "patient", "error"),
    [
        (media(subject=None), patient(), errors.SubjectMissing),
        (media(subject={"display": "Jane Canary"}), patient(), errors.SubjectMissing),
        (media(subject={"reference": "Patient/p2"}), patient(), errors.SubjectMismatch),
        (media(subject={"reference": "https://other.example.org/fhir/Patient/p1"}), patient(), errors.SubjectUnresolved),
        (media(), patient(active=False), errors.PatientInactive),
        (media(), patient(link=[{"type": "replaced-by", "other": {"reference": "Patient/p9"}}]), errors.PatientInactive),
        (media(), patient(id="p2"), errors.PatientUnknown),
        (media(id="m2"), patient(), errors.MediaMalformed),
        (media(status="entered-in-error"), patient(), errors.MediaWithdrawn),
        (media(content=None), patient(), errors.ContentMissing),
        (media(content={"title": "x"}), patient(), errors.ContentMissing),
        (media(content={"url": "Binary/none"}), patient(), errors.ContentMissing),
        (media(content={"data": "%%%"}), patient(), errors.MediaMalformed),
        (media(content={"data": DATA, "contentType": "application/pdf"}), patient(), errors.ContentTypeWrong),
        (media(content={"data": DATA, "size": len(JPEG) + 1}), patient(), errors.SizeMismatch),
        (media(content={"data": DATA, "hash": base64.b64encode(b"x" * 20).decode()}), patient(), errors.HashMismatch),
    ],
)
def test_bad_input_is_refused_with_its_reason(site: Web, media: dict[str, Any], patient: dict[str, Any], error: type[Refused]) -> None:
    serve(site, media, patient)
    with pytest.raises(error) as caught:
        fetch(site)
    assert "Canary" not in str(caught.value)


@pytest.mark.parametrize("where", ["data", "url"])
def test_a_picture_with_too_many_bytes_is_refused(site: Web, elsewhere: Web, where: str) -> None:
    serve(site, media(content={"data": DATA} if where == "data" else {"url": f"{elsewhere.origin}/a.jpg"}), patient())
    elsewhere.replies["/a.jpg"] = Reply(200, JPEG)
    with pytest.raises(errors.ContentTooLarge):
        fetch(site, origins=(elsewhere.origin,), content_bytes_max=1000)


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, errors.MediaUnknown), (400, errors.FhirRejected), (429, Unavailable), (503, Unavailable), (401, Unavailable)],
)
def test_what_the_server_says_decides_whether_to_try_again(site: Web, status: int, error: type[Exception]) -> None:
    site.replies["/fhir/Media/m1"] = Reply(status, OUTCOME, {"Retry-After": "7"})
    with pytest.raises(error) as caught:
        fetch(site)
    if isinstance(caught.value, Unavailable):
        assert caught.value.retry_after_s == 7.0


@pytest.mark.parametrize("status", [302, 404, 410])
def test_a_gateways_own_answer_is_not_taken_for_the_fhir_servers(site: Web, status: int) -> None:
    site.replies["/fhir/Media/m1"] = Reply(status, b"<html>no such page</html>", {"Location": "/login"})
    with pytest.raises(Deferred):
        fetch(site)


@pytest.mark.parametrize(
    "url", ["https://allowed.example.org/a b.jpg", "https://allowed.example.org/\u00e9.jpg", "http://[bad", "http://host:port/"]
)
def test_an_address_that_is_none_is_the_medias_fault(site: Web, url: str) -> None:
    serve(site, media(content={"url": url}), patient())
    with pytest.raises(errors.MediaMalformed):
        fetch(site, origins=("https://allowed.example.org",))


def test_an_archive_that_is_busy_says_how_long_to_wait(site: Web, elsewhere: Web) -> None:
    serve(site, media(content={"url": f"{elsewhere.origin}/a.jpg"}), patient())
    elsewhere.replies["/a.jpg"] = Reply(503, b"", {"Retry-After": "9"})
    with pytest.raises(Deferred) as caught:
        fetch(site, origins=(elsewhere.origin,))
    assert caught.value.retry_after_s == 9.0


def test_base64_may_be_broken_into_lines(site: Web) -> None:
    broken = "\r\n".join(DATA[at : at + 76] for at in range(0, len(DATA), 76))
    serve(site, media(content={"data": broken}), patient())
    assert fetch(site).content_sha256 == hashlib.sha256(JPEG).hexdigest()


@pytest.mark.parametrize(
    ("born", "taken", "years"),
    [
        ("2008-03-01", "2026-03-01T09:30:00Z", 18),
        ("2008-03-02", "2026-03-01T09:30:00Z", 17),
        ("2005-06-01", "2019-05-02", 13),
        ("2005-06-01", "2019-07", 14),
        ("2005-06-01", "2016-12-31T23:59:60Z", 11),
        ("2005-06-01", "2019-05-02T10:00:00", 13),
    ],
    ids=["birthday", "day-before", "day-alone", "month-alone", "leap-second", "no-offset"],
)
def test_age_is_that_of_the_calendar(site: Web, born: str, taken: str, years: int) -> None:
    serve(site, media(createdDateTime=taken), patient(birthDate=born))
    assert fetch(site).facts.age_years == years


@pytest.mark.parametrize(
    ("born", "stated", "open_between"),
    [
        ("2008", {"createdDateTime": "2026-03-01T09:30:00Z"}, (17, 18)),
        ("2005-06-01", {"createdDateTime": "2019"}, (13, 14)),
        ("2005-06-01", {"createdPeriod": {"start": "2019-01-01", "end": "2024-01-01"}}, (13, 18)),
        ("2005-06-01", {"createdDateTime": "in spring"}, (0, 20)),
        ("2030", {"createdDateTime": "2019"}, (0, 125)),
    ],
    ids=["year-of-birth", "year-of-picture", "period", "words", "not-born-yet"],
)
def test_an_age_that_the_record_does_not_tell_is_given_to_no_model(site: Web, born: str, stated: dict[str, Any], open_between: Any) -> None:
    serve(site, media(**stated), patient(birthDate=born))
    facts = fetch(site).facts
    assert (facts.age_years, facts.ages_open) == (None, open_between)


@pytest.mark.parametrize("source", ["urn:tocsin:backfill", "urn:tocsin:reconcile"])
def test_a_picture_told_again_is_never_taken_for_as_new_as_its_event(site: Web, source: str) -> None:
    serve(site, media(meta={"versionId": "1", "lastUpdated": "2026-02-01T00:00:00Z"}), patient(birthDate="2005-06-01"))
    told_again = fetch(site, source=source)
    assert (told_again.facts.age_years, told_again.facts.ages_open, dict(told_again.taken.effective)) == (None, (0, 20), {})
    live = fetch(site)
    assert (live.facts.age_years, live.facts.ages_open) == (20, None)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"data": DATA, "contentType": "image/x-citrix-jpeg"}, None),
        ({"data": DATA, "contentType": "application/octet-stream"}, None),
        ({"data": DATA, "contentType": "image/png"}, errors.ContentTypeWrong),
        ({"data": DATA, "hash": hashlib.sha256(JPEG).hexdigest()}, errors.HashMalformed),
        ({"data": DATA, "size": str(len(JPEG))}, None),
    ],
    ids=["another-name", "no-name", "contradiction", "another-hash", "size-in-quotes"],
)
def test_what_an_attachment_says_is_held_against_its_bytes(site: Web, content: dict[str, Any], error: type[Refused] | None) -> None:
    serve(site, media(content=content), patient())
    if error is None:
        assert fetch(site).content == JPEG
    else:
        with pytest.raises(error):
            fetch(site)


def test_a_kind_in_words_alone_is_stated_and_unknown(site: Web) -> None:
    serve(site, media(modality={"text": "Ultrasound"}), patient())
    assert (fetch(site).modality, fetch(site).modality_stated) == ((), True)


def test_a_server_that_is_away_is_not_the_events_fault(site: Web) -> None:
    away = Web("http://127.0.0.1:9")
    with pytest.raises(Deferred, match="fhir"):
        fetch(away)
