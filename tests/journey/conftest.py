"""Hospitals on the real parts: with the reference model, or with one that computes nothing where only delivery matters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.redis import Redis
from tocsin.sandbox.triton import Triton

from tests.support.house import House, house
from tests.support.proxy import Proxy, proxy
from tests.support.work_desk import Desk


@pytest.fixture
def hospital(kafka: Kafka, fhir_server: Fhir, reference_triton: Triton, tmp_path: Path) -> Iterator[House]:
    """The whole journey, with the reference model."""
    card = packaged(REFERENCE_CARD)
    made = house(kafka=kafka.bootstrap_servers, fhir=fhir_server.base_url, triton=reference_triton.grpc_url, card=card, folder=tmp_path)
    yield made
    made.bus.close()


@pytest.fixture
def quick_hospital(kafka: Kafka, fhir_server: Fhir, triton: Triton, noop_card: Path, tmp_path: Path) -> Iterator[House]:
    """The whole journey, with the model that computes nothing."""
    made = house(kafka=kafka.bootstrap_servers, fhir=fhir_server.base_url, triton=triton.grpc_url, card=noop_card, folder=tmp_path)
    yield made
    made.bus.close()


@pytest.fixture
def troubled(kafka: Kafka, fhir_server: Fhir, triton: Triton, noop_card: Path, tmp_path: Path) -> Iterator[tuple[House, Proxy]]:
    """A quick hospital whose FHIR server stands behind a proxy that can make trouble."""
    with proxy(fhir_server.base_url) as between:
        made = house(kafka=kafka.bootstrap_servers, fhir=between.base_url, triton=triton.grpc_url, card=noop_card, folder=tmp_path)
        yield made, between
        made.bus.close()


@pytest.fixture
def desk(kafka: Kafka, redis_server: Redis, tmp_path: Path) -> Iterator[Desk]:
    """Worker and scheduler, on an empty Redis that other tests use as well."""
    with closing(Desk(kafka.bootstrap_servers, redis_server.url, tmp_path)) as made:
        made.queues.flushall()
        yield made
