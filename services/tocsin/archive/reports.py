"""Reports of one installation, as the FHIR server hands them out."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from tocsin.archive.search import Entry
from tocsin.archive.types import ReportSummary
from tocsin.fhir.canonical import ALTERNATE_REFERENCE
from tocsin.fhir.datatypes import Json, objects
from tocsin.fhir.reference import ServiceBase
from tocsin.report.flag import WITHDRAWN
from tocsin.report.resources.mark import ELEMENTS, stored_report
from tocsin.report.types import StoredReport

REPORT_ELEMENTS: Final = f"{ELEMENTS},imagingStudy,performer"
"""The elements of a DiagnosticReport that are needed here."""


def summaries_by(devices: Collection[str], reports: Iterable[Entry], base: ServiceBase) -> Iterator[ReportSummary]:
    """The reports that one of these Devices (references) performed; each Device is a version of an installation's model."""
    ours = frozenset(devices)
    for each in reports:
        stored = stored_report(each.resource, base)
        if stored.media and not ours.isdisjoint(performers(each.resource, base)):
            yield ReportSummary(
                report=each.reference,
                media=stored.media,
                issued=stored.issued or each.updated,
                as_of=None if stored.mark is None else stored.mark.as_of,
                calls=_calls(stored),
                study=_study(each.resource, base),
                status=stored.status if stored.verbatim else None,
                changed=each.updated,
            )


def _calls(stored: StoredReport) -> bool:
    rehearsal = stored.mark is not None and stored.mark.rehearsal is not None
    return stored.verbatim and stored.status not in WITHDRAWN and not rehearsal


def _study(report: Json, base: ServiceBase) -> str | None:
    found = (base.local(each) for each in objects(report.get("imagingStudy")))
    return next((each for each in found if each.startswith("ImagingStudy/")), None)


def performers(report: Json, base: ServiceBase) -> Iterator[str]:
    """The Devices (references) that performed the report."""
    for each in itertools.chain.from_iterable(objects(each.get("extension")) for each in objects(report.get("performer"))):
        if each.get("url") == ALTERNATE_REFERENCE:
            yield base.local(each.get("valueReference"))
