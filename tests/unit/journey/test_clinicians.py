"""What a clinician signed, wrote or acted on is told as it stands and contradicted by nobody."""

from __future__ import annotations

from dataclasses import replace

from tocsin.outcome import NotAssessable, Published

from tests.builders import picture
from tests.support.judging import House, event


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
