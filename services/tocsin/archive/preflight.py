"""Checks, by searching, that the record can be searched as backfill and reconciliation do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from tocsin.archive.ports import Archive
from tocsin.archive.search import entries_of, ordered, path
from tocsin.archive.types import Query
from tocsin.errors import ContractError
from tocsin.fhir.client import FhirClient
from tocsin.fhir.preflight import attempt
from tocsin.report.store.reading import NO_MEDIA
from tocsin.telemetry.preflight import Check

PICTURES: Final = 20
"""How many Media show whether the server sorts them."""


def archive_preflight(fhir: FhirClient, archive: Archive, query: Query, now: datetime) -> Iterator[Check]:
    """Checks the searches of `tocsin work`, which `tocsin consume` does not need; `now` is aware."""
    since = now - timedelta(minutes=1)

    def pictures() -> str:
        _in_order(fhir)
        page = archive.media(query, None, PICTURES)
        some = list(islice(archive.changed(query, since, now), 1))
        return f"{archive.count(query)} match; a page of {len(page.candidates)}, {len(some)} of the last minute"

    def reports() -> str:
        reports = list(islice(archive.summaries(since, now), 1))
        archive.reports_on([NO_MEDIA])
        archive.existing(["DiagnosticReport/tocsin-check"])
        return f"{len(reports)} of the last minute"

    yield attempt(
        "work: search for pictures",
        pictures,
        "let the server search Media by _lastUpdated, modality and type, sort by _lastUpdated and _id, and count (_summary=count); only "
        "`tocsin work` needs it: without it there is no backfill and no reconciliation",
    )
    yield attempt(
        "work: search for reports",
        reports,
        "let the server search DiagnosticReport by _lastUpdated, identifier, media and _id, and Device by identifier, sorted; only "
        "`tocsin work` needs it: without it there is no reconciliation",
    )


def _in_order(fhir: FhirClient) -> None:
    found = entries_of(fhir.search(path("Media", [*ordered(PICTURES), ("_elements", "meta")])), "Media")
    times = [each.updated for each in found]
    if times != sorted(times):
        raise ContractError("the FHIR server does not sort Media by _lastUpdated")
