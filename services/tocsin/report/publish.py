"""Publishes a report and its flag, until both agree with the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from tocsin.errors import Contended
from tocsin.event.types import ImagingEvent
from tocsin.fhir.client import NEIGHBOUR
from tocsin.image.types import Picture
from tocsin.outcome import NEEDED, WITHOUT_MODEL, NotAssessable, Published
from tocsin.report.flag import flag_of
from tocsin.report.ports import Flags, Reports
from tocsin.report.precedence import overtaken, unnumbered
from tocsin.report.resources.compose import Issuer, compose
from tocsin.report.types import Grounds, Report, StoredReport
from tocsin.risk.types import Judgement
from tocsin.telemetry.calls import stage
from tocsin.telemetry.log import logger
from tocsin.telemetry.trace import trace_id

TOLD_MAX: Final = 3
"""Flags of one report in one attempt, at most; each but the first is sent because the report changed while the last was on its way."""

NUMBER: Final = "Give the deployment whose card and settings are to hold a higher TOCSIN_REPORT__EDITION."


def as_composed(report: Report, _picture: Picture) -> Report:
    """The report as it is."""
    return report


@dataclass(frozen=True, slots=True)
class Publisher:
    """Writes reports and announces them. Safe for threads."""

    reports: Reports
    flags: Flags
    issuer: Issuer
    now: Callable[[], datetime]
    """The time, aware."""
    finish: Callable[[Report, Picture], Report] = as_composed
    """What is done with a composed report before it is written; by default nothing."""

    def publish(
        self, event: ImagingEvent, picture: Picture, grounds: Grounds, judge: Callable[[Picture], Judgement]
    ) -> Published | NotAssessable:
        """Write the report where none stands, let older reports give way, and announce each on Kafka.

        Both endings are durable: the report stands in the record and Kafka has its flag. `judge` is called only where no report stands on
        these grounds, by a newer version, or acted on by a clinician: such a report is announced again and not made again. An undated
        picture is judged by the time that an earlier report on its bytes states. Where something older has taken a report's place by the
        end, or an older version looked later, the event waits (Contended) and is judged again. Raises Refused, Deferred or Stop.
        """
        grounds = grounds if event.rehearsal is None else replace(grounds, rehearsal=event.rehearsal)
        with stage("find"):
            found, alone, told_at = self.reports.find(picture, grounds)
        seen = picture if told_at is None else picture.dated(told_at)
        if found is not None and unnumbered(found, grounds):
            logger().warning("report kept although another rule of the same number judged it", report=found.reference, advice=NUMBER)
        stored = found or self._write(self._composed(event, seen, grounds, judge(seen)))
        latest = self._announced_alone(event, stored) if alone else self._announced_among_others(event, stored)
        if overtaken(stored, latest, grounds, picture.recency):
            raise Contended(NEIGHBOUR, f"something older took the place of {latest.reference}")
        return _ending(latest, asked=found is None)

    def _announced_alone(self, event: ImagingEvent, stored: StoredReport) -> StoredReport:
        """Announce a report beside which no other stood, then look at all on its Media, and return it as it then stands.

        One look serves both: whether the report still says what was told, and whether another came meanwhile.
        """
        with stage("announce"):
            self._say(event, stored)
            settled, *gave_way = self.reports.supersede_older(stored, self.now())
        latest = settled if settled.says_what(stored) else self._announce(event, settled, told=1)
        for each in gave_way:
            self._announce(event, each)
        return latest

    def _announced_among_others(self, event: ImagingEvent, stored: StoredReport) -> StoredReport:
        """Let the older of all reports on the Media give way before any is announced: none is told of that has to give way itself."""
        settled, *gave_way = self.reports.supersede_older(stored, self.now())
        latest, *_ = [self._announce(event, each) for each in (settled, *gave_way)]
        return latest

    def _composed(self, event: ImagingEvent, picture: Picture, grounds: Grounds, judgement: Judgement) -> Report:
        return self.finish(compose(event, picture, grounds, judgement, self.issuer, self.now(), trace_id() or None), picture)

    def _write(self, report: Report) -> StoredReport:
        with stage("write"):
            return self.reports.write(report)

    def _announce(self, event: ImagingEvent, stored: StoredReport, *, told: int = 0) -> StoredReport:
        """Announce the report, of which `told` flags were sent already, and return it as it then stands.

        A report may change while its flag is on its way; the last flag says what stands. Raises Contended after TOLD_MAX changes.
        """
        for _ in range(told, TOLD_MAX):
            with stage("announce"):
                self._say(event, stored)
                said, stored = stored, self.reports.refresh(stored)
            if said.says_what(stored):
                return stored
        raise Contended(NEIGHBOUR, f"{stored.reference} changes faster than its flags are told")

    def _say(self, event: ImagingEvent, stored: StoredReport) -> None:
        if stored.mark is not None and stored.verbatim:  # else a clinician wrote another conclusion, which no flag contradicts
            self.flags.announce(flag_of(event, stored, stored.mark, self.issuer, self.now()), stored.mark.site_file)


def _ending(stored: StoredReport, *, asked: bool) -> Published | NotAssessable:
    if stored.mark is not None and stored.mark.score is None:
        return NotAssessable(stored.reference, stored.code)
    return Published(stored.reference, stored.code, NEEDED if asked else WITHOUT_MODEL)
