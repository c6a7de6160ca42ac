"""A backfill goes on by itself from what stands on Kafka: no picture is missed, the rate is kept, live events never wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import orjson
import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs
from tocsin.archive.backfill.backfiller import STEP_S, Backfiller, Backfills, begun, modalities, ordered
from tocsin.archive.reconcile.checkpoint import Checkpoint
from tocsin.archive.types import Backfill, Cursor, Page, Query, ReportSummary, State
from tocsin.deadletter.disputes import open_disputes
from tocsin.deadletter.types import dead_letter, send_dead_letter
from tocsin.errors import Deferred, FhirRejected, SubjectMismatch
from tocsin.event.types import ImagingEvent
from tocsin.fhir.canonical import DICOM_MODALITY
from tocsin.fhir.datatypes import Coding
from tocsin.image.gate import Acceptance
from tocsin.kafka.types import CommittedOffset
from tocsin.settings import BackfillSettings, KafkaSettings

from tests.builders import card, event_json, record
from tests.fakes.archive import FakeArchive, FakeGroup, Image
from tests.fakes.bus import GROUP, FakeBus, FakeSink, FakeTopicReader

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
STATES = "backfills"
TOPIC = "backfill"
TOPICS = KafkaSettings()
SETTINGS = BackfillSettings(page_media=10, lag_max=1000)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass
class House:
    """A record, a bus and a clock; every worker is made anew, since one may die at any time."""

    bus: FakeBus = field(default_factory=FakeBus)
    archive: FakeArchive = field(default_factory=FakeArchive)
    clock: Clock = field(default_factory=Clock)
    settings: BackfillSettings = SETTINGS
    times: list[float] = field(default_factory=list)
    """Of each announcement, which follows its wait, in seconds after noon."""

    def __post_init__(self) -> None:
        self.backfills = Backfills(FakeTopicReader(self.bus), FakeSink(self.bus), STATES)

    def disputed(self, media: Collection[str]) -> dict[str, str]:
        return open_disputes(FakeTopicReader(self.bus), TOPICS, media)

    def monotonic(self) -> float:
        return (self.clock.now - NOON).total_seconds()

    def sleep(self, wait_s: float) -> None:
        self.clock.now += seconds(wait_s)
        self.times.append(self.monotonic())

    def worker(self) -> Backfiller:
        group = FakeGroup(self.bus)
        return Backfiller(
            self.backfills,
            self.archive,
            FakeSink(self.bus),
            group,
            TOPIC,
            self.settings,
            self.clock,
            self.disputed,
            self.monotonic,
            self.sleep,
        )

    def fill(self, count: int, every_ms: int = 1) -> list[str]:
        began = NOON - timedelta(days=1)
        for number in range(count):
            updated = began + timedelta(milliseconds=number * every_ms)
            self.archive.put(Image(f"Media/m{number:03}", updated, f"Patient/p{number % 7}"))
        return list(self.archive.images)

    def start(self, query: Query | None = None, per_second: float = 5.0) -> Backfill:
        query = query or Query()
        backfill = begun(query, total=self.archive.count(query), per_second=per_second, now=self.clock())
        self.backfills.save(backfill)
        return backfill

    def standing(self, backfill: Backfill) -> Backfill:
        found = self.backfills.get(backfill.id)
        assert found is not None
        return found

    def run(self, backfill: Backfill) -> float:
        """Every step at its time, each by another worker, to the end; gives the seconds it took."""
        began = self.clock.now
        while (wait_s := self.worker().step(backfill.id)) is not None:
            self.clock.now += seconds(wait_s)
        return (self.clock.now - began).total_seconds()

    def events(self) -> list[ImagingEvent]:
        return [ImagingEvent.model_validate_json(each.value or b"") for each in self.bus.records(TOPIC)]

    def announced(self) -> list[str]:
        return [each.media for each in self.events()]


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


def test_a_step_that_finds_only_what_was_changed_a_moment_ago_comes_back_later() -> None:
    class Fresh(FakeArchive):
        def media(self, query: Query, cursor: Cursor | None, count: int) -> Page:
            return Page(cursor=cursor)

    house = House(archive=Fresh())
    backfill = house.start()
    assert house.worker().step(backfill.id) == SETTINGS.lag_wait_s
    assert house.standing(backfill).state == "running"


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


def test_unless_told_only_what_the_model_accepts_is_looked_for() -> None:
    accepts = card().accepts
    acceptance = Acceptance(
        modalities=frozenset(Coding(each.system, each.code) for each in accepts.modalities),
        refused=frozenset(),
        limits=accepts.quality,
        modality_when_absent=None,
    )
    vouching = Acceptance(acceptance.modalities, acceptance.refused, acceptance.limits, Coding(DICOM_MODALITY, "DMS"))
    by_either_name = (f"{DICOM_MODALITY}|DMS", "urn:oid:1.2.840.10008.2.16.4|DMS")
    assert modalities(acceptance, None) == by_either_name
    assert modalities(vouching, None) == (*by_either_name, "absent")
    assert modalities(vouching, ["XC"]) == ("XC",)
    assert modalities(vouching, []) == ()


@pytest.mark.parametrize(
    "query",
    [
        {"where": ["patient.name=X"]},
        {"where": ["subject:Patient.birthdate=1970-01-01"]},
        {"where": ["encounter.patient.family=X"]},
        {"where": ["encounter.subject:Patient.name=X"]},
        {"where": ["encounter.subject.name:exact=X"]},
        {"where": ["encounter.patient:identifier=X"]},
        {"where": ["device.patient.birthdate=1970-01-01"]},
        {"where": ["based-on.subject.phone=1"]},
        {"where": ["based-on:ServiceRequest.requester.name=X"]},
        {"where": ["operator.name=X"]},
        {"where": ["operator:Patient=1"]},
        {"where": ["encounter.participant:RelatedPerson.address-city=X"]},
        {"where": ["encounter.account.owner.birthdate:exact=1970-01-01"]},
        {"where": ["_sort=-created"]},
        {"where": ["_count=100000"]},
        {"where": ["created=ge2020"]},
        {"where": ["device"]},
        {"created_from": date(2026, 3, 2), "created_to": date(2026, 3, 1)},
    ],
)
def test_a_query_neither_names_a_person_nor_meddles_with_the_paging(query: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Query.model_validate(query)


@pytest.mark.parametrize(
    "where",
    [
        "device=Device/camera-3",
        "device.device-name=dermatoscope",
        "encounter.location.name=Ward-3",
        "encounter.service-provider.name=Dermatology",
        "encounter.patient=Patient/p1",
        "based-on.code=24626005",
        "identifier=urn:test:camera|a.family=b",
        "subject=Patient/p1",
        "_tag=study-7",
    ],
)
def test_a_query_may_name_whatever_is_no_person(where: str) -> None:
    assert Query(where=(where,)).where == (where,)


def test_a_picture_that_has_its_report_is_announced_with_the_study_that_it_names() -> None:
    house = House()
    media, other = house.fill(2)
    for name, as_of in (("newer", NOON), ("older", NOON - seconds(9))):
        house.archive.reports[name] = ReportSummary(name, media, issued=NOON, as_of=as_of, calls=True, study=f"ImagingStudy/{name}")
    house.run(house.start())
    assert {each.media: each.study for each in house.events()} == {media: "ImagingStudy/newer", other: None}


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
