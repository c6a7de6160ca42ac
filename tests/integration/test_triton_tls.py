"""Triton over TLS must prove who it is before it is shown a picture, on every way that Tocsin goes there; and no proxy comes between."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from tocsin.errors import ConfigurationError, Unavailable
from tocsin.image.types import PatientFacts
from tocsin.inference.inputs import image_tensor
from tocsin.inference.ping import TritonPing
from tocsin.inference.preflight import triton_preflight
from tocsin.inference.triton import TritonClassifier
from tocsin.model_card import ModelCard, read_card
from tocsin.network import HOST
from tocsin.sandbox import triton as server
from tocsin.sandbox.triton import Triton
from tocsin.settings import TritonSettings
from tocsin.telemetry.preflight import Check

from tests.support.pictures import textured
from tests.support.stack import NOOP_MODEL, running
from tests.support.tls import Authority, tls_front


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A real Triton whose gRPC port speaks TLS."""
    with running(lambda: server.start(NOOP_MODEL, tmp_path_factory.mktemp("secure"), tls=authority.issue())) as part:
        yield part


@pytest.fixture
def card(noop_card: Path) -> ModelCard:
    return read_card(noop_card)


def settings(port: int, ca: Path | None = None, *, host: str = HOST, tls: bool = True) -> TritonSettings:
    return TritonSettings(grpc_url=f"{host}:{port}", tls=tls, tls_ca_file=ca, timeout_s=3)


def classify(given: TritonSettings, card: ModelCard) -> None:
    with closing(TritonClassifier(given, card)) as classifier:
        classifier.classify(image_tensor(np.asarray(textured(300, 254)), card.image), PatientFacts())


def ping(given: TritonSettings, card: ModelCard) -> None:
    with closing(TritonPing(given, card)) as asked:
        asked.ask()


WAYS = [classify, ping]
Way = Callable[[TritonSettings, ModelCard], None]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("host", [HOST, "localhost"])
def test_a_triton_that_proves_its_name_is_asked(way: Way, host: str, secure: Triton, authority: Authority, card: ModelCard) -> None:
    way(settings(secure.ports[0], authority.file, host=host), card)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wrong", ["unknown authority", "system authorities alone", "another host", "expired"])
def test_an_impostor_is_shown_no_picture(
    way: Way, wrong: str, triton: Triton, authority: Authority, card: ModelCard, tmp_path: Path
) -> None:
    names = ("triton.example.org",) if wrong == "another host" else ()
    ca = {"unknown authority": Authority(tmp_path).file, "system authorities alone": None}.get(wrong, authority.file)
    with tls_front(authority.issue(*names, expired=wrong == "expired"), triton.ports[0]) as impostor:
        with pytest.raises(Unavailable, match=r"UNAVAILABLE|DEADLINE"):
            way(settings(impostor.port, ca), card)
        assert bytes(impostor.heard) == b""


@pytest.mark.parametrize("way", WAYS)
def test_plain_to_tls_and_tls_to_plain_are_waited_for(
    way: Way, secure: Triton, triton: Triton, authority: Authority, card: ModelCard
) -> None:
    for given in (settings(secure.ports[0], tls=False), settings(triton.ports[0], authority.file)):
        with pytest.raises(Unavailable):
            way(given, card)


def test_a_triton_that_asks_for_our_certificate_gets_it(triton: Triton, authority: Authority, card: ModelCard) -> None:
    certificate, key = authority.issue("tocsin.example.org")
    with tls_front(authority.issue(), triton.ports[0], clients=authority) as strict:
        without = settings(strict.port, authority.file)
        classify(without.model_copy(update={"tls_certificate_file": certificate, "tls_key_file": key}), card)
        with pytest.raises(Unavailable):
            classify(without, card)


def checked(given: TritonSettings, card: ModelCard, file: Path) -> list[Check]:
    return list(triton_preflight(given, card, file))


