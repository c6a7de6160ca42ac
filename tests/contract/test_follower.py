"""A worklist that follows a real bus: whole at the start, current afterwards, the same after a restart."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime, timedelta

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewPartitions
from pydantic import BaseModel
from tocsin.clock import utc_now
from tocsin.kafka import follower as follower_module
from tocsin.kafka.follower import KafkaTopicFollower
from tocsin.kafka.records import encode
from tocsin.kafka.sink import KafkaSink
from tocsin.review.feedback import Feedback
from tocsin.review.feedback_bus import KafkaFeedbacks
from tocsin.review.following import Intake, following
from tocsin.review.worklist import Ranks, Wanted, Worklist
from tocsin.sandbox.kafka import Kafka
from tocsin.settings import KafkaSettings

from tests.builders import card
from tests.support.flags import feedback, flag, standing, verdict
from tests.support.stack import frozen
from tests.support.waiting import eventually

WITHIN_S = 20.0
DAY = timedelta(days=1)
WINDOW = 30 * DAY


class House:
    """Topics of this test alone on a real broker."""

    def __init__(self, bus: Kafka) -> None:
        mark = secrets.token_hex(4)
        self.flags, self.verdicts, self.feedback = f"flags-{mark}", f"verdicts-{mark}", f"feedback-{mark}"
        self.settings = KafkaSettings(
            bootstrap_servers=bus.bootstrap_servers,
            connect_timeout_s=2,
            read_timeout_s=1,
            reconnect_wait_max_s=0.2,
            topics_look_every_s=0.5,
        )
        self.admin = KafkaAdminClient(bootstrap_servers=bus.bootstrap_servers)
        self.make()
        self._producer = KafkaProducer(bootstrap_servers=bus.bootstrap_servers)

    def make(self) -> None:
        """Make the topics."""
        described = {"num_partitions": 2, "replication_factor": 1}
        self.admin.create_topics(dict.fromkeys((self.flags, self.verdicts, self.feedback), described), wait_for_metadata=True)

    def say(self, *said: BaseModel, at: datetime | None = None) -> None:
        """Put these on the bus, which got them `at` this time, or now."""
        for each in said:
            key = str(getattr(each, "subject", None) or getattr(each, "report", "")).encode()
            topic = self.flags if type(each).__name__ == "Flag" else self.verdicts
            at_ms = int((at or utc_now()).timestamp() * 1000)
            self._producer.send(topic, encode(each), key, timestamp_ms=at_ms).get(timeout=WITHIN_S)

    def tell(self, *told: Feedback) -> None:
        """Have the process that EHRs call keep their feedback."""
        with closing(KafkaSink(self.settings)) as sink:
            KafkaFeedbacks(sink, self.feedback).keep(told)

    def garble(self) -> None:
        """A record that is no flag."""
        self._producer.send(self.flags, b"{}", b"x").get(timeout=WITHIN_S)

    def close(self) -> None:
        self._producer.close()
        self.admin.close()

    @contextmanager
    def reader(self) -> Iterator[tuple[Worklist, KafkaTopicFollower]]:
        """A worklist as a process that has just started keeps it."""
        worklist = Worklist(Ranks.of(card().operating_point.bands), 1000)
        follower = KafkaTopicFollower(self.settings, (self.flags, self.verdicts, self.feedback))
        with following(follower, Intake(worklist, self.flags, WINDOW, utc_now, self.feedback)):
            yield worklist, follower


@pytest.fixture
def house(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(follower_module, "LOOK_EVERY_S", 0.3)
    monkeypatch.setattr(follower_module, "AGAIN_AFTER_S", 0.2)
    with closing(House(kafka)) as made:
        yield made


def shown(worklist: Worklist) -> list[str]:
    return [row.report.removeprefix("DiagnosticReport/") for row in worklist.page(Wanted(), None, 100)]


def shows(worklist: Worklist, *reports: str) -> None:
    eventually(lambda: shown(worklist) == list(reports), within_s=WITHIN_S, what=f"{reports} on the list")


def test_all_that_stands_is_read_and_what_comes_is_followed(house: House) -> None:
    now = utc_now()
    house.say(flag(9, at=now - 40 * DAY), at=now - 40 * DAY)
    house.say(flag(1, at=now - 2 * DAY), at=now - 2 * DAY)
    house.garble()
    house.say(flag(2, at=now), flag(3, "raised", at=now), verdict(3, at=now), standing(3, at=now))
    with house.reader() as (worklist, follower):
        eventually(lambda: follower.whole, within_s=WITHIN_S, what="a whole list")
        assert shown(worklist) == ["r2", "r1"], "and nothing from before the window"
        house.say(flag(4, at=utc_now()), verdict(1, at=utc_now()))
        shows(worklist, "r4", "r2")
        eventually(lambda: follower.behind_s < 2 and follower.detail == "", within_s=WITHIN_S, what="a current list")


def test_a_restart_gives_the_same_list(house: House) -> None:
    now = utc_now()
    for number in range(40):
        house.say(flag(number, ("high", "raised", None)[number % 3], at=now - number * timedelta(minutes=5)))
        if number % 4 == 0:
            house.say(verdict(number, at=now, id=number), standing(number, at=now + timedelta(seconds=1), verdict=number))
    lists = []
    for _ in range(2):
        with house.reader() as (worklist, follower):
            eventually(lambda: follower.whole, within_s=WITHIN_S, what="a whole list")
            lists.append(worklist.rows())
    assert len(lists[0]) == 40
    assert lists[0] == lists[1]


def test_feedback_told_before_its_flag_in_batches_and_twice_is_on_the_list_once_and_answers_nothing(house: House) -> None:
    now = utc_now()
    later = now + timedelta(seconds=1)
    batch = [feedback(1, at=now), feedback(1, "no-time-now", id=2, at=later), feedback(2, id=3, at=now), feedback(None)]
    house.tell(*batch)
    house.tell(*reversed(batch), batch[0])
    with house.reader() as (worklist, follower):
        eventually(lambda: follower.whole, within_s=WITHIN_S, what="a whole list")
        house.say(flag(1, at=now), flag(2, "raised", at=now))
        shows(worklist, "r1", "r2")
        house.tell(*batch)
        first = worklist.row("DiagnosticReport/r1")
        assert first is not None
        assert [each.reason and each.reason.code for each in first.in_ehr.answers] == ["clinically-benign", "no-time-now"]
        house.say(verdict(2, at=utc_now()))
        eventually(lambda: worklist.page(Wanted(unsigned=True), None, 9) == [first], within_s=WITHIN_S, what="one that is not signed")
        rows = worklist.rows()
    with house.reader() as (worklist, follower):
        eventually(lambda: follower.whole, within_s=WITHIN_S, what="a whole list again")
        assert worklist.rows() == rows


def test_an_outage_of_the_bus_is_said_and_what_came_meanwhile_is_read_after_it(house: House, kafka: Kafka) -> None:
    house.say(flag(1, at=utc_now()))
    with house.reader() as (worklist, follower), ExitStack() as outage:
        shows(worklist, "r1")
        eventually(lambda: follower.whole, within_s=WITHIN_S, what="a whole list")
        outage.enter_context(frozen(kafka.child))
        eventually(lambda: follower.detail != "" and follower.behind_s > 2, within_s=WITHIN_S, what="a list that says it lacks something")
        assert shown(worklist) == ["r1"], "what is known stays"
        outage.close()
        house.say(flag(2, at=utc_now()))
        shows(worklist, "r2", "r1")
        eventually(lambda: follower.detail == "" and follower.behind_s < 2, within_s=WITHIN_S, what="a current list")


def test_partitions_that_are_added_are_read_and_a_topic_that_was_made_anew_is_read_from_its_beginning(house: House) -> None:
    house.say(flag(1, at=utc_now()), flag(2, at=utc_now()))
    with house.reader() as (worklist, _):
        shows(worklist, "r2", "r1")
        house.admin.create_partitions({house.flags: NewPartitions(6)})
        eventually(lambda: len(house.admin.describe_topics([house.flags])[0]["partitions"]) == 6, within_s=WITHIN_S, what="more partitions")
        time_of = utc_now()
        house.say(*(flag(number, at=time_of) for number in range(3, 13)))
        eventually(lambda: len(shown(worklist)) == 12, within_s=WITHIN_S, what="flags of new partitions")
        house.admin.delete_topics([house.flags, house.verdicts, house.feedback])
        eventually(lambda: house.flags not in house.admin.list_topics(), within_s=WITHIN_S, what="the deletion")
        eventually(lambda: _made(house), within_s=WITHIN_S, what="the topics again")
        house.say(flag(20, at=utc_now()))
        shows(worklist, "r20")


def _made(house: House) -> bool:
    house.make()
    return True


def test_a_topic_that_is_not_there_is_waited_for_and_said(house: House) -> None:
    follower = KafkaTopicFollower(house.settings, ("nowhere-" + secrets.token_hex(4),))
    over = threading.Event()
    intake = Intake(Worklist(Ranks({}, 0), 10), "x", WINDOW, utc_now)
    thread = threading.Thread(target=follower.follow, args=(intake, intake.since, over), daemon=True)
    thread.start()
    eventually(lambda: "there is no topic nowhere" in follower.detail, within_s=WITHIN_S, what="the reason")
    assert not follower.whole
    over.set()
    thread.join(WITHIN_S)
    assert not thread.is_alive()
