"""What disks, retention and people take off the bus, on a real broker: damage, deletion, a topic made anew."""

from __future__ import annotations

from contextlib import closing

import orjson
import pytest
from tocsin.deadletter.types import DeadLetter
from tocsin.errors import Deferred
from tocsin.kafka.missing_events import Missing
from tocsin.kafka.types import CommittedOffset
from tocsin.sandbox.kafka import Kafka

from tests.builders import event_json
from tests.support.buses import WITHIN_S, Member
from tests.support.foreign_producers import House, consuming, values
from tests.support.waiting import eventually


def test_a_damaged_batch_is_passed_over_by_its_position_and_all_others_are_read(house: House, kafka: Kafka) -> None:
    house.send(b"before")
    house.send(b"to be damaged 1", b"to be damaged 2", linger_ms=200)
    house.send(b"after")
    house.damage(b"to be damaged 1", kafka.folder)
    with closing(Member(house.source())) as member:
        read = member.read_until(3)
    assert values(read) == [b"before", None, b"after"]
    damaged = read[1]
    assert (damaged.position.offset, damaged.key, damaged.headers) == (1, None, ())
    assert damaged.unreadable is not None
    assert damaged.unreadable.last_offset == 2
    assert "checksum" in damaged.unreadable.why
    assert house.read() == [b"before", b"after"]


def test_a_damaged_batch_at_the_end_of_the_log_is_passed_over_and_what_comes_later_is_read(house: House, kafka: Kafka) -> None:
    house.send(b"before")
    house.send(b"to be damaged")
    house.damage(b"to be damaged", kafka.folder)
    with closing(Member(house.source())) as member:
        assert values(member.read_until(2)) == [b"before", None]
        assert member.source.reached() == {house.log: 2}
        house.send(b"after")
        assert values(member.read_until(3)) == [b"before", None, b"after"]


def test_a_batch_whose_damaged_header_claims_a_thousand_records_hides_none_behind_it(house: House, kafka: Kafka) -> None:
    house.send(b"before")
    house.send(b"its header is damaged")
    house.send(b"after")
    house.claim(b"its header is damaged", 1000, kafka.folder)
    with closing(Member(house.source())) as member:
        assert values(member.read_until(3)) == [b"before", None, b"after"]


# Retention.


def test_events_that_were_deleted_before_they_were_read_are_said_with_their_range_before_any_other_is_delivered(house: House) -> None:
    house.send(*(b"%d" % number for number in range(6)))
    with closing(Member(house.source())) as first:
        first.read_until(6)
        first.source.commit({house.log: CommittedOffset(2)})
    house.forget(below=5)
    told: list[Missing] = []
    with closing(Member(house.telling(told))) as member:
        assert values(member.read_until(1)) == [b"5"]
    assert member.cut_off == []
    assert told == [Missing(house.log, 2, 5)]
    assert "events 2 to 4 were deleted before they were read" in str(told[0])


def test_what_is_missing_is_told_again_where_nobody_could_be_told_and_nothing_is_delivered_before(house: House) -> None:
    house.send(*(b"%d" % number for number in range(4)))
    with closing(Member(house.source())) as first:
        first.read_until(4)
        first.source.commit({house.log: CommittedOffset(1)})
    house.forget(below=3)
    told: list[Missing] = []
    away = iter([True, True, False])
    with closing(Member(house.telling(told, away))) as member:
        for _ in range(2):
            with pytest.raises(Deferred, match="away"):
                eventually(lambda: member.poll(0.1) is None, within_s=WITHIN_S)
        assert member.read == []
        assert values(member.read_until(1)) == [b"3"]
    assert told == [Missing(house.log, 1, 3)]


def test_events_that_are_deleted_while_they_are_waited_for_are_said_too(house: House) -> None:
    house.send(*(b"%d" % number for number in range(6)))
    told: list[Missing] = []
    with closing(Member(house.telling(told))) as member:
        eventually(lambda: bool(member.poll(0.1, records_max=6)), within_s=WITHIN_S)
        member.source.listen(())
        house.send(b"6", b"7", b"8")
        house.forget(below=8)
        member.source.listen((house.topic,))
        eventually(lambda: member.poll(0.1) is None or member.read[-1].value == b"8", within_s=WITHIN_S, what="the last")
    assert [each.found for each in told] == [8]


@pytest.mark.parametrize("count", [1, 9], ids=["shorter", "longer"])
def test_a_topic_that_was_made_anew_is_said_to_be_and_read_from_its_beginning(house: House, count: int) -> None:
    new = [b"new %d" % number for number in range(count)]
    house.send(*(b"%d" % number for number in range(6)))
    told: list[Missing] = []
    with closing(Member(house.telling(told))) as member:
        member.read_until(6)
        house.make_anew()
        house.send(*new)
        eventually(lambda: member.poll(0.1) is None or set(new) <= set(values(member.read)), within_s=WITHIN_S, what="the new ones")
    assert [(each.topic_partition, each.found, each.made_anew) for each in told] == [(house.log, 0, True)]
    assert member.cut_off == [(house.log, 0)]


def test_a_damaged_batch_becomes_one_dead_letter_with_its_positions_and_the_next_event_goes_on(house: House, kafka: Kafka) -> None:
    house.send(b"to be damaged 1", b"to be damaged 2", linger_ms=200)
    house.send(orjson.dumps(event_json()))
    house.damage(b"to be damaged 1", kafka.folder)
    with consuming(house) as out:
        eventually(lambda: house.lag() == 0, within_s=WITHIN_S, what="no lag")
    (letter,) = (DeadLetter.model_validate_json(each.value or b"") for each in out.records("letters"))
    assert (letter.reason, letter.original.offset, letter.original.value, letter.original.headers) == ("unreadable", 0, None, ())
    assert "up to 1: its checksum does not match" in letter.detail
