"""Publishes one event, waits for its flag, looks at the report, and takes both back.

Killed at any moment, it leaves at most a report that says in its mark whose rehearsal it is: every later rehearsal on the same Media takes
it back first, and every event of the hospital's own writes over it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tocsin.deadletter.letters import Letter, letters
from tocsin.errors import Contended
from tocsin.event.types import REHEARSAL, ImagingEvent
from tocsin.kafka.ports import EventSink, TopicReader
from tocsin.kafka.records import encode, read
from tocsin.kafka.types import Record
from tocsin.rehearsal.types import Ending, Rehearsed
from tocsin.report.flag import WITHDRAWN, Flag, flag_of
from tocsin.report.ports import Flags, Rehearsals
from tocsin.report.precedence import rehearsing
from tocsin.report.resources.compose import Issuer
from tocsin.report.types import StoredReport
from tocsin.settings import KafkaSettings
from tocsin.telemetry.calls import sending

LOOK_S: Final = 1.0
"""Pause between two looks at the bus, and before a report that changed meanwhile is taken back after all."""
CLOCKS_S: Final = 60.0
"""By how much the clocks of whoever writes to the bus may differ."""
TRIES_MAX: Final = 5
"""Attempts at taking one report back, each but the first after another program changed it."""


@dataclass(frozen=True, slots=True)
class Rehearser:
    """Rehearses on one Media at a time. Each method raises Refused, Deferred or Stop as its ports do."""

    reports: Rehearsals
    reader: TopicReader
    sink: EventSink
    flags: Flags
    issuer: Issuer
    topics: KafkaSettings
    now: Callable[[], datetime]
    """The time, aware."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep

    def in_earnest(self, media: str) -> list[StoredReport]:
        """This installation's reports on the Media/<id> that stand and are no rehearsal's."""
        return [each for each in self.reports.on(media) if not _is_rehearsals(each) and each.status not in WITHDRAWN]

    def take_back(self, media: str) -> list[StoredReport]:
        """Take back what earlier rehearsals left on the Media/<id>, and return their reports as they then stand.

        Those taken back before are told of once more: the process that did so may have died before its flag was sent.
        """
        return [self._ended(each) for each in self.reports.on(media) if _is_rehearsals(each)]

    def rehearse(self, media: str, subject: str, within_s: float) -> Rehearsed:
        """Take back what earlier rehearsals left on the Media/<id>, and rehearse on it; `subject` is the Patient/<id> whose it is.

        A flag or a dead letter is waited for `within_s` seconds.
        """
        self.take_back(media)
        event = ImagingEvent(
            version=1, id=str(uuid.uuid4()), source=REHEARSAL, occurred_at=self.now(), media=media, subject=subject, study=None
        )
        with sending(self.topics.topic_imaging, apart=True) as headers:
            self.sink.send(self.topics.topic_imaging, subject.encode("ascii"), encode(event), headers)
        match self._answer(event, self.clock() + within_s):
            case Flag() as flag:
                return self._flagged(event, flag)
            case Letter() as letter:
                return Rehearsed(event, Ending.REFUSED, letter=letter)
            case _:
                return Rehearsed(event, Ending.SILENT)

    def _flagged(self, event: ImagingEvent, flag: Flag) -> Rehearsed:
        stands = self.reports.read(flag.report)
        if stands is None or not _is_rehearsals(stands):
            return Rehearsed(event, Ending.IN_EARNEST, flag, stands)
        report = self._ended(stands)
        if report.taken_back:
            return Rehearsed(event, Ending.TAKEN_BACK, flag, report, ended=self.now())
        return Rehearsed(event, Ending.ACTED_UPON if _is_rehearsals(report) else Ending.IN_EARNEST, flag, report)

    def _answer(self, event: ImagingEvent, deadline: float) -> Flag | Letter | None:
        """The first flag or dead letter that the event led to; None where there is none by the deadline."""
        since = event.occurred_at - timedelta(seconds=CLOCKS_S)
        while (found := self._flag(event, since) or self._letter(event, since)) is None and self.clock() < deadline:
            self.sleep(LOOK_S)
        return found

    def _flag(self, event: ImagingEvent, since: datetime) -> Flag | None:
        id_ = event.id.encode()

        def wanted(record: Record) -> bool:
            return id_ in (record.value or b"")

        found = read(self.reader, self.topics.topic_flags, Flag, since, wanted=wanted)
        return next((flag for _, flag in found if (flag.event, flag.event_source) == (event.id, event.source)), None)

    def _letter(self, event: ImagingEvent, since: datetime) -> Letter | None:
        found = letters(self.reader, self.topics.topic_dead_letters, since)
        return next((each for each in found if each.event == event), None)

    def _ended(self, report: StoredReport) -> StoredReport:
        """The rehearsal's report taken back, and told of; as it stands where it must stay."""
        ended = self._taken_back(report) if rehearsing(report) else report
        if ended.rehearsed and ended.mark is not None and ended.subject:
            self.flags.announce(flag_of(self._event_of(ended), ended, ended.mark, self.issuer, self.now()), ended.mark.site_file)
        return ended

    def _taken_back(self, report: StoredReport) -> StoredReport:
        for _ in range(TRIES_MAX - 1):
            try:
                return self.reports.take_back(report, self.now())
            except Contended:
                self.sleep(LOOK_S)
        return self.reports.take_back(report, self.now())

    def _event_of(self, report: StoredReport) -> ImagingEvent:
        """The event of the rehearsal that made the report, as far as the report tells of it: its id, its Media and its subject."""
        id_ = "" if report.mark is None else report.mark.rehearsal or ""
        at = report.issued or self.now()
        return ImagingEvent(version=1, id=id_, source=REHEARSAL, occurred_at=at, media=report.media, subject=report.subject, study=None)


def _is_rehearsals(report: StoredReport) -> bool:
    return report.mark is not None and report.mark.rehearsal is not None
