"""Pictures from FHIR R4: Media, its Patient, and the attachment wherever it lies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Final

from tocsin.errors import (
    ContentMissing,
    ContentTypeWrong,
    HashMismatch,
    MediaMalformed,
    MediaUnknown,
    MediaWithdrawn,
    PatientInactive,
    PatientUnknown,
    SizeMismatch,
    StudyUnknown,
)
from tocsin.event.model import ImagingEvent
from tocsin.fhir.client import FhirClient, Json
from tocsin.fhir.http import Http
from tocsin.fhir.reading import an_object, objects, text
from tocsin.image.content import Contents, from_base64
from tocsin.image.decode import FORMATS
from tocsin.image.model import Coding, PatientFacts, Picture
from tocsin.image.subject import check_subject
from tocsin.settings import ImageSettings

SNOMED: Final = "http://snomed.info/sct"

_WITHDRAWN = frozenset({"entered-in-error", "not-done"})
_REPLACED = frozenset({"replaced-by", "seealso-replaced-by"})


class FhirPictures:
    """Adapter of the Pictures port. Safe for threads; keeps nothing between journeys."""

    def __init__(self, fhir: FhirClient, http: Http, settings: ImageSettings, now: Callable[[], datetime]) -> None:
        """`http` fetches from the allow-listed origins and is never given the FHIR server's token; `now` gives aware times."""
        self._fhir = fhir
        self._contents = Contents(fhir, http, settings)
        self._now = now

    def fetch(self, event: ImagingEvent) -> Picture:
        """See Pictures.fetch. Identity is settled before a byte of the picture is fetched."""
        fetched = _to_the_millisecond(self._now())
        media = self._fhir.read(event.media, unknown=lambda: MediaUnknown("no such Media", reference=event.media))
        _check_media(media, event.media)
        check_subject(media.get("subject"), event.subject, self._fhir.service_base, event.media)
        patient = self._patient(event)
        self._check_study(event)
        attachment = _attachment(media, event.media)
        content = self._contents.read(attachment, event.media, media.get("meta"))
        _verify(attachment, content, event.media)
        taken_at = _taken_at(media)
        return Picture(
            media=event.media,
            version=_version(media),
            as_of=_as_of(media) or fetched,
            fetched=fetched,
            subject=event.subject,
            content_sha256=hashlib.sha256(content).hexdigest(),
            taken_at=taken_at,
            modality=_codings(media.get("modality")) + _codings(media.get("type")),
            body_site=an_object(media.get("bodySite")) or None,
            facts=_facts(patient, media, taken_at or event.occurred_at),
            content=content,
        )

    def _check_study(self, event: ImagingEvent) -> None:
        """The report will refer to the study, so it must be this patient's."""
        if event.study is None:
            return
        study = self._fhir.read(event.study, unknown=lambda: StudyUnknown("no such ImagingStudy", reference=str(event.study)))
        if f"{study.get('resourceType')}/{study.get('id')}" != event.study:
            raise StudyUnknown("the server answered with another resource", reference=event.study)
        check_subject(study.get("subject"), event.subject, self._fhir.service_base, event.study)

    def _patient(self, event: ImagingEvent) -> Json:
        patient = self._fhir.read(event.subject, unknown=lambda: PatientUnknown("no such Patient", reference=event.subject))
        if f"{patient.get('resourceType')}/{patient.get('id')}" != event.subject:
            raise PatientUnknown("the server answered with another resource", reference=event.subject)
        if patient.get("active") is False:
            raise PatientInactive("Patient.active is false", reference=event.subject)
        if any(text(link.get("type")) in _REPLACED for link in objects(patient.get("link"))):
            raise PatientInactive("the Patient was merged into another", reference=event.subject)
        return patient


def _check_media(media: Json, reference: str) -> None:
    if f"{media.get('resourceType')}/{media.get('id')}" != reference:
        raise MediaMalformed("the server answered with another resource", reference=reference)
    if text(media.get("status")) in _WITHDRAWN:
        raise MediaWithdrawn(f"Media.status is {media['status']}", reference=reference)


def _attachment(media: Json, reference: str) -> Json:
    attachment = media.get("content")
    if not isinstance(attachment, dict):
        raise ContentMissing("the Media has no content", reference=reference)
    media_type = str(attachment.get("contentType", "")).partition(";")[0].strip().lower()
    if media_type and media_type not in FORMATS:
        raise ContentTypeWrong(f"content.contentType is none of {', '.join(FORMATS)}", reference=reference)
    return attachment


def _verify(attachment: Json, content: bytes, reference: str) -> None:
    """Size and SHA-1 as FHIR R4's Attachment states them, where it does."""
    if not content:
        raise ContentMissing("the attachment is empty", reference=reference)
    size = attachment.get("size")
    if size is not None and size != len(content):
        raise SizeMismatch(f"content.size is {size}, the attachment has {len(content)} bytes", reference=reference)
    stated = attachment.get("hash")
    if stated is not None and from_base64(stated, reference) != hashlib.sha1(content, usedforsecurity=False).digest():
        raise HashMismatch("content.hash is not the attachment's SHA-1", reference=reference)


def _codings(concept: Any) -> tuple[Coding, ...]:
    stated = ((text(each.get("system")) or None, text(each.get("code"))) for each in objects(an_object(concept).get("coding")))
    return tuple(Coding(system, code) for system, code in stated if code)


def _facts(patient: Json, media: Json, when: datetime) -> PatientFacts:
    site = tuple(coding.code for coding in _codings(media.get("bodySite")) if coding.system == SNOMED)
    return PatientFacts(sex=text(patient.get("gender")) or None, age_years=_age_years(patient.get("birthDate"), when), body_site_codes=site)


def _age_years(birth_date: Any, when: datetime) -> float | None:
    """Whole years at the picture, from a FHIR date; only the year of birth: the difference of years. None where it makes no sense."""
    stated = str(birth_date)
    try:
        born = date.fromisoformat(stated + "-01-01"[len(stated) - 4 :] if len(stated) in (4, 7) else stated)
    except ValueError:
        return None
    day = when.date()
    age = float(day.year - born.year - ((day.month, day.day) < (born.month, born.day)))
    return age if 0 <= age <= 125 else None


def _version(media: Json) -> str | None:
    meta = an_object(media.get("meta"))
    stated = meta.get("versionId") or meta.get("lastUpdated")
    return None if stated is None else str(stated)


def _as_of(media: Json) -> datetime | None:
    when = _aware(an_object(media.get("meta")).get("lastUpdated"))
    return None if when is None else _to_the_millisecond(when)


def _to_the_millisecond(when: datetime) -> datetime:
    """What every FHIR server keeps of an instant."""
    return when.replace(microsecond=when.microsecond // 1000 * 1000)


def _taken_at(media: Json) -> datetime | None:
    """Media.created[x] as an aware time; a FHIR date without a time of day cannot be one and gives None."""
    return _aware(media.get("createdDateTime") or an_object(media.get("createdPeriod")).get("start"))


def _aware(stated: object) -> datetime | None:
    try:
        when = datetime.fromisoformat(str(stated))
    except ValueError:
        return None
    return when if when.tzinfo else None
