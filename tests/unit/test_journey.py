"""One event, one picture, one patient, one report: whatever runs beside it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, use_span
from PIL import Image
from structlog.testing import capture_logs
from tocsin import errors
from tocsin.event.types import ImagingEvent
from tocsin.fhir.datatypes import Coding
from tocsin.image.decode import Decoder, decode
from tocsin.image.gate import acceptance
from tocsin.image.memory_budget import Allowance
from tocsin.image.types import PatientFacts, Picture
from tocsin.inference.inputs import image_tensor
from tocsin.journey import Journey
from tocsin.outcome import NotAssessable, Published
from tocsin.report.flag import Flag
from tocsin.report.grounds import grounds_by
from tocsin.report.publish import NUMBER, TOLD_MAX, Publisher
from tocsin.report.resources.compose import Issuer
from tocsin.report.types import Report, StoredReport
from tocsin.settings import ImageSettings

from tests.builders import card, event_json, picture
from tests.fakes.stages import FakeClassifier, FakeFlags, FakePictures, FakeReports
from tests.support.pictures import encoded, textured

CARD = card()
ISSUER = Issuer(CARD, "urn:tocsin:site:test")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PIXELS_MAX = 1_000_000


class House:
    """A journey, and the fakes it runs on."""

    def __init__(
        self,
        pictures: dict[str, Picture],
        *,
        allowance: Allowance | None = None,
        flags: FakeFlags | None = None,
        reports: FakeReports | None = None,
    ) -> None:
        self.pictures = FakePictures(pictures)
        self.classifier = FakeClassifier(CARD)
        self.reports = reports or FakeReports(ISSUER)
        self.flags = flags or FakeFlags()
        self.judge = Journey(
            pictures=self.pictures,
            decoder=Decoder(allowance or Allowance(100_000_000, 10), pixels_max=PIXELS_MAX, reduce_to_px=None),
            acceptance=acceptance(CARD, ImageSettings()),
            classifier=self.classifier,
            card=CARD,
            grounds=grounds_by(CARD, acceptance(CARD, ImageSettings()), edition=0),
            publisher=Publisher(self.reports, self.flags, ISSUER, lambda: NOON),
        )

    def version(self, *, edition: int, **card_changes: Any) -> Journey:
        """Another deployment on the same record and bus."""
        other = card(**card_changes)
        issuer = Issuer(other, ISSUER.source)
        reports = replace(self.reports, issuer=issuer)
        return replace(
            self.judge,
            card=other,
            grounds=grounds_by(other, acceptance(other, ImageSettings()), edition=edition),
            publisher=replace(self.judge.publisher, reports=reports, issuer=issuer),
        )

    def telling(self, flags: FakeFlags) -> Journey:
        """The same journey, whose flags go there."""
        return replace(self.judge, publisher=replace(self.judge.publisher, flags=flags))

    def changed(self, **changes: Any) -> None:
        """The Media m1 is as these changes say from now on, in a new version."""
        old = self.pictures.pictures["Media/m1"]
        version = str(int(old.version or 0) + 1)
        self.pictures.pictures["Media/m1"] = replace(old, version=version, as_of=old.as_of + timedelta(minutes=1), **changes)

    def serves(self, **changes: Any) -> None:
        """The address that the Media m1 names serves something else from now on; the Media is the same."""
        self.pictures.pictures["Media/m1"] = replace(self.pictures.pictures["Media/m1"], **changes)

    def last_flags(self) -> dict[str, Flag]:
        """Report -> the flag that holds."""
        return {flag.report: flag for flag in self.flags.announced}


@dataclass
class BrokenFlags(FakeFlags):
    """Flags port in trouble."""

    fail_at: int = 0
    """Which announcement fails, counted from 1; 0: none."""
    before: Callable[[], None] | None = None
    """What happens before the next announcement."""
    asked: int = 0

    def announce(self, flag: Flag) -> None:
        """See Flags."""
        self.asked += 1
        if self.asked == self.fail_at:
            raise errors.Unavailable("kafka", "no acknowledgement")
        before, self.before = self.before, None
        if before is not None:
            before()
        super().announce(flag)


class RestlessFlags(FakeFlags):
    """Flags port whose every announcement finds the report changed when it has arrived."""

    def __init__(self, reports: FakeReports) -> None:
        super().__init__()
        self._reports = reports

    def announce(self, flag: Flag) -> None:
        """See Flags."""
        super().announce(flag)
        self._reports.sign(flag.report, "amended" if flag.status == "final" else "final")


@dataclass
class SlowReports(FakeReports):
    """Reports port in trouble."""

    before_write: Callable[[], None] | None = None
    """What happens before the next write."""
    dies: bool = False
    """Whether the next write is the last that its process does."""

    def write(self, report: Report) -> StoredReport:
        """See Reports."""
        before, self.before_write = self.before_write, None
        if before is not None:
            before()
        return super().write(report)

    def supersede_older(self, standing: StoredReport, now: datetime) -> list[StoredReport]:
        """See Reports."""
        dies, self.dies = self.dies, False
        if dies:
            raise errors.Unavailable("fhir", "no answer")
        return super().supersede_older(standing, now)


def event(**changes: Any) -> ImagingEvent:
    return ImagingEvent.model_validate(event_json(**changes))


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


def test_a_correction_of_the_media_that_changes_no_verdict_is_recognised_from_then_on() -> None:
    house = House({"Media/m1": picture()})
    ending = house.judge(event())
    house.changed(body_site={"text": "left arm"})
    assert house.judge(event()) == house.judge(event()) == ending
    assert house.classifier.calls == 2
    assert house.reports.versions[ending.report] == 2


def test_a_picture_that_takes_anothers_place_withdraws_its_report_and_its_flag() -> None:
    house = House({"Media/m1": picture()})
    old = house.judge(event())
    house.changed(content_sha256="cd" * 32)
    new = house.judge(event(id="evt-2"))
    assert new.report != old.report
    assert {each.reference: each.status for each in house.reports.standings.values()} == {
        old.report: "entered-in-error",
        new.report: "preliminary",
    }
    last = house.last_flags()
    assert (last[old.report].status, last[old.report].flagged) == ("entered-in-error", False)
    assert (last[new.report].status, last[new.report].flagged) == ("preliminary", True)
    assert (last[old.report].content_sha256, last[old.report].band) == ("ab" * 32, "high")


def test_a_picture_that_was_fetched_before_another_took_its_place_and_judged_after_calls_nobody() -> None:
    house = House({"Media/m1": picture()})
    late = house.pictures.pictures["Media/m1"]
    house.changed(content_sha256="cd" * 32)
    new = house.judge(event(id="evt-2"))
    house.pictures.pictures["Media/m1"] = late
    old = house.judge(event())
    assert house.reports.standings[old.report].superseded_by == new.report
    assert house.reports.standings[new.report].status == "preliminary"
    assert [(flag.report, flag.status, flag.flagged) for flag in house.flags.announced] == [
        (new.report, "preliminary", True),
        (old.report, "entered-in-error", False),
    ]


def test_a_report_that_gave_way_before_its_process_died_is_withdrawn_on_the_bus_at_the_next_attempt() -> None:
    flags = BrokenFlags(fail_at=3)
    house = House({"Media/m1": picture()}, flags=flags)
    old = house.judge(event())
    house.changed(content_sha256="cd" * 32)
    with pytest.raises(errors.Deferred):
        house.judge(event(id="evt-2"))
    assert house.last_flags()[old.report].flagged
    before = dict(house.reports.versions)
    house.judge(event(id="evt-2"))
    assert house.last_flags()[old.report].status == "entered-in-error"
    assert dict(house.reports.versions) == before


def test_a_report_that_gives_way_while_its_flag_is_on_its_way_is_withdrawn_on_the_bus_after_it() -> None:
    house = House({"Media/m1": picture()})
    slow = BrokenFlags(announced=house.flags.announced)
    late = house.telling(slow)

    def another_is_quicker() -> None:
        house.changed(content_sha256="cd" * 32)
        house.judge(event(id="evt-2"))

    slow.before = another_is_quicker
    old = late(event())
    assert [(flag.report == old.report, flag.status) for flag in house.flags.announced] == [
        (False, "preliminary"),
        (True, "entered-in-error"),
        (True, "preliminary"),
        (True, "entered-in-error"),
    ]


def test_a_verdict_on_an_older_version_of_the_media_is_never_written_over_the_newer_ones() -> None:
    reports = SlowReports(ISSUER)
    house = House({"Media/m1": picture(modality=())}, reports=reports)

    def another_is_quicker() -> None:
        house.changed(modality=picture().modality)
        assert isinstance(house.judge(event(id="evt-2")), Published)

    reports.before_write = another_is_quicker
    late = house.judge(event())
    assert isinstance(late, Published)
    assert [(flag.outcome, flag.flagged) for flag in house.flags.announced] == [("assessed", True)] * 2
    [standing] = reports.standings.values()
    assert (standing.code, reports.versions[late.report]) == ("high", 1)


def test_a_flag_that_was_overtaken_by_another_verdict_is_told_again_as_it_stands() -> None:
    house = House({"Media/m1": picture(modality=())})
    house.judge(event())
    slow = BrokenFlags(announced=house.flags.announced)

    def another_is_quicker() -> None:
        house.changed(modality=picture().modality)
        house.judge(event(id="evt-2"))

    slow.before = another_is_quicker
    ending = house.telling(slow)(event())
    assert [flag.outcome for flag in house.flags.announced] == ["not-assessable", "assessed", "not-assessable", "assessed"]
    assert isinstance(ending, Published)


def test_a_report_that_changes_faster_than_its_flags_are_told_makes_its_event_wait() -> None:
    house = House({"Media/m1": picture()})
    restless = RestlessFlags(house.reports)
    with pytest.raises(errors.Contended, match="changes faster"):
        house.telling(restless)(event())
    assert len(restless.announced) == TOLD_MAX


def test_a_newer_verdict_that_an_older_one_was_written_over_is_judged_again() -> None:
    """Another process found no report, and wrote its own after this one's."""
    house = House({"Media/m1": picture(modality=())}, flags=BrokenFlags())
    older = house.judge(event())
    stale = house.reports.standings.pop(older.report)
    house.changed(modality=picture().modality)

    def another_is_slower() -> None:
        house.reports.standings[older.report] = stale

    slow = BrokenFlags(announced=house.flags.announced, before=another_is_slower)
    with pytest.raises(errors.Contended, match="something older"):
        house.telling(slow)(event(id="evt-2"))
    assert isinstance(house.judge(event(id="evt-2")), Published)
    assert house.last_flags()[older.report].flagged


