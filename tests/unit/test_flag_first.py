"""A report beside which no other stood is announced first and looked at afterwards; among others it waits until it is known to hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from tocsin.errors import Contended, Unavailable
from tocsin.event.types import ImagingEvent
from tocsin.image.types import Picture
from tocsin.report.flag import Flag
from tocsin.report.publish import TOLD_MAX, Publisher
from tocsin.report.resources.compose import Issuer
from tocsin.report.types import Found, Grounds, Report, StoredReport

from tests.builders import card, grounds_on, picture
from tests.fakes.stages import FakeFlags, FakeReports
from tests.support.records import GROUNDS, NOW, event_of, high
from tests.support.records import report as report_of

MARK = "x"
ISSUER = Issuer(card(), f"urn:tocsin:test:{MARK}")
EVENT: ImagingEvent = event_of(f"Patient/p1-{MARK}", f"Media/m1-{MARK}")
PICTURE: Picture = picture(subject=EVENT.subject, media=EVENT.media)


@dataclass
class Watched(FakeReports):
    """The record, which notes what it is asked."""

    steps: list[str] = field(default_factory=list)
    before_look: Callable[[], object] = lambda: None
    """What happens before the record is looked at for other reports."""

    def find(self, picture: Picture, grounds: Grounds) -> Found:
        self.steps.append("find")
        return super().find(picture, grounds)

    def write(self, report: Report) -> StoredReport:
        self.steps.append("write")
        return super().write(report)

    def supersede_older(self, stored: StoredReport, now: datetime) -> list[StoredReport]:
        self.steps.append("look")
        self.before_look()
        return super().supersede_older(stored, now)

    def refresh(self, stored: StoredReport) -> StoredReport:
        self.steps.append("read")
        return super().refresh(stored)


@dataclass
class WatchedFlags(FakeFlags):
    """The flag topic, which notes its place among the record's steps."""

    steps: list[str] = field(default_factory=list)

    def announce(self, flag: Flag, site_file: str | None) -> None:
        self.steps.append(f"flag {flag.status}")
        super().announce(flag, site_file)


@dataclass
class Site:
    """One record and one bus."""

    steps: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reports = Watched(ISSUER, steps=self.steps)
        self.flags = WatchedFlags(steps=self.steps)

    def publish(self, of: Picture = PICTURE, grounds: Grounds = GROUNDS) -> None:
        Publisher(self.reports, self.flags, ISSUER, lambda: NOW).publish(EVENT, of, grounds, lambda _seen: high(card()))

    def stands(self, of: Picture) -> str:
        """A report on this picture, of which this process was not told."""
        made = report_of(MARK, content_sha256=of.content_sha256, as_of=of.as_of, fetched=of.fetched)
        FakeReports.write(self.reports, made)
        return made.reference


@pytest.fixture
def site() -> Site:
    return Site()


NEWER: Picture = replace(PICTURE, content_sha256="cd" * 32, as_of=PICTURE.as_of + timedelta(minutes=1))


def test_a_report_that_is_alone_is_announced_as_soon_as_it_stands_and_looked_at_once_afterwards(site: Site) -> None:
    site.publish()
    assert site.steps == ["find", "write", "flag preliminary", "look"]
    del site.steps[:]
    site.publish()
    assert site.steps == ["find", "flag preliminary", "look"]


def test_a_report_among_others_is_announced_once_it_is_known_which_one_holds(site: Site) -> None:
    older = site.stands(PICTURE)
    site.publish(NEWER)
    assert site.steps == ["find", "write", "look", "flag preliminary", "read", "flag entered-in-error", "read"]
    assert site.flags.announced[-1].report == older


def test_an_older_picture_that_is_judged_late_calls_nobody(site: Site) -> None:
    newer = site.stands(NEWER)
    site.publish()
    assert site.steps == ["find", "write", "look", "flag entered-in-error", "read"]
    assert site.reports.standings[newer].status == "preliminary"


def test_a_report_that_has_to_give_way_to_one_that_came_while_it_was_judged_is_withdrawn_on_the_bus(site: Site) -> None:
    site.reports.before_look = lambda: site.stands(NEWER)
    site.publish()
    assert site.steps == ["find", "write", "flag preliminary", "look", "flag entered-in-error", "read"]


def test_an_older_report_that_came_while_a_newer_picture_was_judged_is_withdrawn_on_the_bus(site: Site) -> None:
    site.reports.before_look = lambda: site.stands(PICTURE)
    site.publish(NEWER)
    assert site.steps == ["find", "write", "flag preliminary", "look", "flag entered-in-error", "read"]
    assert len({flag.report for flag in site.flags.announced}) == 2


def test_a_report_that_a_clinician_signs_while_its_flag_is_on_its_way_is_told_again_as_it_stands(site: Site) -> None:
    site.publish()
    [reference] = site.reports.standings
    site.reports.before_look = lambda: site.reports.sign(reference)
    del site.steps[:]
    site.publish()
    assert site.steps == ["find", "flag preliminary", "look", "flag final", "read"]


def test_a_report_that_changes_at_each_look_is_told_no_more_often_than_any_other(site: Site) -> None:
    site.publish()
    [reference] = site.reports.standings
    changes = iter(["final", "amended", "corrected", "appended", "final", "amended"])

    def changed() -> None:
        site.reports.sign(reference, next(changes))

    site.reports.before_look = changed
    refresh = site.reports.refresh

    class Restless(Watched):
        def refresh(self, stored: StoredReport) -> StoredReport:
            changed()
            return refresh(stored)

    reports = Restless(ISSUER, standings=site.reports.standings, steps=site.steps, before_look=changed)
    told = len(site.flags.announced)
    with pytest.raises(Contended, match="changes faster"):
        Publisher(reports, site.flags, ISSUER, lambda: NOW).publish(EVENT, PICTURE, GROUNDS, lambda _seen: high(card()))
    assert len(site.flags.announced) - told == TOLD_MAX


def test_an_event_whose_look_fails_after_its_flag_says_the_same_flag_at_the_next_attempt(site: Site) -> None:
    def away() -> None:
        raise Unavailable("fhir", "no answer")

    site.reports.before_look = away
    with pytest.raises(Unavailable):
        site.publish()
    site.reports.before_look = lambda: None
    site.publish()
    first, again = site.flags.announced
    assert again == first
    assert sum(site.reports.versions.values()) == 1


def test_a_verdict_on_other_grounds_is_announced_as_it_was_written_over(site: Site) -> None:
    site.publish()
    del site.steps[:]
    site.publish(grounds=grounds_on("0d"))
    assert site.steps == ["find", "write", "flag preliminary", "look"]
