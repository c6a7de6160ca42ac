"""A run holds little, stops in time, and the next goes on where it stopped; what nobody compared is made up for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from tocsin.archive.reconcile.checkpoint import Checkpoint, ask
from tocsin.archive.types import Candidate, Query, ReportSummary
from tocsin.errors import Deferred, Unavailable
from tocsin.settings import ReconcileSettings

from tests.fakes.archive import FakeArchive
from tests.fakes.bus import FakeSink, FakeTopicReader
from tests.support.reconciling import NOW, SETTINGS, TOPICS, House, ago


@dataclass
class Watched(FakeArchive):
    """Counts what is held together, and takes its time."""

    slice_s: float = 0.0
    now_s: float = 0.0
    together_max: int = 0
    dies_over: int = 1_000_000

    def changed(self, query: Query, since: datetime, until: datetime) -> Iterator[Candidate]:
        self.now_s += self.slice_s
        return super().changed(query, since, until)

    def reports_on(self, media: Collection[str]) -> list[ReportSummary]:
        self.together_max = max(self.together_max, len(media))
        if len(media) > self.dies_over:
            raise Unavailable("fhir", "a time limit")
        return super().reports_on(media)

    def existing(self, reports: Collection[str]) -> set[str]:
        self.together_max = max(self.together_max, len(reports))
        return super().existing(reports)


def watched(slice_max: int = 3, **changes: Any) -> tuple[House, Watched]:
    archive = Watched(**changes)
    return House(archive=archive, settings=ReconcileSettings(slice_max=slice_max), clock=lambda: archive.now_s), archive


def many_images(house: House, count: int) -> list[str]:
    return [house.image(f"image{number}", ago(3600 - number)) for number in range(count)]


def many_reports(house: House, count: int) -> list[str]:
    media = [house.image(f"report{number}", ago(90_000)) for number in range(count)]
    return [house.report(each, ago(3600 - number)) for number, each in enumerate(media)]


def many_flags(house: House, count: int) -> list[str]:
    media = [house.image(f"flag{number}", ago(90_000)) for number in range(count)]
    return [house.flag(each, ago(3600 - number)) for number, each in enumerate(media)]


@pytest.mark.parametrize("count", [5, 10])
@pytest.mark.parametrize("kinds", [(many_images,), (many_reports,), (many_flags,), (many_images, many_reports, many_flags)])
def test_however_many_pictures_reports_and_flags_there_are_few_are_held_together_and_every_gap_is_found(
    kinds: tuple[Callable[[House, int], list[str]], ...], count: int
) -> None:
    house, archive = watched()
    gaps = [each for make in kinds for each in make(house, count)]
    found = house.reconcile()
    assert archive.together_max <= 3
    told = (*found.images_without_ending, *found.reports_without_flag, *found.flags_without_report)
    assert (sorted(told), found.found) == (sorted(gaps), len(gaps))
    assert len(house.announced()) == len(set(house.announced())) == len(gaps)


def test_pictures_that_one_import_stored_at_one_time_are_compared_together() -> None:
    house, archive = watched()
    media = [house.image(f"m{number}") for number in range(10)] + [house.image("later", ago(1800))]
    assert house.reconcile().images_without_ending == tuple(media)
    assert archive.together_max == 10


def test_a_run_stops_in_time_and_the_next_goes_on_where_it_stopped_until_all_was_compared() -> None:
    house, _ = watched(slice_s=25)
    media = [house.image(f"m{number}", ago(3600 - number)) for number in range(12)]
    first = house.reconcile()
    assert (list(first.images_without_ending), house.announced()) == (media[:6], media[:6])
    assert not house.reached().whole
    second = house.reconcile(NOW + timedelta(seconds=60))
    assert list(second.images_without_ending) == media[6:]
    assert house.announced() == media
    assert house.reached().whole
    anew = house.reconcile(NOW + timedelta(seconds=120))
    assert (anew.found, anew.announced, house.reached().whole) == (0, 0, False)  # all of them wait for the consumers


def test_a_run_that_dies_over_a_slice_leaves_a_smaller_one_to_the_next_so_that_none_starts_over_for_ever() -> None:
    house, archive = watched(slice_max=64, dies_over=5)
    media = [house.image(f"m{number:02}", ago(3600 - number)) for number in range(40)]
    for number in range(40):
        try:
            house.reconcile(NOW + timedelta(seconds=number))
        except Deferred:
            continue
    assert house.announced() == media
    assert archive.together_max > 5


def test_a_slice_that_takes_long_is_followed_by_a_smaller_one_and_a_quick_one_by_a_larger() -> None:
    house, archive = watched(slice_max=8, slice_s=35)
    for number in range(40):
        house.image(f"m{number:02}", ago(3600 - number))
    house.reconcile()
    assert house.reached().size == 4
    archive.slice_s = 1
    house.reconcile(NOW + timedelta(seconds=1))
    assert house.reached().size == 8


def test_what_came_about_while_nobody_compared_is_made_up_for() -> None:
    house = House()
    house.reconcile()
    media = house.image(updated=NOW + timedelta(hours=1))
    assert house.reconcile(NOW + timedelta(days=5)).images_without_ending == (media,)


def test_a_comparison_that_comes_late_goes_back_as_far_as_it_is_told_and_no_further() -> None:
    house = House(settings=ReconcileSettings(catch_up_s=259_200))
    house.reconcile()
    house.image("early", NOW + timedelta(hours=1))
    media = house.image("late", NOW + timedelta(days=3))
    assert house.reconcile(NOW + timedelta(days=5)).images_without_ending == (media,)


def test_whoever_lost_events_has_the_next_run_look_back_once_and_finds_their_pictures() -> None:
    house = House()
    house.reconcile(ago(60))
    old = house.image(updated=ago(5 * 86_400))
    assert house.reconcile(ago(50)).found == 0, "it is older than any window"
    ask(FakeSink(house.bus), TOPICS.topic_backfills, ago(14 * 86_400), ago(40))
    assert house.reconcile(ago(30)).images_without_ending == (old,)
    house.judge_everything()
    assert house.announced() == [old]
    before = house.reached()
    assert house.reconcile(ago(20)).found == 0
    assert house.reached().next_from >= before.next_from - timedelta(seconds=SETTINGS.window_s)


def test_a_call_to_look_back_that_comes_in_the_middle_of_a_run_is_answered_by_the_next() -> None:
    house = House()
    sink = FakeSink(house.bus)
    run = Checkpoint(FakeTopicReader(house.bus), sink, TOPICS.topic_backfills)
    run.start(ago(86_400), 10)
    ask(sink, TOPICS.topic_backfills, ago(800_000), ago(30))
    run.keep(ago(10), 10, whole=True, now=ago(20))
    following = Checkpoint(FakeTopicReader(house.bus), sink, TOPICS.topic_backfills)
    assert following.start(ago(86_400), 10) == (ago(800_000), 10)
    following.keep(ago(700_000), 10, whole=False, now=ago(10))
    assert Checkpoint(FakeTopicReader(house.bus), sink, TOPICS.topic_backfills).start(ago(86_400), 10) == (ago(700_000), 10)


def test_a_comparison_by_hand_goes_back_as_far_as_it_is_told_and_leaves_the_runs_alone() -> None:
    house = House()
    old = [house.image(f"m{number}", ago(864_000 - number)) for number in range(3)]
    dry = house.compare(ago(900_000), 0)
    assert ([each.gaps.images_without_ending for each in dry], house.announced()) == ([tuple(old)], [])
    assert [each.gaps.announced for each in house.compare(ago(900_000), 1_000_000)] == [3]
    assert house.announced() == old
    assert house.bus.records(TOPICS.topic_backfills) == []


def test_what_is_no_word_of_an_earlier_run_is_passed_over() -> None:
    house = House()
    media = house.image()
    house.bus.append(TOPICS.topic_backfills, b"reconciliation", b"not json")
    house.bus.append(TOPICS.topic_backfills, b"0a1b2c3d", b"{}")
    assert house.reconcile().images_without_ending == (media,)
