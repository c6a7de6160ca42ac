"""The records that the contracts on reports are held to."""

from __future__ import annotations

import pytest
from tocsin.report.store.fhir import FhirReports
from tocsin.sandbox.fhir import Fhir

from tests.support.other_servers import QUIRKS
from tests.support.records import FakeRecord, FhirRecord, Record, ReportsWrittenAgain


@pytest.fixture
def fhir_record(fhir_server: Fhir, fhir_found_at: str, quirk: str | None) -> FhirRecord:
    again = quirk is not None and QUIRKS[quirk].written_by_others
    return FhirRecord(fhir_server.base_url, fhir_found_at, reports=ReportsWrittenAgain if again else FhirReports)


@pytest.fixture(params=["fake", "fhir"])
def record(request: pytest.FixtureRequest, quirk: str | None) -> Record:
    """`quirk` is named for pytest, which else would not see that this fixture depends on it."""
    return FakeRecord() if request.param == "fake" else request.getfixturevalue("fhir_record")
