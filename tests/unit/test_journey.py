"""One event, one picture, one patient, one report: whatever runs beside it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tocsin import errors
from tocsin.bootstrap import acceptance
from tocsin.event.model import ImagingEvent
from tocsin.image.model import Coding, PatientFacts, Picture
from tocsin.journey import Journey
from tocsin.outcome import NotAssessable, Published
from tocsin.report.compose import Issuer
from tocsin.settings import ImageSettings

from tests.builders import card, event_json, picture
from tests.fakes.stages import FakeClassifier, FakeFlags, FakePictures, FakeReports
from tests.support.pictures import textured

CARD = card()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class House:
    """A journey, and the fakes it runs on."""

    def __init__(self, pictures: dict[str, Picture]) -> None:
        self.pictures = FakePictures(pictures)
        self.classifier = FakeClassifier(CARD)
        self.reports = FakeReports()
        self.flags = FakeFlags()
        self.judge = Journey(
            pictures=self.pictures,
            acceptance=acceptance(CARD, ImageSettings()),
            classifier=self.classifier,
            issuer=Issuer(CARD, "urn:tocsin:site:test"),
            reports=self.reports,
            flags=self.flags,
            now=lambda: NOON,
        )


def event(**changes: Any) -> ImagingEvent:
    return ImagingEvent.model_validate(event_json(**changes))


def test_an_event_ends_with_a_report_in_the_record_and_a_flag_on_the_bus() -> None:
    house = House({"Media/m1": picture()})
    ending = house.judge(event())
    assert isinstance(ending, Published)
    assert [flag.report for flag in house.flags.announced] == [ending.report] == list(house.reports.written)


def test_the_same_event_twice_is_one_report_and_says_the_same_flag_again() -> None:
    house = House({"Media/m1": picture()})
    assert house.judge(event()) == house.judge(event())
    assert len({flag.id for flag in house.flags.announced}) == 1
    assert len(house.reports.written) == 1


def test_a_flag_for_a_report_that_a_clinician_signed_says_so() -> None:
    house = House({"Media/m1": picture()})
    ending = house.judge(event())
    house.reports.statuses[ending.report] = "final"
    house.judge(event())
    assert [flag.status for flag in house.flags.announced] == ["preliminary", "final"]


def test_a_verdict_that_changes_while_nobody_has_read_it_replaces_the_report_and_its_flag() -> None:
    house = House({"Media/m1": picture(modality=())})
    assert isinstance(house.judge(event()), NotAssessable)
    house.pictures.pictures["Media/m1"] = picture()
    assert isinstance(house.judge(event()), Published)
    assert [(flag.outcome, flag.report) for flag in house.flags.announced] == [
        ("not-assessable", flag.report) for flag in house.flags.announced[:1]
    ] + [("assessed", flag.report) for flag in house.flags.announced[:1]]
    [written] = house.reports.written.values()
    assert written.code == house.flags.announced[-1].band


def test_no_flag_contradicts_what_a_clinician_has_acted_on() -> None:
    house = House({"Media/m1": picture(modality=())})
    ending = house.judge(event())
    house.reports.statuses[ending.report] = "final"
    house.pictures.pictures["Media/m1"] = picture()
    house.judge(event())
    assert [flag.outcome for flag in house.flags.announced] == ["not-assessable"]
    assert house.reports.written[ending.report].code == "modality-unknown"


def test_a_picture_that_moved_to_another_patient_is_never_reported_twice() -> None:
    house = House({"Media/m1": picture()})
    house.judge(event())
    house.pictures.pictures["Media/m1"] = picture(subject="Patient/p2")
    with pytest.raises(errors.ReportOfAnother):
        house.judge(event(subject="Patient/p2"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"modality": ()}, "modality-unknown"),
        ({"modality": (Coding("http://dicom.nema.org/resources/ontology/DCM", "XC"),)}, "modality-not-accepted"),
        ({"pixels": np.zeros((64, 64, 3), dtype=np.uint8)}, "too-dark"),
        ({"pixels": np.asarray(textured(20, 20))}, "too-small"),
        ({"facts": PatientFacts(age_years=9.0)}, "outside-intended-ages"),
    ],
    ids=["kind-unknown", "photograph", "dark", "small", "child"],
)
def test_what_the_model_was_not_made_for_is_never_shown_to_it(changes: dict[str, Any], reason: str) -> None:
    house = House({"Media/m1": picture(**changes)})
    ending = house.judge(event())
    assert isinstance(ending, NotAssessable)
    assert ending.reason == reason
    assert house.classifier.calls == 0


def test_pictures_judged_side_by_side_never_mix_their_patients() -> None:
    names = {f"Media/m{number}": number for number in range(200)}
    pictures = {
        media: picture(media=media, subject=f"Patient/p{number % 2}", content_sha256=f"{number:064x}", pixels=_shade(number))
        for media, number in names.items()
    }
    house = House(pictures)
    events = [event(media=media, subject=each.subject, id=media.partition("/")[2]) for media, each in pictures.items()]
    with ThreadPoolExecutor(16) as threads:
        endings = list(threads.map(house.judge, events))
    for ending, (media, each) in zip(endings, pictures.items(), strict=True):
        written = house.reports.written[ending.report]
        [report] = [e["resource"] for e in written.bundle["entry"] if e["resource"]["resourceType"] == "DiagnosticReport"]
        assert report["media"][0]["link"]["reference"] == media
        assert report["subject"]["reference"] == each.subject
        [risk] = [e["resource"] for e in written.bundle["entry"] if e["resource"]["resourceType"] == "RiskAssessment"]
        assert risk["prediction"][0]["probabilityDecimal"] == pytest.approx(float(each.pixels.mean()) / 2.55, abs=1e-3)


def _shade(number: int) -> np.ndarray[Any, Any]:
    base = np.asarray(textured(48, 48, seed=number)).astype(np.float32)
    return np.asarray(Image.fromarray((base * (0.4 + 0.6 * number / 200)).astype(np.uint8)))
