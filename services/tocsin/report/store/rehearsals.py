"""Takes the reports of rehearsals back on a FHIR R4 server; what a clinician did is never undone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tocsin.fhir.client import FhirClient, accepted, is_absent, resource_of
from tocsin.report.precedence import is_own, rehearsing
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.identity import device_id
from tocsin.report.resources.mark import stored_report
from tocsin.report.resources.supersede import end_of_rehearsal
from tocsin.report.store.parts import Parts
from tocsin.report.store.ports import Writer
from tocsin.report.store.reading import as_it_stands, reports_on
from tocsin.report.types import IN_ERROR, StoredReport


class FhirRehearsals:
    """Adapter of the Rehearsals port. Safe for threads."""

    def __init__(self, fhir: FhirClient, issuer: Issuer, writer: Writer) -> None:
        """`writer` is the way in which this server takes reports."""
        self._fhir = fhir
        self._issuer = issuer
        self._writer = writer
        self._parts = Parts(fhir, issuer)

    def on(self, media: str) -> list[StoredReport]:
        """See Rehearsals.on. It costs one search, and a read for each report: a search may be late."""
        shown = (stored_report(each, self._fhir.service_base) for each in reports_on(self._fhir, media))
        read = (self.read(each.reference) for each in shown if is_own(each, self._issuer))
        return [each for each in read if each is not None]

    def read(self, reference: str) -> StoredReport | None:
        """See Rehearsals.read."""
        answer = as_it_stands(self._fhir, reference)
        if is_absent(answer):
            return None
        return stored_report(resource_of(accepted(answer, reference), reference), self._fhir.service_base)

    def take_back(self, rehearsed: StoredReport, now: datetime) -> StoredReport:
        """See Rehearsals.take_back. It costs a read of the report, one of each of its parts, and the transaction."""
        reference = rehearsed.reference
        report = resource_of(accepted(self._fhir.get_with_headers(reference), reference), reference)
        found = stored_report(report, self._fhir.service_base)
        if not rehearsing(found) or found.version is None:
            return found
        parts = self._parts.untouched(found.parts, found)
        if parts is None:
            return found
        agent = f"Device/{device_id(self._issuer.source, self._issuer.card.model)}"
        self._writer.overwrite(end_of_rehearsal(report, parts, agent, now), [report, *parts], reference)
        return replace(found, status=IN_ERROR, rehearsed=True)
