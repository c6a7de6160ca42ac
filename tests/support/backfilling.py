"""A record, a bus and a clock, and the backfills on them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tocsin.archive.backfill.backfiller import Backfiller, Backfills, begun
from tocsin.archive.types import Backfill, Query
from tocsin.deadletter.disputes import open_disputes
from tocsin.event.types import ImagingEvent
from tocsin.settings import BackfillSettings, KafkaSettings

from tests.fakes.archive import FakeArchive, FakeGroup, Image
from tests.fakes.bus import FakeBus, FakeSink, FakeTopicReader

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
