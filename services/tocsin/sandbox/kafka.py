"""Apache Kafka: one KRaft node on 127.0.0.1."""

from __future__ import annotations

import threading
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from tocsin.sandbox.errors import PartDidNotStart
from tocsin.sandbox.java import data, java
from tocsin.sandbox.process import HOST, Child, Launch, accepts, await_ready, on_free_ports, run, started

NAME = "Apache Kafka"
READY_WITHIN_S = 120.0
FLAGS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@dataclass(frozen=True, slots=True)
class Kafka:
    """A running broker."""

    bootstrap_servers: str
    """host:port."""
    ports: tuple[int, int]
    """Broker and controller; given to `start` again, with the same folder, they make the same broker."""
    folder: Path
    child: Child = field(repr=False)

    def stop(self) -> None:
        """Ends it in good order."""
        self.child.stop()

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self.child.kill()


def start(jars: Sequence[Path], folder: Path, *, interrupted: threading.Event | None = None, ports: tuple[int, int] | None = None) -> Kafka:
    """A broker that answers, with its data below `folder`; what an earlier one left there is kept.

    The broker lives no longer than the calling thread. Raises PartDidNotStart, and Interrupted when `interrupted` is set before.
    """
    interrupted = interrupted or threading.Event()
    if ports is not None:
        return _start(jars, folder, ports, interrupted)
    return on_free_ports(2, lambda free: _start(jars, folder, (free[0], free[1]), interrupted))


def _start(jars: Sequence[Path], folder: Path, ports: tuple[int, int], interrupted: threading.Event) -> Kafka:
    config = _configure(folder, ports)
    if not (folder / "data" / "meta.properties").exists():
        _format(jars, folder, config, interrupted)
    with started(_launch(jars, folder, "kafka.Kafka", str(config))) as child:
        await_ready(child, lambda: _answers(ports[0]), within_s=READY_WITHIN_S, interrupted=interrupted)
        return Kafka(f"{HOST}:{ports[0]}", ports, folder, child)


def _configure(folder: Path, ports: tuple[int, int]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    values = {"BROKER_PORT": str(ports[0]), "CONTROLLER_PORT": str(ports[1]), "DATA_FOLDER": str(folder / "data")}
    text = data("kafka.properties")
    for word, value in values.items():
        text = text.replace(word, value)
    (folder / "log4j2.properties").write_text(data("kafka-log4j2.properties"), "utf-8")
    config = folder / "server.properties"
    config.write_text(text, "utf-8")
    return config


def _format(jars: Sequence[Path], folder: Path, config: Path, interrupted: threading.Event) -> None:
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    tool = _launch(jars, folder, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", f"--config={config}")
    failure = run(tool, within_s=READY_WITHIN_S, interrupted=interrupted)
    if failure:
        raise PartDidNotStart(f"{NAME} could not prepare its data folder: see below whether the disk is full, and run it again: {failure}")


def _launch(jars: Sequence[Path], folder: Path, *arguments: str) -> Launch:
    flags = (*FLAGS, f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}")
    return java(NAME, jars, folder, flags, arguments)


def _answers(port: int) -> bool:
    """Whether the broker tells its cluster, not only accepts connections."""
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
