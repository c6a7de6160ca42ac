"""Tells people of overdue flags: which, in which words, and that each is told once whatever is restarted or lost but Kafka.

That a message is about to go is noted on Kafka first: where the bus takes no note nothing is sent, since no later round would know of it.
Then the message goes out and is noted flag by flag: a process that dies meanwhile, or whose notes the bus no longer takes, tells a second
time of what was not noted, and no flag is ever lost. That message has the same id only where it tells of the same flags: not where another
fell due meanwhile, or some were noted. No message holds anything of a patient.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, Protocol

from pydantic import AwareDatetime, ConfigDict, Field

from tocsin.errors import ConfigurationError, ContractError, TocsinError, Unavailable
from tocsin.fhir.datatypes import FHIR_ID
from tocsin.kafka.ports import EventSink, TopicReader
from tocsin.kafka.records import Contract, encode, latest
from tocsin.model_card import Band
from tocsin.report.resources.identity import repeatable_id
from tocsin.review.ages import age
from tocsin.review.worklist import Row
from tocsin.telemetry.log import logger
from tocsin.telemetry.metrics import NOTICES
from tocsin.words.catalogue import Catalogue

ChannelName = Literal["webhook", "mail"]
HOUR: Final = timedelta(hours=1)
TRYING: Final = "trying/"
"""Before a way's name: the key of the message that was about to go this way last. It tells of no flag, and holds none back."""
TROUBLES: Final = (Unavailable, ConfigurationError, ContractError)
"""What keeps a message from being sent and noted."""


class Notice(Contract):
    """A person was told of a flag: schemas/events/notice.v1.schema.json. Key: channel/report; trying/channel: a message was about to go."""

    model_config = ConfigDict(title="Notice v1")

    version: Literal[1] = Field(1, description="Version of this schema.")
    report: Annotated[str, Field(pattern=rf"^DiagnosticReport/{FHIR_ID}$")]
    channel: ChannelName = Field(description="By which way.")
    message: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$", description="Id of the message; several flags may stand in one.")]
    sent_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class Line:
    """One flag in a message."""

    report: str
    band: str
    """Display of its band."""
    issued: datetime
    age: str
    """In words."""
    url: str


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent; no patient in it."""

    id: str
    """The same for the same flags by the same way: a UUID (RFC 9562, version 5)."""
    sent_at: datetime
    title: str
    text: str
    lines: tuple[Line, ...]


class Channel(Protocol):
    """One way to a person."""

    @property
    def name(self) -> ChannelName:
        """Which one."""

    def send(self, message: Message) -> None:
        """Return once whoever carries it further has it. Raises Unavailable, and ConfigurationError for what waiting does not change."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """When a flag is overdue."""

    after: timedelta
    bands: frozenset[str]
    known: frozenset[str]
    """Every band of the card."""

    @classmethod
    def of(cls, after_s: float, chosen: Sequence[str] | None, bands: Sequence[Band]) -> Overdue:
        """By the settings and the card's bands, which rise. Raises ConfigurationError for a band that the card does not have."""
        known = [band.code for band in bands]
        unknown = sorted(set(chosen or ()) - set(known))
        if unknown:
            raise ConfigurationError(f"TOCSIN_NOTIFY__BANDS: the model card has no band {', '.join(unknown)}; it has {', '.join(known)}")
        return cls(timedelta(seconds=after_s), frozenset(known[-1:] if chosen is None else chosen), frozenset(known))

    def is_overdue(self, row: Row, now: datetime) -> bool:
        """Whether nobody has answered the flag for too long; a flagged report of a band that the card does not know counts as well."""
        meant = row.band in self.bands or (row.flagged and row.band not in self.known)
        return meant and row.unread and now - row.since >= self.after


def told(reader: TopicReader, topic: str) -> dict[str, Notice]:
    """channel/report -> the last notice of it. Raises as TopicReader.read."""
    return latest(reader, topic, Notice, wanted=lambda key: not key.startswith(TRYING))


def key_of(channel: ChannelName, report: str) -> str:
    """The key under which the notice stands."""
    return f"{channel}/{report}"


