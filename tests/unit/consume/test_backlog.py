"""What is not done of each partition, and since when."""

from __future__ import annotations

import pytest
from tocsin.consume.partitions.backlog import Backlog, Partition, View
from tocsin.kafka.types import CommittedOffset, Position, Record, TopicPartition

LIVE, BACKFILL = TopicPartition("imaging", 0), TopicPartition("backfill", 0)
NOW = 1_000.0


def record(offset: int, at_s: float = 900.0, of: TopicPartition = LIVE) -> Record:
    return Record(Position(of, offset), b"k", b"v", (), int(at_s * 1000))


@pytest.fixture
def backlog() -> Backlog:
    made = Backlog(BACKFILL.topic)
    made.begin(LIVE, CommittedOffset(10))
    return made


def test_a_partition_that_is_all_committed_has_no_lag_and_no_age(backlog: Backlog) -> None:
    backlog.look({LIVE: 10}, {}, NOW)
    assert backlog.view == View((Partition(LIVE, 0, None),), {})


def test_the_first_record_without_an_ending_gives_the_age(backlog: Backlog) -> None:
    backlog.took(record(10, 900), "live", NOW)
    backlog.took(record(11, 800), "replay", NOW)
    backlog.look({LIVE: 15}, {LIVE: 12}, NOW)
    assert backlog.view == View((Partition(LIVE, 5, 900.0),), {"live": 900.0, "replay": 800.0})
    backlog.ended(Position(LIVE, 10))
    backlog.look({LIVE: 15}, {LIVE: 12}, NOW)
    assert backlog.view == View((Partition(LIVE, 5, 800.0),), {"replay": 800.0})


@pytest.mark.parametrize("at_s", [-0.001, 0.0, NOW + 3600])
def test_a_record_without_a_sensible_time_is_as_old_as_its_delivery(backlog: Backlog, at_s: float) -> None:
    backlog.took(record(10, at_s), "live", NOW)
    backlog.look({LIVE: 11}, {LIVE: 11}, NOW + 5)
    assert backlog.view.oldest == {"live": NOW}


def test_what_waits_on_the_bus_is_as_old_as_since_it_was_first_seen(backlog: Backlog) -> None:
    backlog.begin(BACKFILL, CommittedOffset(3))
    backlog.look({LIVE: 12, BACKFILL: 4}, {}, NOW)
    backlog.look({LIVE: 13, BACKFILL: 4}, {}, NOW + 60)
    assert backlog.view == View((Partition(BACKFILL, 1, NOW), Partition(LIVE, 3, NOW)), {"backfill": NOW, "live": NOW})


def test_what_was_read_and_has_ended_is_not_old_before_it_is_committed(backlog: Backlog) -> None:
    backlog.took(record(10), "live", NOW)
    backlog.ended(Position(LIVE, 10))
    backlog.look({LIVE: 11}, {LIVE: 11}, NOW)
    assert backlog.view == View((Partition(LIVE, 1, None),), {})
    backlog.committed(LIVE, 11)
    backlog.look({LIVE: 11}, {LIVE: 11}, NOW)
    assert backlog.view == View((Partition(LIVE, 0, None),), {})


def test_a_partition_without_a_commit_lags_from_what_was_read_of_it_first() -> None:
    backlog = Backlog(BACKFILL.topic)
    backlog.look({LIVE: 9}, {LIVE: 7}, NOW)
    assert [each.lag for each in backlog.view.partitions] == [2]
    backlog.took(record(7), "live", NOW)
    backlog.look({LIVE: 9}, {LIVE: 8}, NOW)
    assert [each.lag for each in backlog.view.partitions] == [2]


def test_a_partition_of_another_member_is_forgotten(backlog: Backlog) -> None:
    backlog.took(record(10), "live", NOW)
    backlog.look({LIVE: 11}, {}, NOW)
    backlog.keep(())
    assert backlog.view == View()
    backlog.begin(LIVE, CommittedOffset(11))
    backlog.look({LIVE: 11}, {}, NOW)
    assert backlog.view == View((Partition(LIVE, 0, None),), {})
