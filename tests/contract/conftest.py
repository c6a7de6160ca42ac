"""The records and buses that contracts are held to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tocsin.report.store.fhir import FhirReports
from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.kafka import Kafka

from tests.support.archives import SETTINGS, FakeStore, FhirStore, Store
from tests.support.buses import KafkaHouse
from tests.support.foreign_producers import House
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


@pytest.fixture
def kafka_house(kafka: Kafka) -> Iterator[KafkaHouse]:
    """A bus on a real broker."""
    house = KafkaHouse(kafka.bootstrap_servers)
    yield house
    house.sink.close()


@pytest.fixture
def house(kafka: Kafka) -> Iterator[House]:
    """A bus on a real broker whose producers and disks are not ours."""
    house = House(kafka.bootstrap_servers)
    yield house
    house.sink.close()


@pytest.fixture
def fhir_store(fhir_server: Fhir) -> FhirStore:
    """A record on a real FHIR server."""
    return FhirStore(fhir_server.base_url, SETTINGS)


@pytest.fixture(params=["fake", "fhir"])
def store(request: pytest.FixtureRequest) -> Store:
    """A record with pictures of one test alone."""
    return FakeStore() if request.param == "fake" else request.getfixturevalue("fhir_store")
