"""What everybody runs against here: real Kafka, Redis, Triton with the no-op model, and the FHIR stub, each a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tocsin.packaged import REFERENCE_CARD, TOPICS, packaged
from tocsin.sandbox import kafka, redis, triton
from tocsin.sandbox.artifacts import cache_folder
from tocsin.sandbox.commands import environment
from tocsin.sandbox.process import Child, Launch, accepts, await_ready, on_free_ports, started
from tocsin.sandbox.stack import jars_of
from tocsin.settings import KafkaSettings
from tocsin.terminal import Progress

from tests.benchmarks.bus import Bus, lane
from tests.benchmarks.cards import DECODINGS, Decoding, write_card
from tests.benchmarks.counts import Tally
from tests.benchmarks.fhir_stub import BASE, BUNDLES, COUNTS, HOST, TALLY, TRAFFIC, Traffic
from tests.benchmarks.photographs import PHOTOGRAPH, Kind, write_photographs
from tests.support.stack import NOOP_MODEL

ROOT: Final = Path(__file__).parents[2]
"""The source tree, in which the benchmark's own programs run."""
STUB = "FHIR stub"
STUB_READY_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Stub:
    """The running FHIR stub."""

    port: int
    child: Child


@dataclass(frozen=True, slots=True)
class Stage:
    """The running parts."""

    folder: Path
    kafka: kafka.Kafka
    triton: triton.Triton
    redis: redis.Redis
    fhir: Stub
    bus: Bus
    """Under Tocsin's own names."""
    cards: Mapping[Decoding, Path]

    @property
    def photographs(self) -> Path:
        """Their folder."""
        return _photographs(self.folder)

    @property
    def neighbours(self) -> dict[str, int]:
        """Process groups of those that share the cores."""
        return {**self.parts, "benchmark": os.getpgrp()}

    @property
    def parts(self) -> dict[str, int]:
        """Process groups of the parts."""
        children = {"Kafka": self.kafka.child, "Triton": self.triton.child, "Redis": self.redis.child, STUB: self.fhir.child}
        return {name: child.pid for name, child in children.items()}

    def environment(self, decoding: Decoding) -> dict[str, str]:
        """The variables of `tocsin consume`: addresses and the card, everything else as it is by default."""
        fhir = f"http://{HOST}:{self.fhir.port}{BASE}"
        more = {"TOCSIN_REDIS__URL": self.redis.url}
        return environment(kafka=self.kafka.bootstrap_servers, fhir=fhir, triton=self.triton.grpc_url, card=self.cards[decoding], more=more)

    def lane(self, name: str) -> Bus:
        """Topics of one contender alone; close it."""
        return Bus(lane(self.kafka.bootstrap_servers, name), packaged(TOPICS))

    def counts(self) -> dict[str, dict[str, int]]:
        """How often the FHIR stub was asked for each Media (`read`) and given a transaction about it (`written`), by the Media's id."""
        counts: dict[str, dict[str, int]] = self._asked("GET", COUNTS)
        return counts

    def tallies(self, name: str) -> dict[str, Tally]:
        """How many Media of the ids NAME-NUMBER the FHIR stub was asked for (`read`) and given a transaction about (`written`)."""
        return {what: Tally(**counted) for what, counted in self._asked("GET", f"{TALLY}{name}").items()}

    def traffic(self) -> Traffic:
        """Everything between the FHIR stub and its clients so far, the benchmark's own few questions included."""
        return Traffic(**self._asked("GET", TRAFFIC))

    def bundles(self) -> dict[str, Any]:
        """The transactions that the FHIR stub has kept, by the Media's id."""
        bundles: dict[str, Any] = self._asked("GET", BUNDLES)
        return bundles

    def forget(self) -> None:
        """The FHIR stub forgets whatever was read and written."""
        self._asked("DELETE", BUNDLES)

    def _asked(self, method: str, path: str) -> Any:
        connection = http.client.HTTPConnection(HOST, self.fhir.port, timeout=10)
        try:
            connection.request(method, path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def set_up(progress: Progress, kind: Kind = PHOTOGRAPH, models: Path = NOOP_MODEL) -> Iterator[Stage]:
    """Every part, ready, until the block ends; the FHIR stub has pictures of this kind, Triton these models.

    Nothing of it is left afterwards. Raises SandboxError where one cannot start.
    """
    with ExitStack() as parts:
        folder = Path(parts.enter_context(TemporaryDirectory(prefix="tocsin-benchmark-", ignore_cleanup_errors=True)))
        with progress.step(f"drawing {kind}"):
            write_photographs(_photographs(folder), kind)
        broker = _kafka(folder / "kafka", progress)
        parts.callback(broker.stop)
        with progress.step("starting Triton"):
            model = triton.start(models, folder / "triton")
        parts.callback(model.stop)
        queue = redis.start(folder / "redis")
        parts.callback(queue.stop)
        stub = on_free_ports(1, lambda ports: _stub(folder, ports[0]))
        parts.callback(stub.child.stop)
        bus = Bus(KafkaSettings(bootstrap_servers=broker.bootstrap_servers), packaged(TOPICS))
        parts.callback(bus.close)
        cards = {decoding: write_card(packaged(REFERENCE_CARD), folder, decoding) for decoding in DECODINGS}
        yield Stage(folder, broker, model, queue, stub, bus, cards)


def _kafka(folder: Path, progress: Progress) -> kafka.Kafka:
    jars = jars_of("kafka", cache_folder(os.environ), progress, threading.Event())
    with progress.step("starting Apache Kafka"):
        return kafka.start(jars, folder)


def _stub(folder: Path, port: int) -> Stub:
    argv = (sys.executable, "-m", "tests.benchmarks.fhir_stub", str(port), str(_photographs(folder)))
    with started(Launch(STUB, argv, ROOT, folder / "stub.log", None)) as child:
        await_ready(child, lambda: accepts(port), within_s=STUB_READY_WITHIN_S, interrupted=threading.Event())
        return Stub(port, child)


def _photographs(folder: Path) -> Path:
    return folder / "photographs"
