"""A backfill goes on by itself from what stands on Kafka, and as it was ordered, whatever becomes of its workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs
from tocsin.archive.backfill.backfiller import Backfiller, Backfills, begun, ordered
from tocsin.archive.reconcile.checkpoint import Checkpoint
from tocsin.archive.types import Backfill, Cursor, Page, Query, State
from tocsin.errors import Deferred, FhirRejected

from tests.fakes.archive import FakeArchive, FakeGroup
from tests.fakes.bus import FakeSink, FakeTopicReader
from tests.support.backfilling import NOON, SETTINGS, STATES, TOPIC, House, seconds


class DyingBackfills(Backfills):
    """The worker dies before what it did is kept."""

    def save(self, backfill: Backfill) -> None:
        raise KeyboardInterrupt


def test_a_worker_that_dies_after_it_announced_a_page_costs_one_page_twice_and_none_is_missed() -> None:
    house = House()
    media = house.fill(35)
    backfill = house.start()
    wait_s = house.worker().step(backfill.id)
    house.clock.now += seconds(wait_s or 0)
    dying = Backfiller(
        DyingBackfills(FakeTopicReader(house.bus), FakeSink(house.bus), STATES),
        house.archive,
        FakeSink(house.bus),
        FakeGroup(house.bus),
        TOPIC,
        SETTINGS,
        house.clock,
        house.disputed,
        house.monotonic,
        house.sleep,
    )
    with pytest.raises(KeyboardInterrupt):
        dying.step(backfill.id)
    house.run(backfill)
    assert set(house.announced()) == set(media)
    assert sorted(Counter(house.announced()).values()) == [1] * 25 + [2] * 10
    assert len({each.id for each in house.events()}) == 35


def test_kafka_away_in_the_middle_of_a_page_is_for_the_next_step() -> None:
    house = House()
    media = house.fill(15)
    backfill = house.start()
    house.bus.away = True
    with pytest.raises(Deferred):
        house.worker().step(backfill.id)
    house.bus.away = False
    house.run(backfill)
    assert set(house.announced()) == set(media)


def test_a_double_of_a_step_that_comes_too_early_ends_and_announces_nothing() -> None:
    house = House()
    house.fill(30)
    backfill = house.start(per_second=0.4)
    assert house.worker().step(backfill.id) == 2.5
    assert house.worker().step(backfill.id) is None
    house.clock.now += seconds(2)
    assert house.worker().step(backfill.id) == 0.5
    assert len(house.announced()) == 2


@pytest.mark.parametrize("order", ["paused", "cancelled"])
def test_an_order_given_while_a_step_is_under_way_is_not_overwritten_by_it(order: State) -> None:
    house = House()
    house.fill(30)
    backfill = house.start()
    house.archive = Meanwhile(house.archive, lambda: house.backfills.order(house.standing(backfill), order))
    house.worker().step(backfill.id)
    house.clock.now += seconds(60)
    assert house.standing(backfill).state == order
    assert house.worker().step(backfill.id) is None
    assert house.worker().overdue() == []
    assert len(house.announced()) == 10


class Meanwhile(FakeArchive):
    """Something happens while a page is read."""

    def __init__(self, archive: FakeArchive, happens: Callable[[], object]) -> None:
        super().__init__(images=archive.images)
        self._happens = happens

    def media(self, query: Query, cursor: Cursor | None, count: int) -> Page:
        self._happens()
        return super().media(query, cursor, count)


def test_a_paused_backfill_goes_on_where_it_stood_once_it_is_resumed() -> None:
    house = House()
    media = house.fill(30)
    backfill = house.start()
    house.worker().step(backfill.id)
    house.backfills.order(house.standing(backfill), "paused")
    house.clock.now += seconds(1)
    house.backfills.order(house.standing(backfill), "running")
    house.run(backfill)
    assert Counter(house.announced()) == Counter(media)


def test_a_search_that_the_server_refuses_pauses_the_backfill_with_the_reason_until_it_is_resumed() -> None:
    class Refusing(FakeArchive):
        def media(self, query: Query, cursor: Cursor | None, count: int) -> Page:
            raise FhirRejected("HTTP 400: error processing", reference="Media")

    house = House()
    house.fill(5)
    backfill, willing = house.start(), house.archive
    house.archive = Refusing()
    assert house.worker().step(backfill.id) is None
    assert house.standing(backfill).state == "paused"
    assert "HTTP 400" in (house.standing(backfill).note or "")
    house.archive = willing
    house.clock.now += seconds(60)
    assert house.backfills.order(house.standing(backfill), "running").note is None
    house.run(backfill)
    assert house.standing(backfill).state == "done"


def test_a_backfill_whose_step_was_lost_with_redis_is_overdue_after_a_while_and_no_sooner() -> None:
    house = House()
    house.fill(30)
    backfill = house.start()
    house.worker().step(backfill.id)
    house.clock.now = house.standing(backfill).next_at + seconds(SETTINGS.stale_after_s)
    assert house.worker().overdue() == []
    house.clock.now += seconds(1)
    assert house.worker().overdue() == [backfill.id]
    house.run(backfill)
    house.clock.now += seconds(3600)
    assert house.worker().overdue() == []


def test_what_is_no_backfill_on_the_topic_is_passed_over() -> None:
    house = House()
    backfill = house.start()
    house.bus.append(STATES, b"x", b"not json")
    house.bus.append(STATES, b"y", None)
    assert [each.id for each in house.backfills.all()] == [backfill.id]
    assert house.backfills.get("00000000") is None
    assert house.worker().step("00000000") is None


@pytest.mark.parametrize(
    ("progress", "order", "later", "holds"),
    [
        ("running", "paused", False, "paused"),
        ("running", "paused", True, "paused"),
        ("running", "cancelled", False, "cancelled"),
        ("running", "running", True, "running"),
        ("paused", "running", True, "running"),
        ("paused", "running", False, "paused"),
        ("done", "paused", True, "done"),
        ("done", "cancelled", True, "done"),
    ],
)
def test_which_of_progress_and_order_holds(progress: str, order: str, later: bool, holds: str) -> None:
    made = begun(Query(), total=1, per_second=1, now=NOON)
    said = made.model_copy(update={"state": order, "updated_at": NOON + seconds(1 if later else -1)})
    assert ordered(made.model_copy(update={"state": progress}), said).state == holds


def test_a_backfill_that_stood_still_is_resumed_by_an_operator_whose_clock_is_behind_or_ahead_and_stands_still_again() -> None:
    house = House()
    backfill = house.start()
    stood_still = house.standing(backfill).model_copy(update={"state": "paused", "updated_at": NOON + seconds(60)})
    house.backfills.save(stood_still)
    assert house.backfills.order(house.standing(backfill), "running").state == "running"
    assert house.standing(backfill).state == "running"
    house.backfills.save(stood_still.model_copy(update={"updated_at": NOON + seconds(61)}))
    assert house.standing(backfill).state == "paused"


def test_steps_of_workers_whose_clocks_differ_are_one_after_the_other() -> None:
    house = House()
    house.fill(30)
    backfill = house.start()
    house.worker().step(backfill.id)
    first = house.standing(backfill)
    house.clock.now -= seconds(3600)
    behind = first.model_copy(update={"next_at": house.clock.now})
    house.backfills.save(behind)
    house.worker().step(backfill.id)
    assert house.standing(backfill).updated_at > first.updated_at


def test_how_far_the_reconciliation_has_come_is_no_backfill_and_no_unreadable_record() -> None:
    house = House()
    backfill = house.start()
    Checkpoint(FakeTopicReader(house.bus), FakeSink(house.bus), STATES).keep(NOON, 10, whole=True, now=NOON)
    with capture_logs() as lines:
        assert [each.id for each in house.backfills.all()] == [backfill.id]
    assert lines == []


@pytest.mark.parametrize("key", [b"reconciliation", b"reconciliation/asked", b"recall/0a1b2c3d", b"0a1b2c3d4e", b"", None])
def test_what_another_job_keeps_beside_the_backfills_is_none_of_their_business(key: bytes | None) -> None:
    house = House()
    backfill = house.start()
    house.bus.append(STATES, key, b'{"version": 1}')
    with capture_logs() as lines:
        assert house.backfills.all() == [backfill]
    assert lines == []
