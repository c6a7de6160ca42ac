"""A rehearsal sees the whole way and leaves nothing that anybody could act on, wherever it is cut short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from tocsin.deadletter.types import dead_letter, send_dead_letter
from tocsin.errors import Contended, Refused, Unavailable
from tocsin.event.decode import decode
from tocsin.rehearsal.rehearser import TRIES_MAX, Rehearser
from tocsin.rehearsal.types import Ending
from tocsin.report.flag import Flag
from tocsin.report.kafka import KafkaFlags
from tocsin.report.types import StoredReport
from tocsin.settings import KafkaSettings

from tests.builders import picture
from tests.fakes.bus import FakeBus, FakeSink, FakeTopicReader
from tests.fakes.stages import FakeRehearsals
from tests.support.judging import ISSUER, NOON, House, event

TOPICS = KafkaSettings()
NOON_MS = int(NOON.timestamp() * 1000)


class Site:
    """Record, bus and a consumer that judges whatever waits whenever the rehearsal pauses."""

    def __init__(self) -> None:
        self.bus = FakeBus()
        self.bus.now_ms = NOON_MS
        self.house = House({"Media/m1": picture()})
        self.flags = KafkaFlags(FakeSink(self.bus), TOPICS.topic_flags)
        self.judge = self.house.telling(self.flags)
        self.rehearsals = FakeRehearsals(self.house.reports)
        self.seen = 0
        self.paused_s = 0.0
        self.meanwhile: Callable[[], None] = self.consume

    def rehearser(self, **changes: object) -> Rehearser:
        whole: dict[str, object] = {
            "reports": self.rehearsals,
            "reader": FakeTopicReader(self.bus),
            "sink": FakeSink(self.bus),
            "flags": self.flags,
            "issuer": ISSUER,
            "topics": TOPICS,
            "now": lambda: NOON,
            "clock": lambda: self.paused_s,
            "sleep": self.sleep,
        }
        return Rehearser(**(whole | changes))  # type: ignore[arg-type] # a test names what it changes

    def sleep(self, seconds: float) -> None:
        self.paused_s += seconds
        self.meanwhile()

    def consume(self) -> None:
        records = self.bus.records(TOPICS.topic_imaging)
        for record in records[self.seen :]:
            self.seen += 1
            try:
                self.judge(decode(record))
            except Refused as refused:
                letter = dead_letter(record, refused, attempts=1, first_failed_at=NOON, now=NOON)
                send_dead_letter(FakeSink(self.bus), TOPICS.topic_dead_letters, letter, record.key)

    def told(self) -> list[tuple[str, str, bool]]:
        """Status and `flagged` of every flag so far, and the source of the event that led to it."""
        flags = (Flag.model_validate_json(each.value or b"") for each in self.bus.records(TOPICS.topic_flags))
        return [(each.event_source, each.status, each.flagged) for each in flags]

    @property
    def report(self) -> StoredReport:
        [stands] = self.house.reports.standings.values()
        return stands


REHEARSAL, CAMERA = "urn:tocsin:rehearsal", "urn:test:camera"


def test_the_whole_way_is_seen_and_the_report_taken_back_with_a_flag_that_says_so() -> None:
    site = Site()
    done = site.rehearser().rehearse("Media/m1", "Patient/p1", 60)
    assert (done.ending, done.ended) == (Ending.TAKEN_BACK, NOON)
    assert done.flag is not None
    assert done.report == site.report
    assert (site.report.status, site.report.rehearsed) == ("entered-in-error", True)
    assert site.report.mark is not None
    assert site.report.mark.rehearsal == done.event.id == done.flag.event
    assert site.told() == [(REHEARSAL, "preliminary", True), (REHEARSAL, "entered-in-error", False)]


def test_rehearsals_can_be_repeated_and_each_judges_anew() -> None:
    site = Site()
    for number in (1, 2, 3):
        assert site.rehearser().rehearse("Media/m1", "Patient/p1", 60).ending is Ending.TAKEN_BACK
        assert site.house.classifier.calls == number


def test_a_patients_own_event_after_a_rehearsal_gets_its_report() -> None:
    site = Site()
    site.rehearser().rehearse("Media/m1", "Patient/p1", 60)
    site.judge(event())
    assert (site.report.status, site.report.rehearsed) == ("preliminary", False)
    assert site.report.mark is not None
    assert site.report.mark.rehearsal is None
    assert site.told()[-1] == (CAMERA, "preliminary", True)
    assert site.rehearser().take_back("Media/m1") == []


def test_a_patients_own_event_in_the_midst_of_a_rehearsal_keeps_its_report() -> None:
    site = Site()

    def meanwhile() -> None:
        site.consume()
        site.judge(event())

    site.meanwhile = meanwhile
    done = site.rehearser().rehearse("Media/m1", "Patient/p1", 60)
    assert done.ending is Ending.IN_EARNEST
    assert site.report.status == "preliminary"
    assert site.told()[-1] == (CAMERA, "preliminary", True)


def test_a_report_in_earnest_is_named_and_a_rehearsal_beside_it_leaves_it_as_it_is() -> None:
    site = Site()
    site.judge(event())
    before = site.report
    assert site.rehearser().in_earnest("Media/m1") == [before]
    done = site.rehearser().rehearse("Media/m1", "Patient/p1", 60)
    assert (done.ending, done.report) == (Ending.IN_EARNEST, before)
    assert (site.report, site.house.classifier.calls) == (before, 1)


@pytest.mark.parametrize("status", ["final", "entered-in-error"])
def test_what_a_clinician_does_to_a_rehearsals_report_stays(status: str) -> None:
    site = Site()

    def meanwhile() -> None:
        site.consume()
        site.house.reports.sign(site.report.reference, status)

    site.meanwhile = meanwhile
    assert site.rehearser().rehearse("Media/m1", "Patient/p1", 60).ending is Ending.ACTED_UPON
    assert (site.report.status, site.report.rehearsed) == (status, False)


def test_another_patient_than_the_pictures_is_refused_and_the_dead_letter_shown() -> None:
    site = Site()
    done = site.rehearser().rehearse("Media/m1", "Patient/p2", 60)
    assert done.ending is Ending.REFUSED
    assert done.letter is not None
    assert done.letter.dead.reason == "subject-mismatch"
    assert site.house.reports.standings == {}


def test_a_rehearsal_that_nobody_answers_ends_at_its_deadline() -> None:
    site = Site()
    site.meanwhile = lambda: None
    assert site.rehearser().rehearse("Media/m1", "Patient/p1", 60).ending is Ending.SILENT
    assert 60 <= site.paused_s <= 62


def test_what_is_judged_after_the_deadline_is_taken_back_by_the_next_rehearsal() -> None:
    site = Site()
    site.meanwhile = lambda: None
    site.rehearser().rehearse("Media/m1", "Patient/p1", 1)
    site.consume()
    assert site.report.status == "preliminary"
    assert site.rehearser().in_earnest("Media/m1") == []
    site.meanwhile = site.consume
    assert site.rehearser().rehearse("Media/m1", "Patient/p1", 60).ending is Ending.TAKEN_BACK


class Killed(BaseException):
    """The rehearsal's process is gone."""


