"""The records that the contracts on reports are held to."""

from __future__ import annotations

import pytest
from tocsin.sandbox.fhir import Fhir

from tests.support.records import FakeRecord, FhirRecord, Record


@pytest.fixture
def fhir_record(fhir_server: Fhir, fhir_found_at: str) -> FhirRecord:
    return FhirRecord(fhir_server.base_url, fhir_found_at)


@pytest.fixture(params=["fake", "fhir"])
def record(request: pytest.FixtureRequest, quirk: str | None) -> Record:
    """`quirk` is named for pytest, which else would not see that this fixture depends on it."""
    return FakeRecord() if request.param == "fake" else request.getfixturevalue("fhir_record")
