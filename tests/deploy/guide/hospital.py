"""The hospital's own servers, which Tocsin did not start: Kafka with TLS, users and an authorizer, HAPI, Redis, and a place for Triton."""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tocsin.network import HOST, free_ports
from tocsin.sandbox import fhir, kafka, redis, triton
from tocsin.sandbox.artifacts import cache_folder
from tocsin.sandbox.stack import jars_of
from tocsin.terminal import Progress

from tests.support.secured import Authority

ADMIN: Final = "admin"


@dataclass(frozen=True, slots=True)
class Hospital:
    """What the documents' example addresses stand for."""

    words: dict[str, str]
    """A word of the documents -> the one that holds here."""
    triton_ports: tuple[int, int]
    folder: Path
    parts: ExitStack = field(repr=False)

    def here(self, text: str) -> str:
        """The text with this hospital's addresses in place of the examples."""
        for example, real in self.words.items():
            text = text.replace(example, real)
        return text

    def serve(self, repository: Path) -> None:
        """Start Triton over the repository, as step 3 has it. Raises Stop."""
        server = triton.start(repository, self.folder / "triton", ports=self.triton_ports)
        self.parts.callback(server.stop)


@contextmanager
def hospital(folder: Path, work: Path, progress: Progress) -> Iterator[Hospital]:
    """The servers while the block lasts, with the authority's file at `work`/ca.pem. Raises Stop where one cannot be started."""
    cache, going_on, password = cache_folder(os.environ), threading.Event(), secrets.token_urlsafe()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "triton").mkdir(exist_ok=True)
    authority = Authority(folder)
    options = kafka.Options(
        "SASL_SSL",
        {ADMIN: password},
        keystore=authority.vouch_for(HOST).both,
        acls=True,
        properties={"super.users": f"User:ANONYMOUS;User:{ADMIN}"},
    )
    shutil.copy(authority.file, work / "ca.pem")
    with ExitStack() as parts:
        with progress.step("starting the hospital's own servers"):
            bus = kafka.start(jars_of("kafka", cache, progress, going_on), folder / "kafka", options)
            parts.callback(bus.stop)
            queues = redis.start(folder / "redis")
            parts.callback(queues.stop)
            record = fhir.start(jars_of("fhir", cache, progress, going_on), folder / "fhir")
            parts.callback(record.stop)
        grpc, http, *health = free_ports(5)
        words = {
            "kafka.example.org:9093": bus.client_servers,
            "https://fhir.example.org/fhir": record.base_url,
            "triton.example.org:8001": f"{HOST}:{grpc}",
            "redis://redis.example.org:6379/0": queues.url,
            "ADMIN-PASSWORD": password,
            **dict(zip(("9464", "9465", "9466"), map(str, health), strict=True)),
        }
        yield Hospital(words, (grpc, http), folder, parts)
