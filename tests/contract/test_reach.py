"""Why Kafka is not reached is said in its own step, with the setting to look at; on a real broker as hospitals have them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tocsin.errors import ContractError, Unavailable
from tocsin.kafka.preflight import kafka_preflight
from tocsin.kafka.reach import Obstacle, brokers_behind, obstacle
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.sink import KafkaSink
from tocsin.kafka.topics import Topic
from tocsin.network import HOST, free_ports
from tocsin.sandbox import kafka as broker
from tocsin.sandbox.kafka import Kafka, Options
from tocsin.sandbox.topics import create_topics
from tocsin.settings import KafkaSettings

from tests.support.secured import Authority
from tests.support.stack import cached_jars, running
from tests.support.web import web

PASSWORD = "correct-horse"


@dataclass(frozen=True)
class Hospital:
    """A broker that wants TLS and a user, with its authority."""

    bus: Kafka
    authority: Authority
    folder: Path

    def settings(self, **changes: Any) -> KafkaSettings:
        """Those that are right, but for the changes."""
        right = {
            "bootstrap_servers": self.bus.client_servers,
            "security_protocol": "SASL_SSL",
            "tls_ca_file": self.authority.file,
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": "tocsin",
            "sasl_password": PASSWORD,
            "connect_timeout_s": 3,
        }
        return KafkaSettings.model_validate(right | changes)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("hospital")
    authority = Authority(folder)
    options = Options(
        "SASL_SSL",
        {"tocsin": PASSWORD},
        authority.vouch_for(HOST).both,
        properties={"listener.name.client.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512"},
    )
    with running(lambda: broker.start(cached_jars("kafka"), folder / "kafka", options)) as part:
        yield Hospital(part, authority, folder)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_bus_that_wants_tls_and_a_user_is_written_to_and_read(hospital: Hospital, mechanism: str) -> None:
    create_topics(hospital.bus.bootstrap_servers, [_topic(f"secured-{mechanism.lower()}")])
    settings = hospital.settings(sasl_mechanism=mechanism)
    with closing(KafkaSink(settings)) as sink, closing(KafkaTopicReader(settings)) as log:
        sink.send(f"secured-{mechanism.lower()}", b"key", b"value")
        assert [record.value for record in log.read(f"secured-{mechanism.lower()}")] == [b"value"]


def _topic(name: str) -> Topic:
    return Topic(topic=name, owner="test", producers=(), consumers=(), value="", key="", partitions=1, config={})


WRONG: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "wrong password": ({"sasl_password": "wrong"}, "SASL", "refuses this user and password", "TOCSIN_KAFKA__SASL_PASSWORD"),
    "wrong password for PLAIN": ({"sasl_password": "wrong", "sasl_mechanism": "PLAIN"}, "SASL", "this user and password", "SASL_USERNAME"),
    "unknown user": ({"sasl_username": "nobody"}, "SASL", "refuses this user", "TOCSIN_KAFKA__SASL_USERNAME"),
    "mechanism not offered": (
        {"sasl_mechanism": "SCRAM-SHA-256"},
        "SASL",
        "it offers PLAIN, SCRAM-SHA-512",
        "TOCSIN_KAFKA__SASL_MECHANISM",
    ),
    "no mechanism set": ({"sasl_mechanism": None}, "SASL", "needs a mechanism", "TOCSIN_KAFKA__SASL_MECHANISM"),
    "unknown authority": ({"tls_ca_file": None}, "TLS", "the authority of its certificate", "TOCSIN_KAFKA__TLS_CA_FILE"),
    "missing authority file": ({"tls_ca_file": "nowhere.pem"}, "files", "No such file", "TOCSIN_KAFKA__TLS_CA_FILE"),
    "authority file that is none": ({"tls_ca_file": os.devnull}, "files", "no certificate", "TOCSIN_KAFKA__TLS_CA_FILE"),
    "plaintext to TLS": ({"security_protocol": "PLAINTEXT"}, "Kafka", "wants TLS", "TOCSIN_KAFKA__SECURITY_PROTOCOL"),
    "a user without TLS": ({"security_protocol": "SASL_PLAINTEXT"}, "Kafka", "wants TLS", "TOCSIN_KAFKA__SECURITY_PROTOCOL"),
    "TLS without a user": ({"security_protocol": "SSL"}, "metadata", "may want a user", "TOCSIN_KAFKA__SASL_MECHANISM"),
}


@pytest.mark.parametrize(("changes", "step", "found", "setting"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_setting_is_named_with_the_step_that_failed(
    hospital: Hospital, changes: dict[str, Any], step: str, found: str, setting: str
) -> None:
    settings = hospital.settings(**changes)
    began = time.monotonic()
    blocked = obstacle(settings)
    assert time.monotonic() - began < 5
    assert isinstance(blocked, Obstacle)
    assert (blocked.step, blocked.passes) == (step, step == "metadata")  # who hangs up may do so because it is stopped
    assert found in blocked.found
    assert setting in blocked.setting
    assert PASSWORD not in str(blocked)
    with pytest.raises(Unavailable if blocked.passes else ContractError, match=step):
        KafkaSink(settings)
    (check,) = kafka_preflight(settings)
    assert (check.passed, check.what) == (False, f"address {hospital.bus.client_servers}")
    assert found in check.found


def test_tls_to_a_port_that_speaks_none_is_named(hospital: Hospital) -> None:
    blocked = obstacle(hospital.settings(bootstrap_servers=hospital.bus.bootstrap_servers))
    assert blocked is not None
    assert (blocked.step, "TOCSIN_KAFKA__SECURITY_PROTOCOL" in blocked.setting) == ("TLS", True)


def test_a_user_for_a_port_that_asks_for_none_is_named(hospital: Hospital) -> None:
    settings = hospital.settings(bootstrap_servers=hospital.bus.bootstrap_servers, security_protocol="SASL_PLAINTEXT")
    blocked = obstacle(settings)
    assert blocked is not None
    assert (blocked.step, "takes no login" in blocked.found) == ("SASL", True)


@pytest.mark.parametrize(
    ("names", "expired", "found"),
    [
        pytest.param((HOST,), True, "has expired", id="expired"),
        pytest.param(("kafka.example.org",), False, "for another", id="another host"),
    ],
)
def test_a_certificate_that_is_not_good_is_said_to_be(tmp_path: Path, names: tuple[str, ...], expired: bool, found: str) -> None:
    authority = Authority(tmp_path)
    options = Options("SSL", keystore=authority.vouch_for(*names, expired=expired).both)
    with running(lambda: broker.start(cached_jars("kafka"), tmp_path / "kafka", options)) as part:
        blocked = obstacle(KafkaSettings(bootstrap_servers=part.client_servers, security_protocol="SSL", tls_ca_file=authority.file))
    assert blocked is not None
    assert blocked.step == "TLS"
    assert found in blocked.found


def test_a_broker_that_wants_a_certificate_is_shown_one_and_says_when_it_is_missing_or_not_good(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    authority, other = Authority(tmp_path), Authority(tmp_path / "other")
    options = Options("SSL", keystore=authority.vouch_for(HOST).both, client_authorities=authority.file)
    good, bad = authority.vouch_for("tocsin.example.org"), other.vouch_for("tocsin.example.org")
    with running(lambda: broker.start(cached_jars("kafka"), tmp_path / "kafka", options)) as part:
        settings = KafkaSettings(bootstrap_servers=part.client_servers, security_protocol="SSL", tls_ca_file=authority.file)
        with_good = {"tls_certificate_file": good.certificate, "tls_key_file": good.key}
        create_topics(part.bootstrap_servers, [_topic("shown")])
        with closing(KafkaSink(settings.model_copy(update=with_good))) as sink:
            sink.send("shown", None, b"value")
        assert obstacle(settings.model_copy(update={"tls_certificate_file": good.both})) is None
        with_bad = {"tls_certificate_file": bad.certificate, "tls_key_file": bad.key}
        not_together = {"tls_certificate_file": good.certificate, "tls_key_file": bad.key}
        for changes, step in ((dict[str, Any](), "TLS"), (with_bad, "TLS"), (not_together, "files")):
            blocked = obstacle(settings.model_copy(update=changes))
            assert blocked is not None
            assert blocked.step == step
            assert "TOCSIN_KAFKA__TLS_CERTIFICATE_FILE" in blocked.setting


def test_a_listener_that_the_cluster_names_and_nobody_reaches_is_a_failed_check(tmp_path: Path) -> None:
    (closed,) = free_ports(1)
    options = Options("PLAINTEXT", advertised=f"{HOST}:{closed}")
    with running(lambda: broker.start(cached_jars("kafka"), tmp_path / "kafka", options)) as part:
        checks = list(kafka_preflight(KafkaSettings(bootstrap_servers=part.client_servers, connect_timeout_s=2)))
    wrong = next(check for check in checks if not check.passed)
    assert (wrong.what, "nothing listens there" in wrong.found) == (f"listener {HOST}:{closed}", True)
    assert "advertised.listeners of broker 1" in wrong.fix


def test_a_bus_that_is_away_is_said_within_five_seconds_with_its_address() -> None:
    with socket.socket() as silent:
        silent.bind((HOST, 0))
        silent.listen()
        address = f"{HOST}:{silent.getsockname()[1]}"
        for bus, found in (("127.0.0.1:9", "nothing listens there"), ("kafka.invalid:9092", "no address"), (address, "does not answer")):
            began = time.monotonic()
            blocked = brokers_behind(bus, KafkaSettings())
            assert time.monotonic() - began < 5
            assert isinstance(blocked, Obstacle)
            assert blocked.passes
            assert bus in blocked.found
            assert found in blocked.found


def test_what_is_no_broker_is_said_to_be_none() -> None:
    with web() as site:
        blocked = brokers_behind(site.origin.removeprefix("http://"), KafkaSettings())
    assert isinstance(blocked, Obstacle)
    assert blocked.step == "Kafka"


def test_no_proxy_of_the_environment_is_used(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    settings = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, connect_timeout_s=3)
    with closing(KafkaTopicReader(settings)), closing(KafkaSink(settings)):
        assert obstacle(settings) is None


@contextmanager
def consume(**variables: str) -> Iterator[subprocess.Popen[str]]:
    """The command on a bus that is away, once it has said so."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    away = {"TOCSIN_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9", "TOCSIN_METRICS__PORT": "0"}
    command = [sys.executable, "-m", "tocsin", "consume"]
    with subprocess.Popen(command, env=ours | away | variables, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            lines = map(json.loads, process.stderr)
            line = next(line for line in lines if line["level"] == "warning")
            assert line["event"] == "the bus is not reached; it is tried again"
            assert (
                "127.0.0.1:9: the connection was refused: nothing listens there; look at TOCSIN_KAFKA__BOOTSTRAP_SERVERS" in line["detail"]
            )
            yield process
        finally:
            process.kill()


def test_a_process_that_is_stopped_while_kafka_is_away_at_its_start_ends_at_once_and_in_good_order() -> None:
    with consume() as process:
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=25) == 0
        assert time.monotonic() - began < 5


def test_a_process_that_finds_no_kafka_in_time_ends_with_the_reason_and_the_setting() -> None:
    with consume(TOCSIN_KAFKA__CONNECT_TIMEOUT_S="1") as process:
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(timeout=25) == 75
    assert (
        "tocsin: kafka: connect: 127.0.0.1:9: the connection was refused: nothing listens there; look at TOCSIN_KAFKA__BOOTSTRAP_SERVERS"
        in said
    )
