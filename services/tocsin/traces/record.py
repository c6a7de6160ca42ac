"""The reports that the record holds about a subject."""

from __future__ import annotations

from tocsin.fhir.client import FhirClient, accepted, is_absent, resource_of
from tocsin.report.resources.mark import stored_report
from tocsin.report.store.reading import as_it_stands, reports_on
from tocsin.report.types import StoredReport
from tocsin.traces.types import Subject


def reports_about(fhir: FhirClient, subject: Subject) -> tuple[StoredReport, ...]:
    """The report itself, or those on the picture, by whomever; none about a trace, for which FHIR has no search.

    Raises Deferred where the server is away or busy, FhirRejected or ContractError (Stop) where it refuses.
    """
    if subject.kind == "media":
        return tuple(stored_report(each, fhir.service_base) for each in reports_on(fhir, subject.name))
    if subject.kind == "trace":
        return ()
    answer = as_it_stands(fhir, subject.name)
    if is_absent(answer):
        return ()
    return (stored_report(resource_of(accepted(answer, subject.name), subject.name), fhir.service_base),)