def killed(*_args: object) -> None:
    raise Killed


def test_killed_before_the_report_is_taken_back_a_later_withdrawal_mends_it() -> None:
    site = Site()
    dies = FakeRehearsals(site.house.reports)
    dies.take_back = killed  # type: ignore[method-assign,assignment] # the process dies here
    with pytest.raises(Killed):
        site.rehearser(reports=dies).rehearse("Media/m1", "Patient/p1", 60)
    assert site.report.status == "preliminary"
    [taken_back] = site.rehearser().take_back("Media/m1")
    assert (taken_back.status, taken_back.rehearsed) == ("entered-in-error", True)
    assert site.told()[-1] == (REHEARSAL, "entered-in-error", False)


def test_killed_before_the_last_flag_a_later_withdrawal_tells_it() -> None:
    site = Site()

    class Dies:
        announce = staticmethod(killed)

    with pytest.raises(Killed):
        site.rehearser(flags=Dies()).rehearse("Media/m1", "Patient/p1", 60)
    assert (site.report.rehearsed, site.told()[-1][1]) == (True, "preliminary")
    site.rehearser().take_back("Media/m1")
    assert site.told()[-1] == (REHEARSAL, "entered-in-error", False)


def test_an_event_that_the_bus_delivers_again_after_its_rehearsal_makes_no_second_report() -> None:
    site = Site()
    site.rehearser().rehearse("Media/m1", "Patient/p1", 60)
    site.seen = 0
    site.consume()
    assert (site.report.status, site.house.classifier.calls) == ("entered-in-error", 1)
    assert {status for _, status, _ in site.told()[1:]} == {"entered-in-error"}


