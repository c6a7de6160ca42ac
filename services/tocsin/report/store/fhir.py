"""Finds, writes, refreshes and supersedes reports on a FHIR R4 server; what a clinician did is never undone."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from tocsin.errors import ReportDeleted, ReportOfAnother
from tocsin.fhir.client import FhirClient, accepted, is_absent, resource_of
from tocsin.fhir.datatypes import instant, reference_to
from tocsin.fhir.http import HeadedAnswer
from tocsin.image.types import Picture
from tocsin.report.precedence import misplaced, recognised, rivals, speaks_of, successor, yields
from tocsin.report.resources.bundle import transaction
from tocsin.report.resources.check import check_bundle
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.identity import device_id, report_id
from tocsin.report.resources.mark import as_written, stored_report
from tocsin.report.resources.status import with_status
from tocsin.report.resources.supersede import supersession
from tocsin.report.store.parts import Parts
from tocsin.report.store.ports import Writer
from tocsin.report.store.reading import as_it_stands, reports_on
from tocsin.report.store.registration import Registration
from tocsin.report.types import IN_ERROR, Found, Grounds, Place, Report, StoredReport, Wanted
from tocsin.telemetry.log import logger
from tocsin.telemetry.metrics import REPORTS_MISPLACED

MISPLACED: Final = "Find out whose picture each of the two reports is about, and set the wrong one's status to entered-in-error."
"""What to do where the reports on one Media name two patients."""


class FhirReports:
    """Adapter of the Reports port. Safe for threads."""

    def __init__(self, fhir: FhirClient, issuer: Issuer, writer: Writer, *, validate_every: int, registration_wait_s: float) -> None:
        """`writer` is the way in which this server takes reports.

        Every `validate_every`-th bundle is checked before it is sent, the first one included; 0 checks none.

        `registration_wait_s`: longest wait for another thread that makes the model known to the record.
        """
        self._fhir = fhir
        self._issuer = issuer
        self._writer = writer
        self._parts = Parts(fhir, issuer)
        self._validate_every = validate_every
        self._registration = Registration(fhir, issuer, wait_s=registration_wait_s)
        self._written = itertools.count()

    def find(self, picture: Picture, grounds: Grounds) -> Found:
        """See Reports.find. It costs one search; a read where that shows the report, and another where the report gave way.

        For an undated picture that has to be judged, the earlier reports on its bytes are read until one says when it was taken.

        A search may be late and show what stood before (FHIR R4, http.html#search, leaves that to the server), so that it tells where to
        look and never what stands.
        """
        id_ = report_id(self._issuer.source, picture.media, picture.content_sha256, self._issuer.card.model)
        wanted = Wanted(f"DiagnosticReport/{id_}", picture.subject, picture.media)
        beside = self._beside(wanted)
        shown = any(each.reference == wanted.reference for each in beside)
        found = self._found(wanted.reference, wanted.subject, wanted.media) if shown else None
        holds = found is not None and (
            recognised(found, grounds, picture.recency) or yields(found, self._took_over(found), grounds, picture.recency)
        )
        told_at = self._told_at(wanted, picture, beside) if picture.undated and not holds else None
        return Found(found if holds else None, not any(rivals(wanted, each, self._issuer) for each in beside), told_at)

    def write(self, report: Report) -> StoredReport:
        """See Reports.write. The stored report is read once more before the new one is written: judging took its time."""
        found = self._found(report.reference, report.subject, report.media)
        if found is None:
            self._prepare(report)
            self._writer.create(report)
            return as_written(report)
        if recognised(found, report.grounds, report.mark.recency):
            return found
        return self._replaced(report, found)

    def supersede_older(self, stored: StoredReport, now: datetime) -> list[StoredReport]:
        """See Reports.supersede_older. It costs one search where that shows the report as it is given, and no other; else a read more."""
        if stored.mark is None:
            return [self.refresh(stored)]
        beside = self._beside(stored)
        self._say_misplaced(stored, beside)
        own = stored if self._shown(beside, stored) else self.refresh(stored)
        known = [own, *(each for each in beside if rivals(stored, each, self._issuer))]
        own, *others = [self._superseded(each, known, now) if successor(each, known) else each for each in known]
        return [own, *(each for each in others if each.superseded_by is not None)]

    def refresh(self, stored: StoredReport) -> StoredReport:
        """See Reports.refresh. It costs one read."""
        answer = as_it_stands(self._fhir, stored.reference)
        return stored if is_absent(answer) else self._read_back(answer, stored.reference, stored.subject, stored.media)

    def _beside(self, place: Place) -> list[StoredReport]:
        """Every report on the same Media, by whomever."""
        return [stored_report(each, self._fhir.service_base) for each in reports_on(self._fhir, place.media)]

    @staticmethod
    def _shown(beside: Iterable[StoredReport], stored: StoredReport) -> bool:
        """Whether the search shows this report, under this patient, saying what its flag says."""
        place = (stored.reference, stored.subject)
        return any((each.reference, each.subject) == place and each.says_what(stored) for each in beside)

    def _say_misplaced(self, stored: StoredReport, beside: Iterable[StoredReport]) -> None:
        for other in beside:
            if misplaced(stored, other, self._issuer):
                detail = f"{other.reference} on the same Media names another patient than {stored.reference}"
                where = {"media": stored.media, "report": other.reference}
                REPORTS_MISPLACED.add(1, {})
                logger().error("two reports on one Media name different patients", detail=detail, advice=MISPLACED, **where)

    def _superseded(self, old: StoredReport, known: Iterable[StoredReport], now: datetime) -> StoredReport:
        """Let the old report give way and return it as it then stands.

        It does not give way where a clinician has acted on any of it, or somebody has deleted it.
        """
        answer = self._fhir.get_with_headers(old.reference)
        if is_absent(answer):
            return old
        report = resource_of(accepted(answer, old.reference), old.reference)
        found = stored_report(report, self._fhir.service_base)
        if (found.subject, found.media) != (old.subject, old.media):
            return old
        by = successor(found, known)
        parts = self._parts.untouched(found.parts, found) if by is not None else None
        if by is None or parts is None or found.version is None:
            return found
        agent = f"Device/{device_id(self._issuer.source, self._issuer.card.model)}"
        self._writer.overwrite(supersession(report, parts, by.reference, agent, now), [report, *parts], old.reference)
        return replace(found, status=IN_ERROR, superseded_by=by.reference)

    def _took_over(self, found: StoredReport) -> StoredReport | None:
        """The report that took the place of `found`; None where there is none, or it no longer stands."""
        if found.superseded_by is None:
            return None
        answer = as_it_stands(self._fhir, found.superseded_by)
        if is_absent(answer):
            return None
        return stored_report(resource_of(accepted(answer, found.superseded_by), found.superseded_by), self._fhir.service_base)

    def _told_at(self, wanted: Place, picture: Picture, beside: Iterable[StoredReport]) -> datetime | None:
        """The moment that an earlier report on the picture's bytes states for it: of several, the one's that was judged last.

        A day, a month or a period counts for none: no event stated it, but a Media that no longer does.
        """
        content = picture.content_sha256
        spoken = [each for each in beside if speaks_of(each, wanted, content, self._issuer)]
        latest_first = sorted(((each.mark.recency, each.reference) for each in spoken if each.mark is not None), reverse=True)
        stated = (self._effective(reference, wanted, content) for _, reference in latest_first)
        return next((moment for moment in stated if moment is not None), None)

    def _effective(self, reference: str, wanted: Place, content_sha256: str) -> datetime | None:
        answer = self._fhir.get_with_headers(reference)
        if is_absent(answer):
            return None
        report = resource_of(accepted(answer, reference), reference)
        speaks = speaks_of(stored_report(report, self._fhir.service_base), wanted, content_sha256, self._issuer)
        return instant(report.get("effectiveDateTime")) if speaks else None

    def _prepare(self, report: Report) -> None:
        self._registration.ensure()
        if self._validate_every and next(self._written) % self._validate_every == 0:
            check_bundle(report.bundle)

    def _found(self, reference: str, subject: str, media: str) -> StoredReport | None:
        answer = as_it_stands(self._fhir, reference)
        if is_absent(answer):
            if answer.status == 410:
                raise ReportDeleted("the server answers HTTP 410: it stood once and was deleted", reference=reference)
            return None
        return self._read_back(answer, reference, subject, media)

    def _read_back(self, answer: HeadedAnswer, reference: str, subject: str, media: str) -> StoredReport:
        """The report on this Media, from which its id was made: another program may have dropped the link to the Media.

        Raises ReportOfAnother where the report does not name this patient.
        """
        found = stored_report(resource_of(accepted(answer, reference), reference), self._fhir.service_base)
        if found.subject != subject:
            named = found.subject or "no patient of this server (TOCSIN_FHIR__ALSO_KNOWN_AS lists its other addresses)"
            raise ReportOfAnother(f"it names {named}, and was to be written for {subject}", reference=reference)
        return replace(found, media=media)

    def _replaced(self, report: Report, found: StoredReport) -> StoredReport:
        """Write the report over `found` and return it; return `found` where a clinician has acted on a part of it.

        Parts that only `found` held are entered in error. An act between the reading and the writing makes the server refuse. `found` is
        returned, too, where the server states no version: nothing that stands is ever written over without one.
        """
        parts = self._parts.untouched([*report.parts(), *found.parts], found)
        if parts is None or found.version is None:
            return found
        kept = {reference_to(entry["resource"]) for entry in report.bundle["entry"]}
        withdrawn = transaction(with_status(each, IN_ERROR) for each in parts if reference_to(each) not in kept)
        own = {"resourceType": "DiagnosticReport", "id": report.id, "meta": {"versionId": found.version}}
        self._prepare(report)
        self._writer.overwrite(report.bundle | {"entry": report.bundle["entry"] + withdrawn["entry"]}, [own, *parts], report.reference)
        return as_written(report)