def test_a_picture_that_another_was_served_for_under_the_same_version_is_reported_again_when_it_is_back() -> None:
    house = House({"Media/m1": picture()})
    true = house.judge(event())
    house.serves(content_sha256="cd" * 32, content=encoded(Image.new("RGB", (64, 64)), "PNG"))
    placeholder = house.judge(event())
    assert house.last_flags()[true.report].status == "entered-in-error"
    house.serves(content_sha256=picture().content_sha256, content=picture().content)
    assert house.judge(event()) == true
    assert (house.last_flags()[true.report].status, house.last_flags()[true.report].flagged) == ("preliminary", True)
    assert house.last_flags()[placeholder.report].status == "entered-in-error"


def test_a_picture_is_not_given_up_for_one_that_was_served_before_it() -> None:
    """The process that judged the other died before it made this one give way."""
    reports = SlowReports(ISSUER)
    house = House({"Media/m1": picture()}, reports=reports)
    true = house.judge(event())
    house.serves(content_sha256="cd" * 32)
    reports.dies = True
    with pytest.raises(errors.Deferred):
        house.judge(event(id="evt-2"))
    house.serves(content_sha256=picture().content_sha256)
    with pytest.raises(errors.Contended, match="something older"):
        house.judge(event())
    assert house.judge(event()) == true
    assert house.last_flags()[true.report].flagged
    assert sorted(each.status for each in reports.standings.values()) == ["entered-in-error", "preliminary"]


