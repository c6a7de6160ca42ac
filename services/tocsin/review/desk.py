"""Takes verdicts: the bus has the act before the record is touched, and what became of it afterwards."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tocsin.errors import TocsinError
from tocsin.event.types import ImagingEvent
from tocsin.kafka.ports import EventSink
from tocsin.kafka.records import encode
from tocsin.report.flag import flag_of
from tocsin.report.ports import Flags
from tocsin.report.resources.compose import Issuer
from tocsin.report.types import StoredReport
from tocsin.review.ports import Record
from tocsin.review.rules import Bar
from tocsin.review.types import Standing, State, Verdict
from tocsin.telemetry.calls import sending
from tocsin.telemetry.log import logger
from tocsin.telemetry.metrics import VERDICT_TIME, VERDICTS

VERDICT: Final = "urn:tocsin:verdict"
"""Source of the event that a flag names where a clinician's act is what changed its report."""
KEPT_MAX: Final = 4096
"""Most verdicts remembered, so that one that is submitted again costs nothing; the record itself knows the others."""
TOLD_MAX: Final = 3
"""Flags told of one verdict, at most; each but the first because the report changed while the last was on its way."""


@dataclass(frozen=True, slots=True)
class Settler:
    """Brings a verdict that the bus has into the record, and tells the bus: the flag first, then the standing. Safe for threads.

    A verdict that is recorded, and whose standing is on the bus, has its flag there too: whoever dies in between is followed by a retry.
    """

    record: Record
    flags: Flags
    sink: EventSink
    topic: str
    issuer: Issuer
    now: Callable[[], datetime]
    """The time, aware."""

    def settle(self, verdict: Verdict, before: Standing | None = None) -> tuple[Standing, TocsinError | None]:
        """What became of the verdict now, and why the bus was not told of it, if it was not.

        `before` is what the bus says already: that is not said again.
        """
        standing = self.record.apply(verdict)
        try:
            if standing.state is State.RECORDED:
                self._tell_flag(verdict)
            if before is None or not _is_same(standing, before):
                self._say(verdict, standing)
        except TocsinError as error:
            logger().warning(
                "the bus was not told what became of a verdict; it is told again",
                verdict=verdict.id,
                report=verdict.report,
                detail=str(error),
            )
            return standing, error
        return standing, None

    def _say(self, verdict: Verdict, standing: Standing) -> None:
        with sending(self.topic) as headers:
            self.sink.send(self.topic, verdict.report.encode("ascii"), encode(standing), headers)
        VERDICTS.add(1, {"act": verdict.act.value, "state": standing.state.value, "surface": verdict.surface.value})

    def _tell_flag(self, verdict: Verdict) -> None:
        """Announce the report's flag with its new status, until the flag says what stands."""
        stored = self.record.stored(verdict.report)
        for _ in range(TOLD_MAX):
            if stored is None or stored.mark is None or not stored.verbatim or not _is_about(stored, verdict):
                return
            event = ImagingEvent(
                version=1, id=verdict.id, source=VERDICT, occurred_at=verdict.decided_at, media=verdict.media, subject=verdict.subject
            )
            self.flags.announce(flag_of(event, stored, stored.mark, self.issuer, self.now()), stored.mark.site_file)
            told, stored = stored, self.record.stored(verdict.report)
            if stored is None or stored.says_what(told):
                return


def _is_about(stored: StoredReport, verdict: Verdict) -> bool:
    """Whether the report still names patient and picture of the verdict; a flag tells of no other's."""
    return (stored.subject, stored.media) == (verdict.subject, verdict.media)


def _is_same(standing: Standing, before: Standing) -> bool:
    """Whether the bus knows it: a refusal is said anew, since its time tells when it was tried last."""
    return standing.state is State.WAITING and (standing.state, standing.reason) == (before.state, before.reason)


@dataclass(frozen=True, slots=True)
class Desk:
    """Adapter of the Verdicts port. Safe for threads."""

    settler: Settler
    _kept: OrderedDict[str, tuple[Verdict, Standing | None]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def submit(self, verdict: Verdict) -> Standing:
        """See Verdicts.submit. The verdict is this installation's, whatever it says itself: no other would take it up where it waits."""
        verdict = verdict.model_copy(update={"source": self.settler.issuer.source})
        known, standing = self._known(verdict)
        if known is not None and known != verdict:
            return self._of_another(verdict)
        if standing is not None and standing.state is not State.WAITING:
            return standing
        if known is None:
            self._take(verdict)
        standing, _ = self.settler.settle(verdict, standing)
        self._keep(verdict, standing)
        return standing

    def _known(self, verdict: Verdict) -> tuple[Verdict | None, Standing | None]:
        with self._lock:
            return self._kept.get(verdict.id, (None, None))

    def _take(self, verdict: Verdict) -> None:
        """Return once the bus has the act. Raises Unavailable(kafka)."""
        settler = self.settler
        with sending(settler.topic) as headers:
            settler.sink.send(settler.topic, verdict.report.encode("ascii"), encode(verdict), headers)
        self._keep(verdict, None)
        if verdict.opened_at is not None and verdict.opened_at <= verdict.decided_at:
            took_s = (verdict.decided_at - verdict.opened_at).total_seconds()
            VERDICT_TIME.record(took_s, {"act": verdict.act.value, "surface": verdict.surface.value})

    def _keep(self, verdict: Verdict, standing: Standing | None) -> None:
        with self._lock:
            self._kept[verdict.id] = (verdict, standing)
            self._kept.move_to_end(verdict.id)
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)

    def _of_another(self, verdict: Verdict) -> Standing:
        """Another act has the id of this one: a defect of whoever makes the ids. Nothing is sent."""
        return Standing(verdict=verdict.id, report=verdict.report, state=State.REFUSED, reason=Bar.ID_TAKEN.value, at=self.settler.now())
