"""Pictures from FHIR R4: Media, its Patient, and the attachment wherever it lies."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from tocsin.errors import (
    ContentMissing,
    ContentTooLarge,
    ContentTypeWrong,
    HashMismatch,
    MediaMalformed,
    MediaUnknown,
    MediaWithdrawn,
    PatientInactive,
    PatientUnknown,
    SizeMismatch,
    StudyUnknown,
    SubjectMismatch,
    SubjectMissing,
    UrlNotAllowed,
    UrlRedirected,
    UrlRefused,
)
from tocsin.event.model import FHIR_ID, ImagingEvent
from tocsin.fhir.client import FhirClient, Json, accepted, deferral, is_absent, is_deferrable
from tocsin.fhir.http import Answer, BodyTooLarge, Http
from tocsin.image.decode import FORMATS
from tocsin.image.model import Coding, PatientFacts, Picture
from tocsin.settings import ImageSettings

SNOMED: Final = "http://snomed.info/sct"

_REFERENCE = re.compile(rf"^(?:(?P<base>https?://.+)/)?(?P<local>(?:Patient|Media|Binary)/{FHIR_ID})(?:/_history/{FHIR_ID})?$")
_SPACE = re.compile(r"\s+")
_WITHDRAWN = frozenset({"entered-in-error", "not-done"})
_REPLACED = frozenset({"replaced-by", "seealso-replaced-by"})


class FhirPictures:
    """Adapter of the Pictures port. Safe for threads; keeps nothing between journeys."""

    def __init__(self, fhir: FhirClient, http: Http, settings: ImageSettings, now: Callable[[], datetime]) -> None:
        """`http` fetches from the allow-listed origins and is never given the FHIR server's token; `now` gives aware times."""
        self._fhir = fhir
        self._http = http
        self._settings = settings
        self._now = now

    def fetch(self, event: ImagingEvent) -> Picture:
        """See Pictures.fetch. Identity is settled before a byte of the picture is fetched."""
        fetched = _to_the_millisecond(self._now())
        media = self._fhir.read(event.media, unknown=lambda: MediaUnknown("no such Media", reference=event.media))
        _check_media(media, event.media)
        self._check_subject(media, event)
        patient = self._patient(event)
        self._check_study(event)
        attachment = _attachment(media, event.media)
        content = self._content(attachment, event.media)
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
            body_site=media.get("bodySite"),
            facts=_facts(patient, media, taken_at or event.occurred_at),
            content=content,
        )

    def _check_subject(self, media: Json, event: ImagingEvent) -> None:
        stated = (media.get("subject") or {}).get("reference")
        if not stated:
            raise SubjectMissing("the Media has no subject.reference", reference=event.media)
        if self._local(stated) != event.subject:
            raise SubjectMismatch(f"the event names {event.subject}, the Media another subject", reference=event.media)

    def _check_study(self, event: ImagingEvent) -> None:
        """The report will refer to the study, so it must be this patient's."""
        if event.study is None:
            return
        study = self._fhir.read(event.study, unknown=lambda: StudyUnknown("no such ImagingStudy", reference=str(event.study)))
        if self._local((study.get("subject") or {}).get("reference") or "") != event.subject:
            raise SubjectMismatch(f"the event names {event.subject}, the ImagingStudy another subject", reference=event.study)

    def _local(self, reference: str) -> str | None:
        """Type/id of a reference into this server; None for any other."""
        match = _REFERENCE.match(reference)
        if match is None or match["base"] not in (None, self._fhir.base_url):
            return None
        return match["local"]

    def _patient(self, event: ImagingEvent) -> Json:
        patient = self._fhir.read(event.subject, unknown=lambda: PatientUnknown("no such Patient", reference=event.subject))
        if f"{patient.get('resourceType')}/{patient.get('id')}" != event.subject:
            raise PatientUnknown("the server answered with another resource", reference=event.subject)
        if patient.get("active") is False:
            raise PatientInactive("Patient.active is false", reference=event.subject)
        if any(link.get("type") in _REPLACED for link in patient.get("link", [])):
            raise PatientInactive("the Patient was merged into another", reference=event.subject)
        return patient

    def _content(self, attachment: Json, media: str) -> bytes:
        if attachment.get("data"):
            return self._bounded(_base64(attachment["data"], media), media)
        if not attachment.get("url"):
            raise ContentMissing("the Media has neither content.data nor content.url", reference=media)
        try:
            return self._fetched(_address(attachment["url"], media), media)
        except BodyTooLarge:
            raise self._too_large(media) from None

    def _fetched(self, url: str, media: str) -> bytes:
        local = self._local(url)
        if local is not None and local.startswith("Binary/"):
            return self._binary(local, media)
        if self._fhir.owns(url):
            path = url[len(self._fhir.base_url) + 1 :]
            answer = self._fhir.get(path, accept="*/*", body_bytes_max=self._settings.content_bytes_max)
            if is_absent(answer):
                raise ContentMissing(f"content.url answered HTTP {answer.status}", reference=media)
            return accepted(answer, media).body
        return self._foreign(url, media)

    def _binary(self, reference: str, media: str) -> bytes:
        """A Binary is handed out as its own bytes, or wrapped in JSON by servers that know no other form (FHIR R4, Binary)."""
        # In JSON the bytes are base64: four characters for three, and a little around them.
        limit = self._settings.content_bytes_max * 4 // 3 + 4096
        answer = self._fhir.get(reference, accept=", ".join(FORMATS), body_bytes_max=limit)
        if is_absent(answer):
            raise ContentMissing(f"{reference} does not exist", reference=media)
        accepted(answer, reference)
        if answer.media_type in ("application/fhir+json", "application/json"):
            return self._bounded(_unwrapped(answer.body, reference, media), media)
        return self._bounded(answer.body, media)

    def _foreign(self, url: str, media: str) -> bytes:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc.lower()}"
        if origin not in self._settings.url_origins_allowed:
            raise UrlNotAllowed("content.url names an origin that is not allowed", reference=media)
        headers = {"Accept": ", ".join(FORMATS)}
        answer = self._http.exchange("GET", url, neighbour=origin, headers=headers, body_bytes_max=self._settings.content_bytes_max)
        return _handed_out(answer, origin, media)

    def _bounded(self, content: bytes, media: str) -> bytes:
        if len(content) > self._settings.content_bytes_max:
            raise self._too_large(media)
        return content

    def _too_large(self, media: str) -> ContentTooLarge:
        return ContentTooLarge(f"more than {self._settings.content_bytes_max} bytes", reference=media)


