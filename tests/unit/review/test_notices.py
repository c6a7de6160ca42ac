"""People are told of overdue flags once, in a few words and without a patient, whatever is restarted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from tocsin.errors import ConfigurationError, ContractError, TocsinError, Unavailable
from tocsin.review.notices import ChannelName, Message, Notifier, Overdue, Writer, told
from tocsin.review.worklist import Ranks, Row, Worklist
from tocsin.telemetry.metrics import NOTICES
from tocsin.words.catalogue import catalogue

from tests.builders import card
from tests.fakes.bus import FakeBus, FakeSink, FakeTopicReader
from tests.support.flags import HOUR, NOW, flag, verdict
from tests.support.measured import measured

BANDS = card().operating_point.bands
TOPIC = "notices"


@dataclass
class FakeChannel:
    """A way to people in memory."""

    name: ChannelName = "webhook"
    sent: list[Message] = field(default_factory=list)
    away: bool = False

    def send(self, message: Message) -> None:
        """See Channel."""
        if self.away:
            raise Unavailable(self.name, "HTTP 503 to a message")
        self.sent.append(message)


class TiredSink(FakeSink):
    """An EventSink of a bus that can be read and takes so many records, and then none."""

    def __init__(self, bus: FakeBus, takes: int, trouble: TocsinError) -> None:
        super().__init__(bus)
        self._left = takes
        self._trouble = trouble

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """See EventSink."""
        if self._left == 0:
            raise self._trouble
        self._left -= 1
        super().send(topic, key, value, headers)


NO_WRITES = Unavailable("kafka", "NotEnoughReplicasError")
NO_RIGHT = ContractError("kafka: this user lacks Write on topic notices")


@dataclass
class Desk:
    """A bus, ways to people and a worklist."""

    bus: FakeBus = field(default_factory=FakeBus)
    hook: FakeChannel = field(default_factory=FakeChannel)
    mail: FakeChannel = field(default_factory=lambda: FakeChannel("mail"))
    worklist: Worklist = field(default_factory=lambda: Worklist(Ranks.of(BANDS), 1000))
    flags_max: int = 50
    per_hour_max: int = 6
    takes: int = 1_000
    """So many records are taken by the bus at each round."""
    trouble: TocsinError = NO_WRITES
    """Why it takes no more."""

    def notify(self, after: timedelta = timedelta()) -> None:
        """As the task does it, `after` NOW."""
        writer = Writer(catalogue("en"), {band.code: band.display for band in BANDS}, "https://tocsin.example.org")
        overdue = Overdue.of(4 * 3600, None, BANDS)
        reader, sink = FakeTopicReader(self.bus), TiredSink(self.bus, self.takes, self.trouble)
        notifier = Notifier(reader, sink, TOPIC, (self.hook, self.mail), writer, overdue, self.flags_max, self.per_hour_max)
        notifier.notify(self.worklist.rows(), NOW + after)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def reports(message: Message) -> list[str]:
    return [line.report for line in message.lines]


def test_only_what_is_unread_high_and_old_enough_is_told_the_oldest_first(desk: Desk) -> None:
    desk.worklist.flag(flag(1, at=NOW - 5 * HOUR))
    desk.worklist.flag(flag(2, at=NOW - 3 * HOUR))
    desk.worklist.flag(flag(3, "raised", at=NOW - 9 * HOUR))
    desk.worklist.flag(flag(4, None, at=NOW - 9 * HOUR))
    desk.worklist.flag(flag(5, at=NOW - 9 * HOUR))
    desk.worklist.verdict(verdict(5))
    desk.worklist.flag(flag(6, at=NOW - 9 * HOUR))
    desk.worklist.flag(flag(7, "a-newer-models", at=NOW - 7 * HOUR))
    desk.notify()
    assert [reports(each) for each in desk.hook.sent] == [["DiagnosticReport/r6", "DiagnosticReport/r7", "DiagnosticReport/r1"]]
    assert [reports(each) for each in desk.mail.sent] == [reports(desk.hook.sent[0])]


def test_nobody_is_told_twice_also_after_a_restart(desk: Desk) -> None:
    desk.worklist.flag(flag(1, at=NOW - 5 * HOUR))
    desk.notify()
    desk.notify(HOUR)
    desk.worklist.flag(flag(2, at=NOW - 5 * HOUR))
    desk.notify(2 * HOUR)
    assert [reports(each) for each in desk.hook.sent] == [["DiagnosticReport/r1"], ["DiagnosticReport/r2"]]


def test_a_way_that_fails_keeps_the_other_from_nothing_and_is_tried_again(desk: Desk) -> None:
    desk.worklist.flag(flag(1, at=NOW - 5 * HOUR))
    desk.hook.away = True
    with pytest.raises(Unavailable):
        desk.notify()
    assert len(desk.mail.sent) == 1
    desk.hook.away = False
    desk.notify(HOUR)
    assert (len(desk.hook.sent), len(desk.mail.sent)) == (1, 1)


def test_a_message_that_was_sent_and_not_noted_is_counted_as_failed_and_sent_again_under_the_same_id(desk: Desk) -> None:
    desk.worklist.flag(flag(1, at=NOW - 5 * HOUR))
    desk.takes = 1
    with measured() as found, pytest.raises(Unavailable):
        desk.notify()
    assert (found.of(NOTICES, channel="webhook", result="failed"), found.of(NOTICES, result="sent")) == (1, 0)
    desk.takes = 1_000
    desk.notify(HOUR)
    desk.notify(2 * HOUR)
    assert [each.id for each in desk.hook.sent] == [desk.hook.sent[0].id] * 2


@pytest.mark.parametrize("trouble", [NO_WRITES, NO_RIGHT], ids=["too few brokers", "no right"])
def test_while_the_bus_takes_no_writes_nothing_goes_out_each_try_counts_as_failed_and_afterwards_each_flag_is_told_of_once(
    desk: Desk, trouble: TocsinError
) -> None:
    desk.worklist.flag(flag(1, at=NOW - 5 * HOUR))
    desk.takes, desk.trouble = 0, trouble
    with measured() as found:
        for round_ in range(12):
            with pytest.raises(type(trouble)):
                desk.notify(timedelta(minutes=5 * round_))
    assert (desk.hook.sent, desk.mail.sent) == ([], [])
    assert [found.of(NOTICES, channel=name, result="failed") for name in ("webhook", "mail")] == [12, 12]
    assert found.of(NOTICES, result="sent") == 0
    desk.takes = 1_000
    for minutes in (60, 65, 130):
        desk.notify(timedelta(minutes=minutes))
    assert [reports(each) for each in (*desk.hook.sent, *desk.mail.sent)] == [["DiagnosticReport/r1"]] * 2
    assert set(told(FakeTopicReader(desk.bus), TOPIC)) == {"webhook/DiagnosticReport/r1", "mail/DiagnosticReport/r1"}


def test_a_try_that_came_to_nothing_holds_no_later_message_back(desk: Desk) -> None:
    desk.per_hour_max = 1
    desk.worklist.flag(flag(1, at=NOW - 5 * HOUR))
    desk.hook.away = True
    for minutes in (0, 5):
        with pytest.raises(Unavailable):
            desk.notify(timedelta(minutes=minutes))
    desk.hook.away = False
    desk.notify(timedelta(minutes=10))
    assert (len(desk.hook.sent), len(desk.mail.sent)) == (1, 1)


def test_many_flags_come_in_few_messages_and_the_rest_in_the_next(desk: Desk) -> None:
    desk.flags_max, desk.per_hour_max = 3, 2
    for number in range(8):
        desk.worklist.flag(flag(number, at=NOW - (20 - number) * HOUR))
    for minutes in (0, 5, 10, 15):
        desk.notify(timedelta(minutes=minutes))
    assert [len(each.lines) for each in desk.hook.sent] == [3, 3]
    desk.notify(timedelta(minutes=61))
    assert [len(each.lines) for each in desk.hook.sent] == [3, 3, 2]
    assert len(told(FakeTopicReader(desk.bus), TOPIC)) == 16


def test_a_message_names_report_band_age_and_page_and_no_patient(desk: Desk) -> None:
    desk.worklist.flag(flag(1, at=NOW - 5 * HOUR))
    desk.worklist.flag(flag(2, at=NOW - 72 * HOUR))
    desk.notify()
    (message,) = desk.mail.sent
    assert message.title == "2 AI flags have not been read"
    assert "High, unread for 3 days: DiagnosticReport/r2\nhttps://tocsin.example.org/reports/r2" in message.text
    assert "High, unread for 5 hours: DiagnosticReport/r1" in message.text
    assert "https://tocsin.example.org/worklist" in message.text
    assert "Patient/" not in repr(message)


def test_a_message_in_german(desk: Desk) -> None:
    worklist = Worklist(Ranks.of(BANDS), 10)
    worklist.flag(flag(1, at=NOW - 72 * HOUR))
    message = Writer(catalogue("de"), {"high": "Hoch"}, "https://t.example.org").message("mail", worklist.rows(), NOW)
    assert message.title == "1 KI-Hinweis ist ungelesen"
    assert "Hoch, ungelesen seit 3 Tagen: DiagnosticReport/r1" in message.text


def test_a_band_that_the_card_does_not_have_ends_the_start_with_the_ones_that_it_has() -> None:
    with pytest.raises(ConfigurationError, match="no band hihg; it has below-threshold, raised, high"):
        Overdue.of(60, ["hihg"], BANDS)


def test_bands_are_chosen_by_the_site() -> None:
    worklist = Worklist(Ranks.of(BANDS), 10)
    worklist.flag(flag(1, "raised", at=NOW - HOUR))
    row: Row = worklist.rows()[0]
    assert Overdue.of(60, ["raised"], BANDS).is_overdue(row, NOW)
    assert not Overdue.of(60, ["high"], BANDS).is_overdue(row, NOW)
    assert not Overdue.of(7200, ["raised"], BANDS).is_overdue(row, NOW)