class Restless(FakeRehearsals):
    """A record in which somebody else is quicker, as often as is told."""

    quicker = 0

    def take_back(self, rehearsed: StoredReport, now: datetime) -> StoredReport:
        self.quicker -= 1
        if self.quicker >= 0:
            raise Contended("fhir", "changed meanwhile")
        return super().take_back(rehearsed, now)


@pytest.mark.parametrize(("quicker", "ending"), [(TRIES_MAX - 1, Ending.TAKEN_BACK), (TRIES_MAX, None)])
def test_a_report_that_changes_meanwhile_is_taken_back_within_a_few_tries(quicker: int, ending: Ending | None) -> None:
    site = Site()
    restless = Restless(site.house.reports)
    restless.quicker = quicker
    if ending is None:
        with pytest.raises(Contended):
            site.rehearser(reports=restless).rehearse("Media/m1", "Patient/p1", 60)
    else:
        assert site.rehearser(reports=restless).rehearse("Media/m1", "Patient/p1", 60).ending is ending


def test_a_bus_that_is_away_is_said_and_nothing_is_published() -> None:
    site = Site()
    site.bus.away = True
    with pytest.raises(Unavailable):
        site.rehearser().rehearse("Media/m1", "Patient/p1", 60)
    assert site.bus.records(TOPICS.topic_imaging) == []


def test_a_report_of_an_older_model_is_taken_back_too() -> None:
    site = Site()
    old = site.house.version(edition=0, version="2")
    site.judge = replace(old, publisher=replace(old.publisher, flags=site.flags))
    site.meanwhile = lambda: None
    site.rehearser().rehearse("Media/m1", "Patient/p1", 1)
    site.consume()
    assert site.report.status == "preliminary"
    [taken_back] = site.rehearser().take_back("Media/m1")
    assert taken_back.rehearsed


def test_what_was_left_is_taken_back_although_nobody_answers_the_next_rehearsal() -> None:
    site = Site()
    site.meanwhile = lambda: None
    site.rehearser().rehearse("Media/m1", "Patient/p1", 1)
    site.consume()
    assert site.report.status == "preliminary"
    assert site.rehearser().rehearse("Media/m1", "Patient/p1", 1).ending is Ending.SILENT
    assert (site.report.rehearsed, site.told()[-1][1]) == (True, "entered-in-error")


def test_a_report_in_earnest_that_gave_way_is_not_taken_for_the_rehearsals() -> None:
    site = Site()
    first = picture().content_sha256
    site.judge(event())
    site.house.changed(content_sha256="cd" * 32)
    site.judge(event(id="evt-2"))
    site.house.changed(content_sha256=first)
    before = dict(site.house.reports.standings)
    assert {each.status for each in before.values()} == {"preliminary", "entered-in-error"}
    done = site.rehearser().rehearse("Media/m1", "Patient/p1", 60)
    assert (done.ending, site.house.reports.standings) == (Ending.IN_EARNEST, before)


def test_a_report_that_a_clinician_withdrew_does_not_stand_and_keeps_the_rehearsal_from_judging() -> None:
    site = Site()
    site.judge(event())
    site.house.reports.sign(site.report.reference, "entered-in-error")
    assert site.rehearser().in_earnest("Media/m1") == []
    assert site.rehearser().rehearse("Media/m1", "Patient/p1", 60).ending is Ending.IN_EARNEST
    assert site.house.classifier.calls == 1
