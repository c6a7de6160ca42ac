"""Models and cards that follow each other, or serve side by side, report each picture as their numbers say."""

from __future__ import annotations

from dataclasses import replace

from structlog.testing import capture_logs
from tocsin.image.gate import acceptance
from tocsin.outcome import Published
from tocsin.report.grounds import grounds_by
from tocsin.report.publish import NUMBER, Publisher
from tocsin.report.resources.compose import Issuer
from tocsin.settings import ImageSettings

from tests.builders import card, picture
from tests.fakes.stages import FakeClassifier, FakeReports
from tests.support.judging import CARD, ISSUER, NOON, House, event


def test_a_model_version_that_is_taken_back_into_service_reports_again_where_its_successor_was_withdrawn() -> None:
    house = House({"Media/m1": picture()})
    old = house.judge(event())
    successor = Issuer(card(version="4"), ISSUER.source)
    reports = FakeReports(successor, standings=house.reports.standings)
    new = replace(
        house.judge,
        judge=replace(house.judge.judge, card=successor.card, classifier=FakeClassifier(successor.card)),
        grounds=grounds_by(successor.card, acceptance(successor.card, ImageSettings()), edition=0),
        publisher=Publisher(reports, house.flags, successor, lambda: NOON),
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
