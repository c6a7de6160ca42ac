"""Starts Apache Kafka: one KRaft node on 127.0.0.1."""

from __future__ import annotations

import threading
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from tocsin.network import HOST
from tocsin.sandbox import java
from tocsin.sandbox.errors import PartDidNotStart
from tocsin.sandbox.java import data
from tocsin.sandbox.process import Child, Launch, accepts, await_ready, on_free_ports, run, started

NAME = "Apache Kafka"
READY_WITHIN_S = 120.0
FLAGS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

Ports = tuple[int, int, int]
"""Ports of the plain listener, the controller, and the second listener, for clients."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a broker as hospitals have them: a second listener asks clients who they are."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] | None = None
    """Protocol of the second listener; None: there is no second listener."""
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Users and their passwords, for PLAIN and for SCRAM."""
    keystore: Path | None = None
    """PEM file with the broker's key (PKCS #8) and its certificates."""
    client_authorities: Path | None = None
    """PEM file of the authorities that may vouch for a client; where it is given, every client must show a certificate."""
    advertised: str | None = None
    """host:port to which the second listener sends its clients, where it differs from the listener's own."""
    acls: bool = False
    """Whether ACLs alone allow anything on the second listener; clients of the first may do everything."""
    properties: Mapping[str, str] = field(default_factory=dict)
    """Further properties of the broker, which win over all others."""


PLAIN_BUS: Final = Options()


@dataclass(frozen=True, slots=True)
class Kafka:
    """A running broker."""

    bootstrap_servers: str
    """host:port."""
    client_servers: str
    """host:port of the second listener that the options ask for."""
    ports: Ports
    """The broker's ports. `start` makes the same broker again from them and the same folder and options."""
    folder: Path
    child: Child = field(repr=False)

    def stop(self) -> None:
        """End the broker in good order."""
        self.child.stop()

    def kill(self) -> None:
        """End the broker as a power cut would."""
        self.child.kill()


def start(
    jars: Sequence[Path],
    folder: Path,
    options: Options = PLAIN_BUS,
    *,
    interrupted: threading.Event | None = None,
    ports: Ports | None = None,
    keep_classes: Path | None = None,
) -> Kafka:
    """Start a broker with its data below `folder`, and return it once it answers. What an earlier broker left there is kept.

    With `keep_classes` the broker's end writes that file; at the place that `class_cache` names it halves the next start.
    The broker lives no longer than the calling thread. Raises PartDidNotStart, and Interrupted when `interrupted` is set before.
    """
    interrupted = interrupted or threading.Event()
    start_on = partial(_start, jars, folder, options, interrupted, keep_classes)
    return start_on(ports) if ports is not None else on_free_ports(3, lambda free: start_on((free[0], free[1], free[2])))


def class_cache(jars: Sequence[Path]) -> Path:
    """Where a broker of these jars looks for its classes."""
    return java.class_cache(jars, FLAGS)


def _start(
    jars: Sequence[Path], folder: Path, options: Options, interrupted: threading.Event, keep_classes: Path | None, ports: Ports
) -> Kafka:
    config = _configure(folder, options, ports)
    if not (folder / "data" / "meta.properties").exists():
        _format(jars, folder, config, options, interrupted)
    with started(_launch(jars, folder, ["kafka.Kafka", str(config)], keep_classes)) as child:
        await_ready(child, lambda: _answers(ports[0]), within_s=READY_WITHIN_S, interrupted=interrupted)
        return Kafka(f"{HOST}:{ports[0]}", f"{HOST}:{ports[2]}", ports, folder, child)


def _configure(folder: Path, options: Options, ports: Ports) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    values = {"BROKER_PORT": str(ports[0]), "CONTROLLER_PORT": str(ports[1]), "DATA_FOLDER": str(folder / "data")}
    text = data("kafka.properties")
    for word, value in values.items():
        text = text.replace(word, value)
    more = "".join(f"{name}={value}\n" for name, value in _asked_for(options, ports).items())  # of two lines Kafka takes the last
    (folder / "log4j2.properties").write_text(data("kafka-log4j2.properties"), "utf-8")
    config = folder / "server.properties"
    config.write_text(text + more, "utf-8")
    config.chmod(0o600)  # it holds passwords
    return config


def _asked_for(options: Options, ports: Ports) -> dict[str, str]:
    asked: dict[str, str] = {}
    if options.protocol is not None:
        asked |= _second_listener(options.protocol, options.advertised, ports)
    if options.users:
        users = " ".join(f'user_{name}="{password}"' for name, password in options.users.items())
        asked |= {
            "listener.name.client.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.client.plain.sasl.jaas.config": f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};",
            "listener.name.client.scram-sha-256.sasl.jaas.config": f"{_SCRAM} required;",
            "listener.name.client.scram-sha-512.sasl.jaas.config": f"{_SCRAM} required;",
        }
    if options.keystore is not None:
        asked |= {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(options.keystore)}
    if options.client_authorities is not None:
        asked |= {"ssl.client.auth": "required", "ssl.truststore.type": "PEM", "ssl.truststore.location": str(options.client_authorities)}
    if options.acls:
        asked |= {"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users": "User:ANONYMOUS"}
    return asked | dict(options.properties)


_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"


def _second_listener(protocol: str, advertised: str | None, ports: Ports) -> dict[str, str]:
    broker, controller, client = (f"{HOST}:{port}" for port in ports)
    return {
        "listeners": f"BROKER://{broker},CONTROLLER://{controller},CLIENT://{client}",
        "advertised.listeners": f"BROKER://{broker},CLIENT://{advertised or client}",
        "listener.security.protocol.map": f"BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,CLIENT:{protocol}",
    }


def _format(jars: Sequence[Path], folder: Path, config: Path, options: Options, interrupted: threading.Event) -> None:
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    scram = [
        f"--add-scram={mechanism}=[name={name},password={password}]"
        for name, password in options.users.items()
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
    ]
    tool = _launch(jars, folder, ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", f"--config={config}", *scram])
    failure = run(tool, within_s=READY_WITHIN_S, interrupted=interrupted)
    if failure:
        raise PartDidNotStart(f"{NAME} could not prepare its data folder: see below whether the disk is full, and run it again: {failure}")


def _launch(jars: Sequence[Path], folder: Path, arguments: Sequence[str], keep_classes: Path | None = None) -> Launch:
    flags = (*FLAGS, f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}")
    return java.java(NAME, jars, folder, flags, arguments, keep_classes)


def _answers(port: int) -> bool:
    """Whether the broker describes its cluster, and does not only accept connections."""
    if not accepts(port):
        return False
    try:
        admin = KafkaAdminClient(bootstrap_servers=f"{HOST}:{port}", request_timeout_ms=5000, bootstrap_timeout_ms=5000)
    except KafkaError:
        return False
    try:
        return bool(admin.describe_cluster()["brokers"])
    except KafkaError:
        return False
    finally:
        admin.close()