def _check_media(media: Json, reference: str) -> None:
    if f"{media.get('resourceType')}/{media.get('id')}" != reference:
        raise MediaMalformed("the server answered with another resource", reference=reference)
    if media.get("status") in _WITHDRAWN:
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
    if stated is not None and _base64(stated, reference) != hashlib.sha1(content, usedforsecurity=False).digest():
        raise HashMismatch("content.hash is not the attachment's SHA-1", reference=reference)


def _address(url: object, media: str) -> str:
    """content.url where it is an address at all (RFC 3986: ASCII, no spaces); MediaMalformed else."""
    text = str(url)
    try:
        urlsplit(text).port  # noqa: B018 - raises on a port or a host that is none
    except ValueError:
        raise MediaMalformed("content.url is no address", reference=media) from None
    if not text.isascii() or not text.isprintable() or " " in text:
        raise MediaMalformed("content.url has characters that no address has", reference=media)
    return text


def _handed_out(answer: Answer, neighbour: str, media: str) -> bytes:
    if 200 <= answer.status < 300:
        return answer.body
    if 300 <= answer.status < 400:
        raise UrlRedirected(f"content.url answered HTTP {answer.status}", reference=media)
    if is_deferrable(answer.status) and answer.status not in (401, 403):
        wait_s = answer.retry_after_s(datetime.now(UTC))
        raise deferral(neighbour, answer.status, f"HTTP {answer.status} for the content of {media}", wait_s)
    if answer.status in (404, 410):
        raise ContentMissing(f"content.url answered HTTP {answer.status}", reference=media)
    raise UrlRefused(f"content.url answered HTTP {answer.status}", reference=media)


def _unwrapped(body: bytes, reference: str, media: str) -> bytes:
    try:
        data = orjson.loads(body)["data"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise ContentMissing(f"{reference} holds no data", reference=media) from None
    return _base64(data, media)


def _base64(text: Any, reference: str) -> bytes:
    try:
        return base64.b64decode(_SPACE.sub("", text), validate=True)  # FHIR R4 base64Binary may hold white space
    except (binascii.Error, TypeError, ValueError):
        raise MediaMalformed("base64 is damaged", reference=reference) from None


def _codings(concept: Any) -> tuple[Coding, ...]:
    if not isinstance(concept, dict):
        return ()
    return tuple(Coding(each.get("system"), each["code"]) for each in concept.get("coding", []) if each.get("code"))


def _facts(patient: Json, media: Json, when: datetime) -> PatientFacts:
    site = tuple(coding.code for coding in _codings(media.get("bodySite")) if coding.system == SNOMED)
    return PatientFacts(sex=patient.get("gender"), age_years=_age_years(patient.get("birthDate"), when), body_site_codes=site)


def _age_years(birth_date: Any, when: datetime) -> float | None:
    """Whole years at the picture, from a FHIR date; only the year of birth: the difference of years. None where it makes no sense."""
    text = str(birth_date)
    try:
        born = date.fromisoformat(text + "-01-01"[len(text) - 4 :] if len(text) in (4, 7) else text)
    except ValueError:
        return None
    day = when.date()
    age = float(day.year - born.year - ((day.month, day.day) < (born.month, born.day)))
    return age if 0 <= age <= 125 else None


def _version(media: Json) -> str | None:
    meta = media.get("meta") or {}
    stated = meta.get("versionId") or meta.get("lastUpdated")
    return None if stated is None else str(stated)


def _as_of(media: Json) -> datetime | None:
    when = _aware((media.get("meta") or {}).get("lastUpdated"))
    return None if when is None else _to_the_millisecond(when)


def _to_the_millisecond(when: datetime) -> datetime:
    """What every FHIR server keeps of an instant."""
    return when.replace(microsecond=when.microsecond // 1000 * 1000)


def _taken_at(media: Json) -> datetime | None:
    """Media.created[x] as an aware time; a FHIR date without a time of day cannot be one and gives None."""
    return _aware(media.get("createdDateTime") or (media.get("createdPeriod") or {}).get("start"))


def _aware(text: object) -> datetime | None:
    try:
        when = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return when if when.tzinfo else None
