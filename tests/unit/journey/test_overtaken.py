"""Whatever overtakes an event, another picture, verdict or attempt, the last word in record and bus is the right one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image
from tocsin import errors
from tocsin.image.gate import acceptance
from tocsin.outcome import Published
from tocsin.report.grounds import JUDGING, grounds_by
from tocsin.report.publish import TOLD_MAX
from tocsin.settings import ImageSettings

from tests.builders import picture
from tests.support.judging import CARD, ISSUER, BrokenFlags, House, RestlessFlags, SlowReports, event
from tests.support.pictures import encoded, textured


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


def test_what_older_code_said_of_a_picture_that_is_refused_now_is_not_said_again_and_the_refusal_is() -> None:
    house = House({"Media/m1": picture()})
    older = replace(house.judge, grounds=grounds_by(CARD, acceptance(CARD, ImageSettings()), edition=0, judging=JUDGING - 1))
    report = older(event()).report
    house.serves(content=encoded(textured(), "PNG")[:2000])
    for _ in range(2):
        with pytest.raises(errors.ImageTruncated):
            house.judge(event())
    assert [flag.report for flag in house.flags.announced] == [report]
    assert house.reports.standings[report].status == "preliminary"