def test_a_model_version_that_is_taken_back_into_service_reports_again_where_its_successor_was_withdrawn() -> None:
    house = House({"Media/m1": picture()})
    old = house.judge(event())
    successor = Issuer(card(version="4"), ISSUER.source)
    reports = FakeReports(successor, standings=house.reports.standings)
    new = replace(
        house.judge,
        card=successor.card,
        grounds=grounds_by(successor.card, acceptance(successor.card, ImageSettings()), edition=0),
        publisher=Publisher(reports, house.flags, successor, lambda: NOON),
        classifier=FakeClassifier(successor.card),
    )(event())
    assert house.reports.standings[old.report].superseded_by == new.report
    reports.sign(new.report, "entered-in-error")
    assert house.judge(event(id="evt-2")) == old
    assert house.last_flags()[old.report].flagged
    reports.sign(old.report, "entered-in-error")
    house.judge(event(id="evt-3"))
    assert house.last_flags()[old.report].status == "entered-in-error"


def test_two_versions_side_by_side_do_not_take_turns_in_overwriting_each_others_reports() -> None:
    house = House({"Media/m1": picture()})
    point = CARD.operating_point.model_dump()
    point["bands"][2]["at_least"] = 1.0
    newer = house.version(edition=2, operating_point=point)
    old, new, again = house.judge(event()), newer(event()), house.judge(event())
    assert (old, new, again) == (Published(old.report, "high"), Published(old.report, "raised"), Published(old.report, "raised"))
    assert newer(event()) == again
    assert house.reports.versions[old.report] == 2
    assert [flag.band for flag in house.flags.announced] == ["high", "raised", "raised", "raised"]


