"""One event, one picture, one patient, one report: whatever runs beside it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, use_span
from PIL import Image
from tocsin import errors
from tocsin.fhir.datatypes import Coding
from tocsin.image.decode import decode
from tocsin.image.memory_budget import Allowance
from tocsin.image.types import PatientFacts, Picture
from tocsin.inference.inputs import image_tensor
from tocsin.outcome import NotAssessable, Published

from tests.builders import picture
from tests.support.judging import CARD, PIXELS_MAX, BrokenFlags, House, event
from tests.support.pictures import encoded, textured


def test_an_event_ends_with_a_report_in_the_record_and_a_flag_on_the_bus() -> None:
    house = House({"Media/m1": picture()})
    ending = house.judge(event())
    assert isinstance(ending, Published)
    assert [flag.report for flag in house.flags.announced] == [ending.report] == list(house.reports.written)


def traced(trace_id: int) -> AbstractContextManager[Span]:
    """A block within the trace of this id."""
    return use_span(NonRecordingSpan(SpanContext(trace_id, 1, is_remote=True)))


def test_a_report_names_the_trace_in_which_it_was_made_and_no_later_trace_has_it_judged_or_written_again() -> None:
    house = House({"Media/m1": picture()})
    with traced(0xABC):
        house.judge(event())
    with traced(0xDEF):
        house.judge(event())
    [stored] = house.reports.standings.values()
    assert stored.mark is not None
    assert stored.mark.trace_id == f"{0xABC:032x}"
    assert (house.classifier.calls, house.reports.versions[stored.reference]) == (1, 1)


def test_the_same_event_twice_is_one_report_and_says_the_same_flag_again() -> None:
    house = House({"Media/m1": picture()})
    assert house.judge(event()) == house.judge(event())
    assert len({flag.id for flag in house.flags.announced}) == 1
    assert len(house.reports.written) == 1


def test_an_event_that_has_ended_is_recognised_without_a_look_at_its_picture() -> None:
    house = House({"Media/m1": picture()})
    ending = house.judge(event())
    house.pictures.pictures["Media/m1"] = replace(house.pictures.pictures["Media/m1"], content=b"not looked at")
    assert house.judge(event()) == ending
    assert house.classifier.calls == 1
    assert house.reports.versions[ending.report] == 1
    first, again = house.flags.announced
    assert again == first


def test_an_event_whose_picture_is_not_assessable_is_recognised_as_well() -> None:
    house = House({"Media/m1": picture(modality=())})
    ending = house.judge(event())
    assert house.judge(event()) == ending == NotAssessable(ending.report, "modality-unknown")
    assert house.reports.versions[ending.report] == 1
    assert [(flag.outcome, flag.reason, flag.probability) for flag in house.flags.announced] == [
        ("not-assessable", "modality-unknown", None)
    ] * 2


def test_an_event_that_ended_in_the_record_alone_gets_its_flag_at_the_next_attempt() -> None:
    """Its process died in between."""
    house = House({"Media/m1": picture()}, flags=BrokenFlags(fail_at=1))
    with pytest.raises(errors.Deferred):
        house.judge(event())
    ending = house.judge(event())
    assert isinstance(ending, Published)
    assert [flag.report for flag in house.flags.announced] == [ending.report]
    assert house.classifier.calls == 1


def test_pictures_wait_for_room_and_an_event_that_finds_none_is_tried_again() -> None:
    allowance = Allowance(100_000, wait_s=0.01)
    house = House({"Media/m1": picture()}, allowance=allowance)
    with allowance.room(99_000), pytest.raises(errors.Contended, match="memory"):
        house.judge(event())
    assert house.reports.written == {}
    assert isinstance(house.judge(event()), Published)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"no picture", errors.NotAnImage),
        (encoded(textured())[:2000], errors.ImageTruncated),
        (encoded(Image.new("1", (2000, 2000)), "PNG"), errors.TooManyPixels),
    ],
    ids=["no-picture", "cut-short", "too-large"],
)
def test_bytes_that_are_no_picture_are_refused(content: bytes, error: type[errors.Refused]) -> None:
    house = House({"Media/m1": picture(content=content)})
    with pytest.raises(error, match="Media/m1"):
        house.judge(event())
    assert house.reports.written == {}
    assert house.flags.announced == []


def test_a_picture_that_moved_to_another_patient_is_never_reported_twice() -> None:
    house = House({"Media/m1": picture()})
    house.judge(event())
    house.pictures.pictures["Media/m1"] = picture(subject="Patient/p2")
    with pytest.raises(errors.ReportOfAnother):
        house.judge(event(subject="Patient/p2"))


def test_a_picture_that_moved_to_another_patient_is_reported_once_the_advice_was_followed() -> None:
    house = House({"Media/m1": picture()})
    wrong = house.judge(event())
    house.pictures.pictures["Media/m1"] = picture(subject="Patient/p2")
    house.reports.sign(wrong.report, "entered-in-error")
    with pytest.raises(errors.ReportOfAnother) as caught:
        house.judge(event(subject="Patient/p2"))
    assert "store the picture as a new Media under the right patient" in caught.value.advice
    house.pictures.pictures["Media/m2"] = picture(subject="Patient/p2", media="Media/m2")
    assert isinstance(house.judge(event(subject="Patient/p2", media="Media/m2")), Published)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"modality": ()}, "modality-unknown"),
        ({"modality": (Coding("http://dicom.nema.org/resources/ontology/DCM", "XC"),)}, "modality-not-accepted"),
        ({"image": Image.new("RGB", (64, 64))}, "too-dark"),
        ({"image": textured(20, 20)}, "too-small"),
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
        media: picture(media=media, subject=f"Patient/p{number % 2}", content_sha256=f"{number:064x}", image=_shade(number))
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
        total, *_ = [e["resource"] for e in written.bundle["entry"] if e["resource"]["resourceType"] == "Observation"]
        assert total["valueQuantity"]["value"] == pytest.approx(_brightness(each) / 100, abs=1e-5)


def _shade(number: int) -> Image.Image:
    base = np.asarray(textured(48, 48, seed=number)).astype(np.float32)
    return Image.fromarray((base * (0.4 + 0.6 * number / 200)).astype(np.uint8))


def _brightness(of: Picture) -> float:
    """In per cent."""
    pixels = decode(of.content, pixels_max=PIXELS_MAX, reduce_to_px=None, reference=of.media)
    return float(image_tensor(pixels, CARD.image).mean(dtype=np.float64)) / 2.55
