"""A picture of which an event alone said when it was taken keeps that time, and so its verdict, when Tocsin tells of it again."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from tocsin.event.types import RETOLD
from tocsin.fhir.canonical import DICOM_MODALITY
from tocsin.fhir.client import FhirClient
from tocsin.fhir.http import Http
from tocsin.image.fhir import FhirPictures
from tocsin.journey import Journey
from tocsin.outcome import NotAssessable, Published
from tocsin.settings import FhirSettings, ImageSettings

from tests.support.judging import House, event
from tests.support.pictures import encoded, textured
from tests.support.web import Web, web
from tests.unit.image.test_fhir import media, patient, serve

TAKEN = "2026-03-01T09:30:00+01:00"
DERMOSCOPY = {"coding": [{"system": DICOM_MODALITY, "code": "DMS"}]}
OTHER = base64.b64encode(encoded(textured(seed=2))).decode()


class Hospital:
    """A FHIR server that holds one Media, which states no time, and a journey that reads it."""

    def __init__(self, site: Web) -> None:
        self.site = site
        self.house = House({})
        self.version = count(1)
        self.put()

    def put(self, birthday: str = "1970-06-01", **changes: Any) -> None:
        """The Media is stored with these changes, and the patient with this birthday."""
        number = next(self.version)
        meta = {"versionId": str(number), "lastUpdated": f"2026-03-0{number}T10:00:00Z"}
        serve(self.site, media(meta=meta, modality=DERMOSCOPY, **changes), patient(birthDate=birthday))

    def judge(self, journey: Journey | None = None, **changes: Any) -> Published | NotAssessable:
        """What a process makes of an event with these changes."""
        fhir = FhirClient(FhirSettings(base_url=f"{self.site.origin}/fhir", request_timeout_s=2.0))
        http = Http(connect_timeout_s=1.0, request_timeout_s=2.0)
        clock = count()
        pictures = FhirPictures(fhir, http, ImageSettings(), lambda: datetime(2026, 3, 10, 12, next(clock), tzinfo=UTC))
        return replace(journey or self.house.judge, pictures=pictures)(event(**changes))

    def again(self, source: str = "urn:tocsin:reconcile", journey: Journey | None = None) -> Published | NotAssessable:
        """What a process makes of an event of Tocsin's own."""
        return self.judge(journey, source=source, id="again-1", occurred_at="2026-03-09T12:00:00Z")

    def effective(self, report: str) -> object:
        """When the report says that the picture was taken."""
        return self.house.reports.written[report].bundle["entry"][0]["resource"].get("effectiveDateTime")


@pytest.fixture
def hospital() -> Iterator[Hospital]:
    with web() as running:
        yield Hospital(running)


@pytest.mark.parametrize("source", ["urn:tocsin:backfill", "urn:tocsin:reconcile"])
def test_a_report_keeps_its_verdict_and_its_time_when_its_media_gets_a_note_and_is_told_again(hospital: Hospital, source: str) -> None:
    first = hospital.judge(occurred_at=TAKEN)
    assert isinstance(first, Published)
    hospital.put(note=[{"text": "seen"}])
    assert hospital.again(source) == first
    assert hospital.effective(first.report) == TAKEN
    assert hospital.house.reports.versions[first.report] == 2
    assert {(flag.band, flag.status) for flag in hospital.house.flags.announced} == {(first.band, "preliminary")}


def test_a_new_edition_or_model_judges_a_picture_told_again_by_the_time_that_the_older_report_states(hospital: Hospital) -> None:
    first = hospital.judge(occurred_at=TAKEN)
    point = hospital.house.judge.judge.card.operating_point.model_dump()
    point["bands"][2]["at_least"] = 1.0
    edition = hospital.again("urn:tocsin:backfill", hospital.house.version(edition=1, operating_point=point))
    assert edition == Published(first.report, "raised")
    model = hospital.again("urn:tocsin:backfill", hospital.house.version(edition=1, version="4"))
    assert isinstance(model, Published)
    assert model.report != first.report
    assert hospital.effective(model.report) == TAKEN


def test_other_facts_of_a_picture_told_again_are_judged_by_the_time_that_its_report_states(hospital: Hospital) -> None:
    first = hospital.judge(occurred_at=TAKEN)
    hospital.put(birthday="2009-06-01")
    assert hospital.again() == NotAssessable(first.report, "outside-intended-ages")


@pytest.mark.parametrize("source", sorted(RETOLD))
def test_a_picture_of_which_nobody_ever_said_when_it_was_taken_stays_unassessable(hospital: Hospital, source: str) -> None:
    first = hospital.again(source)
    hospital.put(note=[{"text": "seen"}])
    assert hospital.again() == NotAssessable(first.report, "age-not-certain")


def test_other_bytes_have_no_time_from_the_report_on_the_earlier_ones(hospital: Hospital) -> None:
    first = hospital.judge(occurred_at=TAKEN)
    hospital.put(content={"data": OTHER})
    again = hospital.again()
    assert (again.report != first.report, isinstance(again, NotAssessable)) == (True, True)


def test_a_report_that_a_clinician_withdrew_says_no_time(hospital: Hospital) -> None:
    first = hospital.judge(occurred_at=TAKEN)
    hospital.house.reports.sign(first.report, "entered-in-error")
    newer = hospital.again("urn:tocsin:backfill", hospital.house.version(edition=1, version="4"))
    assert isinstance(newer, NotAssessable)
