"""Verdicts in the record of a FHIR R4 server: one transaction each, over the very versions that were read, and found again by a retry."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tocsin.archive.reports import performers
from tocsin.errors import Contended, Deferred, FhirRejected, Unavailable
from tocsin.fhir.client import NEIGHBOUR, FhirClient, accepted, is_absent, resource_of
from tocsin.fhir.datatypes import Json, an_object, objects, text, version_of
from tocsin.report.resources.mark import stored_report
from tocsin.report.store.sending import conditional, send
from tocsin.report.types import StoredReport
from tocsin.review.acted import acted, before
from tocsin.review.parts import moved_by
from tocsin.review.resources import House, Read, provenance_id, written
from tocsin.review.rules import Bar, bar_to
from tocsin.review.types import Act, Standing, State, Verdict
from tocsin.telemetry.log import logger

_ACTS: Final = frozenset(Act)


class FhirRecord:
    """Adapter of the Record port. The clinician's token is not used.

    It costs two reads and one for each part beside the transaction, and one more over an act that names no part that it moved.
    """

    def __init__(
        self,
        fhir: FhirClient,
        house: House,
        now: Callable[[], datetime],
        *,
        within_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now` gives aware times, `clock` seconds. After `within_s` seconds no further request of one try is begun."""
        self._fhir = fhir
        self._house = house
        self._now = now
        self._within_s = within_s
        self._clock = clock

    def apply(self, verdict: Verdict) -> Standing:
        """See Record.apply."""
        attempt = _Attempt(self._fhir, self._house, self._now, verdict, self._clock, self._clock() + self._within_s)
        try:
            return attempt.made()
        except Contended:
            return self._settled(attempt, State.WAITING, Bar.CONTENDED)
        except FhirRejected as refused:  # some servers answer a failed precondition so
            logger().warning("the record refuses a verdict", verdict=verdict.id, report=verdict.report, detail=str(refused))
            return self._settled(attempt, State.REFUSED, Bar.FHIR_REJECTED)
        except Unavailable as away:
            logger().warning("a verdict waits for the record", verdict=verdict.id, report=verdict.report, detail=away.detail)
            return attempt.standing(State.WAITING, Bar.AWAY)

    def stored(self, report: str) -> StoredReport | None:
        """See Record.stored."""
        answer = self._fhir.get_with_headers(report)
        return None if is_absent(answer) else stored_report(resource_of(accepted(answer, report), report), self._fhir.service_base)

    @staticmethod
    def _settled(attempt: _Attempt, otherwise: State, reason: Bar) -> Standing:
        """What became of a verdict whose transaction the server did not take, by what stands now."""
        try:
            report = attempt.report()
            return (None if report is None else attempt.known(report)) or attempt.standing(otherwise, reason, report)
        except (Deferred, FhirRejected):
            return attempt.standing(State.WAITING, Bar.AWAY)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One try of one verdict."""

    fhir: FhirClient
    house: House
    now: Callable[[], datetime]
    verdict: Verdict
    clock: Callable[[], float]
    until: float

    def made(self) -> Standing:
        """Raises Deferred, and FhirRejected (Refused)."""
        report = self.report()
        if report is None:
            return self.standing(State.REFUSED, Bar.REPORT_ABSENT)
        known = self.known(report)
        if known is not None:
            return known
        base = self.fhir.service_base
        why = bar_to(self.verdict, before(report, base), self.house.classes)
        if why is not None:
            return self.standing(State.REFUSED, why, report)
        parts = self._own_parts(report)
        read = Read(report, parts, base, self._moved(report, parts))
        bundle = written(self.verdict, read, self.house, self.now())
        self._in_time()
        guarded = conditional(self.fhir, bundle, [report, *read.parts])
        self._in_time()
        first, *_ = send(self.fhir, guarded, self.verdict.report)
        after = bundle["entry"][0]["resource"]["status"]
        return Standing(
            verdict=self.verdict.id,
            report=self.verdict.report,
            state=State.RECORDED,
            report_status=after,
            report_version=_version_in(first),
            at=self.now(),
        )

    def report(self) -> Json | None:
        """The report as it stands; None where there is none."""
        return self._read(self.verdict.report)

    def known(self, report: Json) -> Standing | None:
        """What became of the verdict, where the record tells: it stands already, or the report is not what the clinician saw."""
        last = acted(report)
        if last is not None and last.verdict == self.verdict.id:
            return self._recorded(report, last.act)
        changed = version_of(report) != self.verdict.report_version
        if changed and (said := self._read(f"Provenance/{provenance_id(self.verdict.report, self.verdict.id)}")) is not None:
            return self._recorded(report, _act_of(said))
        stored = stored_report(report, self.fhir.service_base)
        if (stored.subject, stored.media) != (self.verdict.subject, self.verdict.media):
            return self.standing(State.REFUSED, Bar.OF_ANOTHER, report)
        return self.standing(State.OVERTAKEN, Bar.CHANGED, report) if changed else None

    def _recorded(self, report: Json, act: Act | None) -> Standing:
        same = act is self.verdict.act
        return self.standing(State.RECORDED, None, report) if same else self.standing(State.REFUSED, Bar.ID_TAKEN, report)

    def standing(self, state: State, reason: Bar | None, report: Json | None = None) -> Standing:
        """The standing with the report as it was read."""
        return Standing(
            verdict=self.verdict.id,
            report=self.verdict.report,
            state=state,
            report_status=None if report is None else stored_report(report).status,
            report_version=None if report is None else version_of(report),
            reason=None if reason is None else reason.value,
            at=self.now(),
        )

    def _moved(self, report: Json, parts: Sequence[Json]) -> Mapping[str, str]:
        """See Read.moved. An act that names no part moved none, or an older version wrote it: its Provenance tells."""
        last = acted(report)
        if last is None or last.moved:
            return {} if last is None else last.moved
        said = self._read(f"Provenance/{provenance_id(self.verdict.report, last.verdict)}")
        return {} if said is None else moved_by(said, parts, self.fhir.service_base)

    def _own_parts(self, report: Json) -> list[Json]:
        """What the report holds that its own Device made about its own patient; others may have joined results of theirs."""
        base = self.fhir.service_base
        stored, devices = stored_report(report, base), set(performers(report, base))
        read = (self._read(each) for each in dict.fromkeys(stored.parts))
        return [each for each in read if each is not None and self._is_own(each, devices, stored.subject)]

    def _is_own(self, part: Json, devices: set[str], subject: str) -> bool:
        local = self.fhir.service_base.local
        by = {local(part.get("device")), local(part.get("performer"))}
        return not devices.isdisjoint(by) and local(part.get("subject")) == subject and version_of(part) is not None

    def _read(self, reference: str) -> Json | None:
        self._in_time()
        answer = self.fhir.get_with_headers(reference)
        return None if is_absent(answer) else resource_of(accepted(answer, reference), reference)

    def _in_time(self) -> None:
        if self.clock() > self.until:
            raise Unavailable(NEIGHBOUR, "the time for one try is over")


def _act_of(provenance: Json) -> Act | None:
    codes = (text(each.get("code")) for each in objects(an_object(provenance.get("activity")).get("coding")))
    return next((Act(each) for each in codes if each in _ACTS), None)


def _version_in(response: Json) -> str | None:
    """The version that a transaction's response states (FHIR R4, Bundle.entry.response.etag); None where it states none."""
    return text(response.get("etag")).removeprefix("W/").strip('"') or None
