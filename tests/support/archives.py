"""A record with pictures of one test alone, in memory or on a real FHIR server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Protocol

import orjson
from tocsin.archive.fhir import FhirArchive
from tocsin.archive.ports import Archive
from tocsin.archive.types import Candidate, Cursor, Page, Query, ReportSummary
from tocsin.clock import utc_now
from tocsin.event.types import ImagingEvent
from tocsin.fhir.canonical import DICOM_MODALITY
from tocsin.fhir.client import FhirClient
from tocsin.model_card import ModelCard
from tocsin.report.resources.compose import Issuer, compose
from tocsin.report.resources.device import device
from tocsin.risk.judge import judge
from tocsin.settings import BackfillSettings, FhirSettings

from tests.builders import card, event_json, findings, grounds_on, picture
from tests.fakes.archive import FakeArchive, Image

Json = dict[str, Any]


class Store(Protocol):
    """A record with pictures of this test alone."""

    archive: Archive
    mark: str

    def put(self, *ids: str, **changes: Any) -> list[str]:
        """Write completed dermoscopy pictures, all at one time; gives their references."""

    def report(self, media: str, study: str | None = None) -> str:
        """Write a report of this installation on a picture; gives its reference."""


class FakeStore:
    """The record in memory; its clock moves with each writing."""

    def __init__(self) -> None:
        self.mark = secrets.token_hex(4)
        self._fake = FakeArchive()
        self.archive: Archive = self._fake
        self._now = utc_now()

    def put(self, *ids: str, **changes: Any) -> list[str]:
        self._now += timedelta(milliseconds=1)
        references = [f"Media/{self.mark}-{each}" for each in ids]
        for each in references:
            self._fake.put(Image(each, self._now, **{"identifier": self.mark} | changes))
        return references

    def report(self, media: str, study: str | None = None) -> str:
        self._now += timedelta(milliseconds=1)
        reference = f"DiagnosticReport/on-{media.partition('/')[2]}"
        as_of = self._fake.images[media].updated
        self._fake.reports[reference] = ReportSummary(reference, media, self._now, as_of, calls=True, study=study)
        return reference


class FhirStore:
    """The record on a real FHIR server."""

    def __init__(self, base_url: str, settings: BackfillSettings) -> None:
        self.mark = secrets.token_hex(4)
        self.source = f"urn:test:{self.mark}"
        self.fhir = FhirClient(FhirSettings(base_url=base_url))
        self.archive: Archive = FhirArchive(self.fhir, self.source, settings, utc_now)
        self.fhir.put({"resourceType": "Patient", "id": f"p-{self.mark}"})
        self._card: ModelCard = card()
        self.fhir.put(device(self._card, self.source))

    def put(self, *ids: str, **changes: Any) -> list[str]:
        whole: Json = {"subject": f"Patient/p-{self.mark}", "status": "completed", "modality": "DMS", "created": "2026-03-01"} | changes
        media = [self._media(f"{self.mark}-{each}", whole) for each in ids]
        entries = [
            {"fullUrl": f"{self.fhir.base_url}/Media/{each['id']}", "resource": each, "request": _put(f"Media/{each['id']}")}
            for each in media
        ]
        self.fhir.transact({"resourceType": "Bundle", "type": "transaction", "entry": entries}, "Media")
        return [f"Media/{each['id']}" for each in media]

    def _media(self, media_id: str, whole: Json) -> Json:
        fields: Json = {
            "type": whole.get("type") and {"coding": [{"system": DICOM_MODALITY, "code": whole["type"]}]},
            "subject": whole["subject"] and {"reference": whole["subject"]},
            "modality": whole["modality"] and {"coding": [{"system": DICOM_MODALITY, "code": whole["modality"]}]},
            "createdDateTime": f"{whole['created']}T09:00:00Z",
        }
        media: Json = {"resourceType": "Media", "id": media_id, "status": whole["status"], "identifier": [{"value": self.mark}]}
        content = {"contentType": "image/jpeg", "data": "AAAA", "title": secrets.token_hex(4)}
        return media | {name: value for name, value in fields.items() if value} | {"content": content}

    def report(self, media: str, study: str | None = None) -> str:
        subject = f"Patient/p-{self.mark}"
        if study is not None:
            self.fhir.put({"resourceType": "ImagingStudy", "id": study.partition("/")[2], "status": "available"} | _of(subject))
        event = ImagingEvent.model_validate_json(orjson.dumps(event_json(media=media, subject=subject, study=study)))
        judgement = judge(findings(), self._card)
        issuer = Issuer(self._card, self.source)
        as_of = next(each.updated for each in self.archive.named([media]))
        report = compose(event, picture(media=media, subject=subject, as_of=as_of), grounds_on("0c"), judgement, issuer, utc_now())
        entries = [each for each in report.bundle["entry"] if each["resource"]["resourceType"] != "Provenance"]
        self.fhir.transact(report.bundle | {"entry": entries}, report.reference)
        return report.reference


def _of(subject: str) -> Json:
    return {"subject": {"reference": subject}}


def _put(reference: str) -> Json:
    return {"method": "PUT", "url": reference}


SETTINGS = BackfillSettings(settle_s=0)


def of(store: Store, **changes: Any) -> Query:
    """Finds the pictures of this test alone."""
    return Query(where=(f"identifier={store.mark}",), **changes)


def pages(store: Store, query: Query, count: int, cursor: Cursor | None = None) -> Iterator[Page]:
    """From page to page, each read by nothing but the cursor of the one before."""
    for _ in range(100):
        page = store.archive.media(query, cursor, count)
        yield page
        if page.last:
            return
        cursor = Cursor.model_validate_json(page.cursor.model_dump_json()) if page.cursor else None
    raise AssertionError("it goes on for ever")


def names(candidates: tuple[Candidate, ...] | list[Candidate]) -> list[str]:
    return [each.media for each in candidates]


def changed_just_now(store: Store) -> Iterator[Candidate]:
    return store.archive.changed(of(store), utc_now() - timedelta(minutes=5), utc_now() + timedelta(minutes=5))
