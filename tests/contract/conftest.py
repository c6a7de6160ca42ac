"""The records that the contracts on reports are held to."""

from __future__ import annotations

import pytest
from tocsin.sandbox.fhir import Fhir

from tests.support.records import FakeRecord, FhirRecord, Record


@pytest.fixture
def fhir_record(fhir_server: Fhir) -> FhirRecord:
    return FhirRecord(fhir_server.base_url)


@pytest.fixture(params=["fake", "fhir"])
def record(request: pytest.FixtureRequest) -> Record:
    return FakeRecord() if request.param == "fake" else request.getfixturevalue("fhir_record")
