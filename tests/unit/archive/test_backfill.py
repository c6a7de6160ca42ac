"""A backfill announces every picture once, keeps its rate and lets live events pass."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import orjson
import pytest
from structlog.testing import capture_logs
from tocsin.archive.backfill.backfiller import STEP_S
from tocsin.archive.types import Cursor, Page, Query, ReportSummary
from tocsin.deadletter.types import dead_letter, send_dead_letter
from tocsin.errors import SubjectMismatch
from tocsin.kafka.types import CommittedOffset
from tocsin.settings import BackfillSettings

from tests.builders import event_json, record
from tests.fakes.archive import FakeArchive, Image
from tests.fakes.bus import GROUP, FakeBus, FakeSink
from tests.support.backfilling import NOON, SETTINGS, TOPIC, TOPICS, House, seconds


def test_every_picture_is_announced_once_and_the_account_is_right() -> None:
    house = House()
    media = house.fill(43)
    house.archive.put(Image("Media/planned", NOON - seconds(60), status="preparation"))
    backfill = house.start()
    house.run(backfill)
    assert Counter(house.announced()) == Counter(media)
    ended = house.standing(backfill)
    assert (ended.state, ended.announced, ended.skipped, ended.total, ended.seen) == ("done", 43, {"not-completed": 1}, 44, 44)


def refuse(bus: FakeBus, media: str) -> None:
    """It is open whose picture this is."""
    refused = record(orjson.dumps(event_json(media=media, subject="Patient/other")))
    dead = dead_letter(refused, SubjectMismatch("x", reference=media), attempts=1, first_failed_at=NOON, now=NOON)
    send_dead_letter(FakeSink(bus), TOPICS.topic_dead_letters, dead, None)


def test_a_picture_of_which_it_is_open_whose_it_is_is_left_out_and_named() -> None:
    house = House()
    media = house.fill(12)
    refuse(house.bus, media[3])
    backfill = house.start()
    with capture_logs() as lines:
        house.run(backfill)
    assert set(house.announced()) == {*media} - {media[3]}
    ended = house.standing(backfill)
    assert (ended.announced, ended.skipped, ended.seen) == (11, {"disputed": 1}, 12)
    [warning] = [line for line in lines if line["log_level"] == "warning"]
    assert f"{media[3]} (0@0)" in warning["detail"]
    assert "--close" in warning["advice"]


def test_an_event_names_patient_and_picture_and_its_key_keeps_one_patients_pictures_in_order() -> None:
    house = House()
    house.fill(1)
    house.run(house.start())
    [record], [event] = house.bus.records(TOPIC), house.events()
    assert (event.media, event.subject, event.source, record.key) == ("Media/m000", "Patient/p0", "urn:tocsin:backfill", b"Patient/p0")
    assert event.occurred_at == datetime(2026, 3, 1, 9, tzinfo=UTC)


def test_the_same_version_of_a_picture_is_the_same_event_however_often_it_is_announced() -> None:
    house = House()
    [media] = house.fill(1)
    house.run(house.start())
    house.run(house.start())
    house.archive.put(house.archive.images[media])
    house.run(house.start())
    first, second, third = (each.id for each in house.events())
    assert first == second != third


@pytest.mark.parametrize("every_ms", [1, 0], ids=["one after the other", "all written at one time"])
@pytest.mark.parametrize(("per_second", "count"), [(0.2, 11), (0.02, 4), (4.0, 100), (30.0, 100)])
def test_the_rate_holds_from_the_first_picture_to_the_last_over_all_pages(per_second: float, count: int, every_ms: int) -> None:
    house = House()
    house.fill(count, every_ms)
    assert house.run(house.start(per_second=per_second)) == pytest.approx((count - 1) / per_second, rel=0.01)
    assert sorted(house.times) == pytest.approx([number / per_second for number in range(count)], abs=0.05)


def test_no_step_announces_for_longer_than_a_worker_has_for_one() -> None:
    house = House(settings=BackfillSettings(page_media=1000))
    house.fill(300)
    house.worker().step(house.start(per_second=10).id)
    assert len(house.times) == 50
    assert (house.clock.now - NOON).total_seconds() <= STEP_S


@pytest.mark.parametrize("paused_s", [0, 2, 100])
def test_the_rate_holds_over_a_pause(paused_s: float) -> None:
    house = House()
    house.fill(4)
    backfill = house.start(per_second=0.1)
    house.worker().step(backfill.id)
    house.backfills.order(house.standing(backfill), "paused")
    house.clock.now += seconds(paused_s)
    resumed = house.backfills.order(house.standing(backfill), "running")
    house.clock.now = max(house.clock.now, resumed.next_at)
    house.run(backfill)
    assert [round(later - earlier) for earlier, later in pairwise(house.times)] == [max(10, paused_s), 10, 10]


def test_a_step_says_how_long_the_next_one_waits_and_a_long_wait_is_told_in_parts() -> None:
    house = House()
    house.fill(100)
    backfill = house.start(per_second=0.005)
    assert house.worker().step(backfill.id) == SETTINGS.pause_max_s
    house.clock.now += seconds(SETTINGS.pause_max_s)
    assert house.worker().step(backfill.id) == SETTINGS.pause_max_s
    house.clock.now = NOON + seconds(199)
    assert house.worker().step(backfill.id) == 1
    assert len(house.announced()) == 1


def test_nothing_is_announced_while_too_many_pictures_wait_to_be_judged() -> None:
    house = House(settings=BackfillSettings(page_media=10, lag_max=15, lag_wait_s=7))
    house.fill(60)
    backfill = house.start(per_second=100)
    for _ in range(3):
        wait_s = house.worker().step(backfill.id)
        house.clock.now += seconds(wait_s or 0)
    assert (len(house.announced()), wait_s) == (20, 7)
    assert "20 announced pictures" in (house.standing(backfill).note or "")
    house.bus.groups[GROUP] = {log: CommittedOffset(len(records)) for log, records in house.bus.logs.items()}
    assert house.worker().step(backfill.id) == pytest.approx(0.01, abs=0.001)
    assert house.standing(backfill).note is None


def test_a_step_that_finds_only_what_was_changed_a_moment_ago_comes_back_later() -> None:
    class Fresh(FakeArchive):
        def media(self, query: Query, cursor: Cursor | None, count: int) -> Page:
            return Page(cursor=cursor)

    house = House(archive=Fresh())
    backfill = house.start()
    assert house.worker().step(backfill.id) == SETTINGS.lag_wait_s
    assert house.standing(backfill).state == "running"


def test_a_picture_that_has_its_report_is_announced_with_the_study_that_it_names() -> None:
    house = House()
    media, other = house.fill(2)
    for name, as_of in (("newer", NOON), ("older", NOON - seconds(9))):
        house.archive.reports[name] = ReportSummary(name, media, issued=NOON, as_of=as_of, calls=True, study=f"ImagingStudy/{name}")
    house.run(house.start())
    assert {each.media: each.study for each in house.events()} == {media: "ImagingStudy/newer", other: None}