def test_a_version_that_was_taken_back_into_service_judges_again_under_a_higher_number() -> None:
    house = House({"Media/m1": picture()})
    point = CARD.operating_point.model_dump()
    point["bands"][2]["at_least"] = 1.0
    first = house.version(edition=2, operating_point=point)(event())
    assert house.version(edition=1)(event()) == first == Published(first.report, "raised")
    assert house.version(edition=3)(event()) == Published(first.report, "high")


def test_a_changed_threshold_without_a_higher_number_leaves_what_stands_and_says_how_to_have_it_judged_again() -> None:
    house = House({"Media/m1": picture()})
    ending = house.judge(event())
    point = CARD.operating_point.model_dump()
    point["bands"][2]["at_least"] = 1.0
    with capture_logs() as lines:
        assert house.version(edition=0, operating_point=point)(event()) == ending
        house.judge(event())
    [said] = lines
    assert (said["report"], said["advice"]) == (ending.report, NUMBER)


def test_a_corrected_sentence_of_the_card_judges_no_report_again_and_stands_in_the_next_one() -> None:
    house = House({"Media/m1": picture(), "Media/m2": picture(media="Media/m2")})
    ending = house.judge(event())
    corrected = house.version(edition=1, title="The corrected reader")
    assert corrected(event()) == ending
    assert house.reports.versions[ending.report] == 1
    other = corrected(event(media="Media/m2"))
    texts = {name: made.bundle["entry"][0]["resource"]["code"]["text"] for name, made in house.reports.written.items()}
    assert texts == {ending.report: CARD.title, other.report: "The corrected reader"}


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


def test_a_flag_for_a_report_that_a_clinician_signed_says_so() -> None:
    house = House({"Media/m1": picture()})
    ending = house.judge(event())
    house.reports.sign(ending.report)
    house.judge(event())
    assert [flag.status for flag in house.flags.announced] == ["preliminary", "final"]


def test_a_verdict_that_changes_while_nobody_has_read_it_replaces_the_report_and_its_flag() -> None:
    house = House({"Media/m1": picture(modality=())})
    assert isinstance(house.judge(event()), NotAssessable)
    house.changed(modality=picture().modality)
    assert isinstance(house.judge(event()), Published)
    assert [(flag.outcome, flag.report) for flag in house.flags.announced] == [
        ("not-assessable", flag.report) for flag in house.flags.announced[:1]
    ] + [("assessed", flag.report) for flag in house.flags.announced[:1]]
    [written] = house.reports.written.values()
    assert written.mark.code == house.flags.announced[-1].band


def test_no_flag_contradicts_what_a_clinician_has_acted_on() -> None:
    house = House({"Media/m1": picture(modality=())})
    ending = house.judge(event())
    house.reports.sign(ending.report)
    house.changed(modality=picture().modality)
    assert house.judge(event()) == ending
    assert [(flag.outcome, flag.status) for flag in house.flags.announced] == [
        ("not-assessable", "preliminary"),
        ("not-assessable", "final"),
    ]
    assert house.classifier.calls == 0


def test_a_conclusion_that_a_clinician_wrote_is_announced_by_nobody_but_the_clinician() -> None:
    house = House({"Media/m1": picture()})
    ending = house.judge(event())
    house.reports.standings[ending.report] = replace(house.reports.standings[ending.report], status="final", code="")
    house.judge(event())
    assert len(house.flags.announced) == 1


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
        [risk] = [e["resource"] for e in written.bundle["entry"] if e["resource"]["resourceType"] == "RiskAssessment"]
        assert risk["prediction"][0]["probabilityDecimal"] == pytest.approx(_brightness(each), abs=1e-3)


def _shade(number: int) -> Image.Image:
    base = np.asarray(textured(48, 48, seed=number)).astype(np.float32)
    return Image.fromarray((base * (0.4 + 0.6 * number / 200)).astype(np.uint8))


def _brightness(of: Picture) -> float:
    """In per cent."""
    pixels = decode(of.content, pixels_max=PIXELS_MAX, reduce_to_px=None, reference=of.media)
    return float(image_tensor(pixels, CARD.image).mean(dtype=np.float64)) / 2.55