def test_a_check_goes_through_connection_tls_server_model_tensors_and_answer(
    secure: Triton, authority: Authority, card: ModelCard, noop_card: Path
) -> None:
    found = checked(settings(secure.ports[0], authority.file), card, noop_card)
    assert [(each.what, each.passed) for each in found] == [
        ("connection", True),
        ("TLS", True),
        ("server", True),
        ("model noop/1", True),
        ("input image", True),
        ("input patient_facts", True),
        ("output probabilities", True),
        ("known answer", None),
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("unknown authority", "unable to get local issuer"),
        ("another host", "IP address mismatch"),
        ("expired", "certificate has expired"),
    ],
)
def test_a_check_says_what_is_wrong_with_tritons_certificate(
    wrong: str, said: str, triton: Triton, authority: Authority, card: ModelCard, noop_card: Path, tmp_path: Path
) -> None:
    names = ("triton.example.org",) if wrong == "another host" else ()
    ca = Authority(tmp_path).file if wrong == "unknown authority" else authority.file
    with tls_front(authority.issue(*names, expired=wrong == "expired"), triton.ports[0]) as impostor:
        found = checked(settings(impostor.port, ca), card, noop_card)[-1]
    assert (found.what, found.passed) == ("TLS", False)
    assert said in found.found
    assert "TOCSIN_TRITON__TLS_CA_FILE" in found.fix


def test_a_check_tells_tls_from_plain_both_ways(
    secure: Triton, triton: Triton, authority: Authority, card: ModelCard, noop_card: Path
) -> None:
    to_tls = checked(settings(secure.ports[0], tls=False), card, noop_card)[-1]
    assert (to_tls.what, to_tls.passed, "TOCSIN_TRITON__TLS=true" in to_tls.fix) == ("server", False, True)
    to_plain = checked(settings(triton.ports[0], authority.file), card, noop_card)[-1]
    assert (to_plain.what, to_plain.passed, "leave TOCSIN_TRITON__TLS out" in to_plain.fix) == ("TLS", False, True)
    to_http = checked(settings(triton.ports[1], tls=False), card, noop_card)[-1]
    assert (to_http.what, to_http.passed, "not its HTTP" in to_http.fix) == ("server", False, True)


@pytest.mark.parametrize(("url", "what"), [("nobody.invalid:8001", "name"), ("127.0.0.1:9", "connection")])
def test_a_check_tells_an_unknown_name_from_a_port_where_nobody_listens(url: str, what: str, card: ModelCard, noop_card: Path) -> None:
    found = checked(TritonSettings(grpc_url=url, timeout_s=3), card, noop_card)
    assert [(each.what, each.passed, "TOCSIN_TRITON__GRPC_URL" in each.fix) for each in found] == [(what, False, True)]


@pytest.mark.parametrize(
    ("change", "said"),
    [({"name": "other"}, "no such model; served: noop"), ({"version": "9"}, "no such version; served: 1")],
)
def test_a_check_tells_an_unknown_model_from_an_unknown_version(
    change: dict[str, str], said: str, triton: Triton, card: ModelCard, noop_card: Path
) -> None:
    found = checked(settings(triton.ports[0], tls=False), card.model_copy(update=change), noop_card)[-1]
    assert (found.passed, found.found) == (False, said)


def test_files_of_tls_that_cannot_be_used_are_named_at_the_start(card: ModelCard, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for file in (tmp_path / "ca.pem", tmp_path / "absent.pem"):
        with pytest.raises(ConfigurationError, match=rf"TOCSIN_TRITON__TLS_CA_FILE.*{file.name}"):
            TritonClassifier(settings(1, file), card)
    with pytest.raises(ValueError, match="TOCSIN_TRITON__TLS=true"):
        TritonSettings(tls_ca_file=tmp_path / "ca.pem")


@contextmanager
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A proxy that would be told what to ask for, and what it was told."""
    heard: list[bytes] = []
    with socket.create_server((HOST, 0)) as sock:

        def listen() -> None:
            while True:
                try:
                    connection, _ = sock.accept()
                except OSError:
                    return
                with connection:
                    heard.append(connection.recv(4096))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield sock.getsockname()[1], heard
        sock.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.mark.parametrize("variable", ["grpc_proxy", "https_proxy", "http_proxy", "GRPC_PROXY", "HTTPS_PROXY", "all_proxy"])
def test_no_proxy_of_the_environment_is_shown_a_picture(
    variable: str, triton: Triton, card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listener() as (port, heard):
        monkeypatch.setenv(variable, f"http://{HOST}:{port}")
        classify(settings(triton.ports[0], tls=False), card)
        ping(settings(triton.ports[0], tls=False), card)
    assert heard == []
