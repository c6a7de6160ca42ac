"""Takes verdicts in memory, by the same rules as the real desk."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from tocsin.errors import Unavailable
from tocsin.report.types import PRELIMINARY
from tocsin.review.rules import Acted, Bar, Before, bar_to, becomes, is_shared
from tocsin.review.types import Act, Standing, State, Verdict


@dataclass
class FakeVerdicts:
    """Verdicts port over dictionaries. A report that was never spoken of is preliminary, in its version "1"."""

    classes: Collection[str] = ("mel", "bcc", "nv")
    """Codes that a correction may name."""
    befores: dict[str, Before] = field(default_factory=dict)
    """How each report stands; a test may put one here."""
    versions: Counter[str] = field(default_factory=Counter)
    """How often each report was changed since its version "1"."""
    submitted: list[Verdict] = field(default_factory=list)
    """Every verdict that was taken, in order and each once."""
    standings: dict[str, Standing] = field(default_factory=dict)
    """Id of a verdict -> what became of it last."""
    bus_is_away: bool = False
    """While true no verdict is taken."""
    record_is_away: bool = False
    """While true verdicts are taken and wait."""
    record_refuses: bool = False
    """While true the record takes no verdict."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def submit(self, verdict: Verdict) -> Standing:
        """See Verdicts."""
        with self._lock:
            known = self.standings.get(verdict.id)
            if known is not None and known.state is not State.WAITING:
                return known
            if self.bus_is_away:
                raise Unavailable("kafka", "KafkaTimeoutError")
            if known is None:
                self.submitted.append(verdict)
            self.standings[verdict.id] = self._tried(verdict)
            return self.standings[verdict.id]

    def version(self, report: str) -> str:
        """The report's version by now."""
        return str(1 + self.versions[report])

    def _tried(self, verdict: Verdict) -> Standing:
        before = self.befores.get(verdict.report, Before(PRELIMINARY))
        if self.record_is_away:
            return self._standing(verdict, State.WAITING, Bar.AWAY)
        if self.record_refuses:
            return self._standing(verdict, State.REFUSED, Bar.FHIR_REJECTED)
        if verdict.report_version != self.version(verdict.report):
            return self._standing(verdict, State.OVERTAKEN, Bar.CHANGED)
        why = bar_to(verdict, before, self.classes)
        if why is not None:
            return self._standing(verdict, State.REFUSED, why)
        self.befores[verdict.report] = Before(becomes(verdict.act, before.status), self._acted(verdict, before))
        self.versions[verdict.report] += 1
        return self._standing(verdict, State.RECORDED)

    def _acted(self, verdict: Verdict, before: Before) -> Acted | None:
        if verdict.act is Act.UNDO:
            return None
        who = (verdict.clinician, verdict.issuer, verdict.decided_at)
        return Acted(verdict.id, verdict.act, verdict.code, *who, shared=is_shared(before, verdict), sentence="", instead_of="")

    def _standing(self, verdict: Verdict, state: State, reason: Bar | None = None) -> Standing:
        return Standing(
            verdict=verdict.id,
            report=verdict.report,
            state=state,
            report_status=self.befores.get(verdict.report, Before(PRELIMINARY)).status,
            report_version=self.version(verdict.report),
            reason=None if reason is None else reason.value,
            at=verdict.decided_at,
        )
