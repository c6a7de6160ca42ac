"""The real neighbours, each started once, by the first test that asks for it."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import yaml
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.sandbox import fhir, jaeger, kafka, redis, triton
from tocsin.sandbox.artifacts import cache_folder
from tocsin.sandbox.reference import reference_repository
from tocsin.terminal import Silent

from tests.support import zipkin
from tests.support.browser import chromium
from tests.support.other_servers import QUIRKS, OtherServer, other_server
from tests.support.stack import NOOP_MODEL, cached_jars, running

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # how fast inputs are drawn says how busy the machine is, and nothing of what is tested


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--quirk NAME` (or `all` that Tocsin can work with): the contracts on pictures and reports with a server that answers in this way."""
    parser.addoption("--quirk", action="append", choices=[*QUIRKS, "all"], default=[], help="How the FHIR server is to answer.")
    parser.addoption("--jaeger", action="store_true", help="Build Jaeger where the cache lacks it: minutes of CPU, and needs Go.")
    parser.addoption("--keycloak", action="store_true", help="The tests on a real Keycloak too: 177 MB once, then half a minute to start.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests on a real Jaeger run where its binary is in the cache or `--jaeger` builds it, those on a real Keycloak by `--keycloak` alone;
    elsewhere they are counted as deselected.
    """
    run = {"jaeger": config.getoption("--jaeger") or jaeger.is_built(cache_folder(os.environ)), "keycloak": config.getoption("--keycloak")}
    left_out = [each for each in items if any(each.get_closest_marker(name) for name, runs in run.items() if not runs)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [each for each in items if each not in left_out]


def pytest_report_header() -> str:
    """Whether the tests on a real Jaeger are among those that run."""
    built = jaeger.is_built(cache_folder(os.environ))
    return f"Jaeger: {'in the cache' if built else 'not in the cache, no test runs on the real one; --jaeger builds it'}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test of what Tocsin makes of the FHIR server's answers runs once for each quirk that is asked for."""
    names = metafunc.config.getoption("--quirk")
    its_own = any("quirk" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if names and "quirk" in metafunc.fixturenames and not its_own:
        metafunc.parametrize("quirk", [name for name, each in QUIRKS.items() if each.serves] if "all" in names else names)


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """Each test finds the process's logs as pytest has them: a command that runs within a test sets them up for its process."""
    structlog.reset_defaults()
    root = logging.getLogger()
    level, shown, raises = root.level, root.handlers[:], logging.raiseExceptions
    hooks = sys.unraisablehook, threading.excepthook, warnings.showwarning
    yield
    structlog.reset_defaults()
    root.handlers[:] = shown
    root.setLevel(level)
    logging.raiseExceptions = raises
    sys.unraisablehook, threading.excepthook, warnings.showwarning = hooks


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


@pytest.fixture
def quirk() -> str | None:
    """How the FHIR server answers, where `--quirk` asks for it."""
    return None


@pytest.fixture
def other_fhir(fhir_server: fhir.Fhir, quirk: str | None) -> Iterator[OtherServer]:
    """The FHIR server as Tocsin finds it; tests themselves ask the server at its own address."""
    with other_server(fhir_server.base_url, *filter(None, [quirk])) as server:
        yield server


@pytest.fixture
def fhir_found_at(fhir_server: fhir.Fhir, quirk: str | None, request: pytest.FixtureRequest) -> str:
    """The base address that Tocsin is given."""
    return fhir_server.base_url if quirk is None else str(request.getfixturevalue("other_fhir").base_url)


@pytest.fixture
def stores(quirk: str | None, request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Origins that this FHIR server may send Tocsin to."""
    return () if quirk is None else (request.getfixturevalue("other_fhir").store,)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """A real Redis; tests share it, so that each that looks at what it holds empties it first."""
    folder = tmp_path_factory.mktemp("redis")
    with running(lambda: redis.start(folder)) as part:
        yield part


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real browser; each test opens pages of its own in it. It ends with its file, since until then Playwright's event loop runs."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def jaeger_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[jaeger.Jaeger]:
    """A real Jaeger; tests share it, so that each sends traces of its own."""
    folder = tmp_path_factory.mktemp("jaeger")

    def start() -> jaeger.Jaeger:
        return jaeger.start(jaeger.binary(cache_folder(os.environ), Silent(), threading.Event()), folder)

    with running(start) as part:
        yield part


@pytest.fixture(scope="session")
def zipkin_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipkin.Zipkin]:
    """A real Zipkin; tests share it, so that each sends traces of its own."""
    folder = tmp_path_factory.mktemp("zipkin")
    with running(lambda: zipkin.start(folder)) as part:
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
        models = reference_repository(folder, cache_folder(os.environ), Silent(), threading.Event())
        return triton.start(models, folder / "triton")

    with running(start) as part:
        yield part


@pytest.fixture(scope="session")
def noop_card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A card for the model that computes nothing; else it is the reference model's."""
    card = yaml.safe_load(packaged(REFERENCE_CARD).read_text()) | {"name": "noop"}
    file = tmp_path_factory.mktemp("card") / "card.yaml"
    file.write_text(yaml.safe_dump(card))
    return file
