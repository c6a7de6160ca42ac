"""Pictures from FHIR R4: Media, its Patient, and the attachment wherever it lies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

from tocsin.errors import (
    MediaUnknown,
    PatientUnknown,
    StudyUnknown,
)
from tocsin.event.types import ImagingEvent
from tocsin.fhir.canonical import SNOMED
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Json, an_object, codings, instant, state_of, text, to_the_millisecond
from tocsin.fhir.http import Http
from tocsin.image.attachment import attachment_of, verify
from tocsin.image.content import Contents
from tocsin.image.device import device_of
from tocsin.image.identity import check_media, check_patient, check_study
from tocsin.image.kind import kind_of
from tocsin.image.taken import ages, birth, taken
from tocsin.image.types import PatientFacts, Picture
from tocsin.settings import ImageSettings


class FhirPictures:
    """Adapter of the Pictures port. Safe for threads; keeps nothing between journeys."""

    def __init__(self, fhir: FhirClient, http: Http, settings: ImageSettings, now: Callable[[], datetime]) -> None:
        """`http` fetches from the allow-listed origins and is never given the FHIR server's token; `now` gives aware times."""
        self._fhir = fhir
        self._contents = Contents(fhir, http, settings)
        self._now = now

    def fetch(self, event: ImagingEvent) -> Picture:
        """See Pictures.fetch. Identity is settled before a byte of the picture is fetched."""
        fetched = to_the_millisecond(self._now())
        media, patient = self._identified(event)
        attachment = attachment_of(media, event.media)
        content = self._contents.read(attachment, event.media, media.get("meta"))
        verify(attachment, content, event.media)
        as_of = _as_of(media) or fetched
        when, born, kind = taken(media, announced=event.taken_at, stored=as_of), birth(patient.get("birthDate")), kind_of(media)
        return Picture(
            media=event.media,
            version=state_of(media),
            as_of=as_of,
            fetched=fetched,
            subject=event.subject,
            content_sha256=hashlib.sha256(content).hexdigest(),
            taken=when,
            modality=kind.codings,
            modality_stated=kind.stated,
            body_site=an_object(media.get("bodySite")) or None,
            born=born,
            facts=_facts(patient, media, ages(born, when.days)),
            content=content,
            device=device_of(media, self._fhir.service_base),
        )

    def _identified(self, event: ImagingEvent) -> tuple[Json, Json]:
        """The event's Media and Patient, once they and its study are known to be one patient's.

        All are asked for side by side, and looked at in this order: what is wrong with the Media is told first.
        """
        read = self._fhir.reading
        asked = [
            read(event.media, unknown=lambda: MediaUnknown("no such Media", reference=event.media)),
            read(event.subject, unknown=lambda: PatientUnknown("no such Patient", reference=event.subject)),
        ]
        if (study := event.study) is not None:
            asked.append(read(study, unknown=lambda: StudyUnknown("no such ImagingStudy", reference=study)))
        media_read, patient_read, *studies_read = self._fhir.together(*asked)
        check_media(media := media_read(), event, self._fhir.service_base)
        check_patient(patient := patient_read(), event)
        for each in studies_read:
            check_study(each(), event, self._fhir.service_base)
        return media, patient


def _facts(patient: Json, media: Json, years: tuple[int, int] | None) -> PatientFacts:
    """The patient's facts for the model; `years`: the youngest and the oldest age at the picture that the record leaves open."""
    site = tuple(coding.code for coding in codings(media.get("bodySite")) if coding.system == SNOMED)
    return PatientFacts(text(patient.get("gender")) or None, None, site).aged(years)


def _as_of(media: Json) -> datetime | None:
    when = instant(an_object(media.get("meta")).get("lastUpdated"))
    return None if when is None else to_the_millisecond(when)
