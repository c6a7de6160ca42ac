"""Takes verdicts in memory, by the same rules as the real desk; and the record that they go into."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from tocsin.errors import Unavailable
from tocsin.report.types import PRELIMINARY, StoredReport
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
    applied: dict[str, Verdict] = field(default_factory=dict)
    """Every verdict that is in the record."""
    reports: dict[str, StoredReport] = field(default_factory=dict)
    """The reports of which `stored` is asked."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def apply(self, verdict: Verdict) -> Standing:
        """See Record, whose stand-in it is too."""
        with self._lock:
            return self._tried(verdict)

    def stored(self, report: str) -> StoredReport | None:
        """See Record."""
        if self.record_is_away:
            raise Unavailable("fhir", "away")
        return self.reports.get(report)

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
        if verdict.id in self.applied:
            same = self.applied[verdict.id].act is verdict.act
            return self._standing(verdict, State.RECORDED) if same else self._standing(verdict, State.REFUSED, Bar.ID_TAKEN)
        if verdict.report_version != self.version(verdict.report):
            return self._standing(verdict, State.OVERTAKEN, Bar.CHANGED)
        why = bar_to(verdict, before, self.classes)
        if why is not None:
            return self._standing(verdict, State.REFUSED, why)
        self.befores[verdict.report] = Before(becomes(verdict.act, before.status), self._acted(verdict, before))
        self.versions[verdict.report] += 1
        self.applied[verdict.id] = verdict
        if verdict.report in self.reports:
            self.reports[verdict.report] = replace(self.reports[verdict.report], status=self.befores[verdict.report].status)
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
