"""An unread flag does not fall off the bus: its picture is announced again in time, and what cannot be is said."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest
from tocsin.review.renewal import Renewal
from tocsin.review.worklist import Ranks, Worklist
from tocsin.settings import KafkaSettings

from tests.builders import card
from tests.fakes.archive import FakeArchive, Image
from tests.fakes.bus import FakeBus, FakeSink, FakeTopicReader
from tests.support.flags import NOW, flag, verdict

DAY = timedelta(days=1)
SITE = "urn:tocsin:site:north"


class House:
    """A bus, a record and a worklist."""

    def __init__(self, batch_max: int = 100) -> None:
        self.bus, self.archive = FakeBus(), FakeArchive()
        self.worklist = Worklist(Ranks.of(card().operating_point.bands), 1000)
        topics = KafkaSettings()
        reader, sink = FakeTopicReader(self.bus), FakeSink(self.bus)
        self.renewal = Renewal(self.archive, reader, sink, topics, SITE, 20 * DAY, batch_max)
        self.topic = topics.topic_backfill

    def admit(self, number: int, band: str | None, days: int, *, picture: bool = True, source: str = SITE) -> None:
        self.worklist.flag(flag(number, band, at=NOW - days * DAY, source=source))
        if picture:
            self.archive.put(Image(f"Media/m{number}", NOW - days * DAY, f"Patient/p{number}"))

    def announced(self) -> list[str]:
        return sorted(orjson.loads(record.value or b"")["media"] for record in self.bus.records(self.topic))


def test_what_asks_to_be_looked_at_is_announced_again_before_it_is_forgotten() -> None:
    house = House()
    house.admit(1, "high", 25)
    house.admit(2, None, 25)
    house.admit(3, "below-threshold", 25)
    house.admit(4, "high", 10)
    house.admit(5, "high", 25)
    house.worklist.verdict(verdict(5))
    house.admit(6, "high", 25, source="urn:tocsin:site:south")
    assert house.renewal.renew(house.worklist.rows(), NOW) == 2
    assert house.announced() == ["Media/m1", "Media/m2"]


def test_the_flag_that_follows_ends_it() -> None:
    house = House()
    house.admit(1, "high", 25)
    house.worklist.flag(flag(1, at=NOW, issued=NOW - 25 * DAY))
    assert house.renewal.renew(house.worklist.rows(), NOW) == 0


def test_the_oldest_go_first_where_there_are_too_many() -> None:
    house = House(batch_max=2)
    for number, days in ((1, 21), (2, 29), (3, 25)):
        house.admit(number, "high", days)
    assert house.renewal.renew(house.worklist.rows(), NOW) == 2
    assert house.announced() == ["Media/m2", "Media/m3"]


def test_a_flag_whose_picture_is_gone_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    house = House()
    house.admit(1, "high", 25, picture=False)
    assert house.renewal.renew(house.worklist.rows(), NOW) == 0
    said = capsys.readouterr()
    assert "unread flags cannot be announced again" in said.out + said.err
