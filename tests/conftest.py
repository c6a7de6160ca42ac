"""The real neighbours, each started once, by the first test that asks for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tocsin.sandbox import fhir, kafka, redis, triton
from tocsin.sandbox.artifacts import cache_folder
from tocsin.sandbox.checkout import find_checkout
from tocsin.sandbox.progress import Silent
from tocsin.sandbox.reference import reference_repository

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


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """A real Redis; tests share it, so that each that looks at what it holds empties it first."""
    folder = tmp_path_factory.mktemp("redis")
    with running(lambda: redis.start(folder)) as part:
        yield part


@pytest.fixture(scope="session", name="triton")
def triton_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[triton.Triton]:
    """A real Triton that serves the no-op model."""
    folder = tmp_path_factory.mktemp("triton")
    with running(lambda: triton.start(NOOP_MODEL, folder)) as part:
        yield part


@pytest.fixture(scope="session")
def reference_triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[triton.Triton]:
    """A real Triton that serves the reference model."""
    folder = tmp_path_factory.mktemp("reference")

    def start() -> triton.Triton:
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
