"""Hospitals on the real parts: with the reference model, or with one that computes nothing where only delivery matters."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tocsin.sandbox import triton
from tocsin.sandbox.artifacts import cache_folder
from tocsin.sandbox.checkout import find_checkout
from tocsin.sandbox.fhir import Fhir
from tocsin.sandbox.kafka import Kafka
from tocsin.sandbox.progress import Silent
from tocsin.sandbox.reference import reference_repository
from tocsin.sandbox.triton import Triton

from tests.support.house import House, house
from tests.support.stack import running


@pytest.fixture(scope="session")
def reference_triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A real Triton that serves the reference model."""
    folder = tmp_path_factory.mktemp("reference")

    def start() -> Triton:
        models = reference_repository(find_checkout(), folder, cache_folder(os.environ), Silent(), threading.Event())
        return triton.start(models, folder / "triton")

    with running(start) as part:
        yield part


@pytest.fixture(scope="session")
def noop_card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A card for the model that computes nothing; else it is the reference model's."""
    card = yaml.safe_load(find_checkout().card.read_text()) | {"name": "noop"}
    file = tmp_path_factory.mktemp("card") / "card.yaml"
    file.write_text(yaml.safe_dump(card))
    return file


@pytest.fixture
def hospital(kafka: Kafka, fhir_server: Fhir, reference_triton: Triton, tmp_path: Path) -> Iterator[House]:
    """The whole journey, with the reference model."""
    card = find_checkout().card
    made = house(kafka=kafka.bootstrap_servers, fhir=fhir_server.base_url, triton=reference_triton.grpc_url, card=card, folder=tmp_path)
    yield made
    made.bus.close()


@pytest.fixture
def quick_hospital(kafka: Kafka, fhir_server: Fhir, triton: Triton, noop_card: Path, tmp_path: Path) -> Iterator[House]:
    """The whole journey, with the model that computes nothing."""
    made = house(kafka=kafka.bootstrap_servers, fhir=fhir_server.base_url, triton=triton.grpc_url, card=noop_card, folder=tmp_path)
    yield made
    made.bus.close()
