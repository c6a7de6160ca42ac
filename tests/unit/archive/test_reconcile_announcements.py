"""What a gap is mended with is announced once, with its study, and not before the consumers have come that far."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tocsin.archive.reconcile.checkpoint import Checkpoint
from tocsin.settings import ReconcileSettings

from tests.fakes.bus import FakeSink, FakeTopicReader
from tests.support.reconciling import NOW, TOPICS, House, ago


def test_consumers_that_are_behind_are_spoken_of_and_what_waits_for_them_is_not_announced_again() -> None:
    house = House()
    house.event(house.image(updated=ago(7200)), ago(7190))
    found = house.reconcile()
    assert (found.behind_s, found.found, found.announced) == (7190, 0, 0)


def test_a_picture_is_announced_once_in_a_window_and_again_only_once_it_was_changed() -> None:
    house = House()
    media = house.image()
    assert house.reconcile().announced == 1
    house.judge_everything()
    again = house.reconcile(NOW + timedelta(seconds=3600))
    assert (again.images_without_ending, again.announced) == ((media,), 0)
    house.image(updated=NOW + timedelta(seconds=3700))
    changed = house.reconcile(NOW + timedelta(seconds=7200))
    assert (changed.images_without_ending, changed.announced) == ((media,), 1)
    assert house.announced() == [media, media]


def test_a_report_that_is_lost_after_its_picture_was_announced_has_it_announced_once_more_and_not_by_every_run() -> None:
    house = House()
    media = house.image()
    assert house.reconcile().announced == 1
    house.judge_everything()
    report = house.flag(media, NOW + timedelta(seconds=10))  # and the report is nowhere
    hours = []
    for number in range(1, 24):
        hours.append(house.reconcile(NOW + timedelta(hours=number)))
        house.judge_everything()
    assert {each.flags_without_report for each in hours} == {(report,)}
    assert [number for number, each in enumerate(hours, 1) if each.announced] == [13]


def test_a_picture_whose_announcement_led_nowhere_is_not_announced_again_however_long_ago_that_was() -> None:
    house = House()
    media = house.image(updated=ago(80_000))
    house.own_event(media, ago(79_000))
    house.judge_everything()
    found = house.reconcile()
    assert (found.images_without_ending, found.announced) == ((media,), 0)


def test_a_run_that_goes_on_half_way_knows_what_was_announced_before() -> None:
    house = House()
    media = house.image(updated=ago(50_000))
    house.own_event(media, ago(20_000))
    house.judge_everything()
    report = house.flag(media, ago(3600))
    Checkpoint(FakeTopicReader(house.bus), FakeSink(house.bus), TOPICS.topic_backfills).keep(ago(7200), 10, whole=False, now=ago(7000))
    found = house.reconcile()
    assert (found.flags_without_report, found.announced) == ((report,), 0)


def test_a_picture_is_announced_with_the_study_that_its_report_names() -> None:
    house = House()
    house.report(house.image("untold"), study="ImagingStudy/of-untold")
    house.report(house.image("changed", ago(1800)), ago(90_000), as_of=ago(90_100), study="ImagingStudy/of-changed")
    house.flag(house.image("lost"), study="ImagingStudy/of-lost")
    house.image("new")
    house.reconcile()
    assert {each.media: each.study for each in house.events()} == {
        "Media/untold": "ImagingStudy/of-untold",
        "Media/changed": "ImagingStudy/of-changed",
        "Media/lost": "ImagingStudy/of-lost",
        "Media/new": None,
    }


def test_a_picture_that_the_journey_judges_though_it_is_not_completed_gets_its_lost_flag_back() -> None:
    house = House()
    report = house.report(house.image(status="in-progress"))
    found = house.reconcile()
    assert (found.reports_without_flag, house.announced()) == ((report,), ["Media/m1"])


@pytest.mark.parametrize("slice_max", [3, 1000])
def test_many_gaps_are_mended_over_several_runs_the_oldest_first(slice_max: int) -> None:
    house = House(settings=ReconcileSettings(batch_max=4, slice_max=slice_max))
    media = [house.image(f"m{number}", ago(3600 - number)) for number in range(10)]
    runs = []
    for number in range(4):
        runs.append(house.reconcile(NOW + timedelta(seconds=number)))
        assert house.reached().whole is (runs[-1].left == 0)
        house.judge_everything()
    assert [each.announced for each in runs] == [4, 4, 2, 0]
    assert [each.left > 0 for each in runs] == [True, True, False, False]
    assert house.announced() == media
