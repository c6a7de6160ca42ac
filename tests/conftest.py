"""The real neighbours, each started once, by the first test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tocsin.sandbox import fhir, kafka, triton

from tests.support.stack import NOOP_MODEL, cached_jars, running


@pytest.fixture(scope="session", name="kafka")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kafka.Kafka]:
    """A real Kafka broker without topics."""
    folder = tmp_path_factory.mktemp("kafka")
    with running(lambda: kafka.start(cached_jars("kafka"), folder)) as part:
        yield part


@pytest.fixture(scope="session")
def fhir_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fhir.Fhir]:
    """A real FHIR server, empty at first; tests share it, so that each writes under ids of its own."""
    folder = tmp_path_factory.mktemp("fhir")
    with running(lambda: fhir.start(cached_jars("fhir"), folder)) as part:
        yield part


@pytest.fixture(scope="session", name="triton")
def triton_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[triton.Triton]:
    """A real Triton that serves the no-op model."""
    folder = tmp_path_factory.mktemp("triton")
    with running(lambda: triton.start(NOOP_MODEL, folder)) as part:
        yield part