def due(rows: Iterable[Row], overdue: Overdue, notices: Mapping[str, Notice], channel: ChannelName, now: datetime) -> list[Row]:
    """The overdue rows of which this way has not told yet, the oldest first."""
    found = [row for row in rows if overdue.is_overdue(row, now) and key_of(channel, row.report) not in notices]
    return sorted(found, key=lambda row: (row.since, row.report))


def sent_lately(notices: Mapping[str, Notice], channel: ChannelName, now: datetime) -> int:
    """How many messages went this way within the last hour."""
    return len({each.message for each in notices.values() if each.channel == channel and now - each.sent_at < HOUR})


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes messages."""

    words: Catalogue
    bands: Mapping[str, str]
    """Code of a band -> its display."""
    link: str
    """Base address of the review page, without a slash at its end."""

    def message(self, channel: ChannelName, rows: Sequence[Row], now: datetime) -> Message:
        """The message about these flags; its id is made of the way and their reports, in this order."""
        lines = tuple(self._line(row, now) for row in rows)
        title = self.words.say_of(len(lines), "{number} AI flag has not been read", "{number} AI flags have not been read")
        said = [
            self.words.say("{band}, unread for {age}: {report}", band=each.band, age=each.age, report=each.report) + f"\n{each.url}"
            for each in lines
        ]
        text = "\n\n".join(
            [
                self.words.say("Nobody has yet answered these AI results. Each opens for whoever may see it in the record:"),
                *said,
                self.words.say("The whole list:") + f"\n{self.link}/worklist",
                self.words.say("This message names no patient. It is sent once for each flag."),
            ]
        )
        ident = repeatable_id(uuid.NAMESPACE_URL, "tocsin-notice", channel, *(row.report for row in rows))
        return Message(ident, now, title, text, lines)

    def _line(self, row: Row, now: datetime) -> Line:
        url = f"{self.link}/reports/{row.report.partition('/')[2]}"
        return Line(row.report, self.bands.get(row.band, row.band), row.since, age(self.words, now - row.since), url)


@dataclass(frozen=True, slots=True)
class Notifier:
    """Sends what is due, by each way."""

    reader: TopicReader
    sink: EventSink
    topic: str
    channels: Sequence[Channel]
    writer: Writer
    overdue: Overdue
    flags_max: int
    per_hour_max: int

    def notify(self, rows: Sequence[Row], now: datetime) -> None:
        """Send at most one message by each way. A way that fails keeps no other from its message; then the first failure is raised.

        Raises Unavailable, ConfigurationError and ContractError. Nothing is sent that the bus does not let be noted first.
        """
        notices, failures = told(self.reader, self.topic), list[TocsinError]()
        for channel in self.channels:
            try:
                self._by(channel, due(rows, self.overdue, notices, channel.name, now), notices, now)
            except TROUBLES as failed:
                failures.append(failed)
        if failures:
            raise failures[0]

    def _by(self, channel: Channel, rows: Sequence[Row], notices: Mapping[str, Notice], now: datetime) -> None:
        if not rows:
            return
        if sent_lately(notices, channel.name, now) >= self.per_hour_max:
            NOTICES.add(1, {"channel": channel.name, "result": "held-back"})
            logger().warning("a message about unread flags is held back: too many in the last hour", detail=channel.name, found=len(rows))
            return
        try:
            self._tell(channel, self.writer.message(channel.name, rows[: self.flags_max], now))
        except TROUBLES:
            NOTICES.add(1, {"channel": channel.name, "result": "failed"})
            raise
        NOTICES.add(1, {"channel": channel.name, "result": "sent"})

    def _tell(self, channel: Channel, message: Message) -> None:
        """Send the message once the bus has taken that it is about to go, and note it."""
        self._note(TRYING + channel.name, channel.name, message, message.lines[0])
        channel.send(message)
        logger().info("people were told of unread flags", detail=channel.name, found=len(message.lines))
        for line in message.lines:
            self._note(key_of(channel.name, line.report), channel.name, message, line)

    def _note(self, key: str, channel: ChannelName, message: Message, line: Line) -> None:
        notice = Notice(report=line.report, channel=channel, message=message.id, sent_at=message.sent_at)
        self.sink.send(self.topic, key.encode("ascii"), encode(notice))
