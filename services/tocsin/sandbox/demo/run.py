"""The demo: load the ward, announce its pictures, and tell each ending as it comes."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson

from tocsin.event.deadletter import DeadLetter
from tocsin.event.kafka_sink import KafkaSink
from tocsin.event.topics import read_topics
from tocsin.fhir.client import FhirClient
from tocsin.report.flag import Flag
from tocsin.sandbox.checkout import Checkout
from tocsin.sandbox.commands import Command, environment, running
from tocsin.sandbox.demo.pictures import picture_server
from tocsin.sandbox.demo.ward import Case, event_of, resources_of
from tocsin.sandbox.demo.watch import Watch
from tocsin.sandbox.errors import SandboxError
from tocsin.sandbox.process import Child
from tocsin.sandbox.progress import Progress
from tocsin.sandbox.stack import Stack
from tocsin.sandbox.topics import create_topics
from tocsin.settings import FhirSettings, KafkaSettings

POLL_S: Final = 0.5
ENDINGS_WITHIN_S: Final = 90.0
"""Longest wait for the first ending, and then for each next one."""
SOURCE: Final = "urn:tocsin:demo"
FOLDER: Final = "tocsin"
COMMANDS: Final[tuple[Command, ...]] = ("consume", "work", "beat")


class DemoFailed(SandboxError):
    """The demo's events did not all come to an ending."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event's ending, as the demo tells it."""

    ending: Flag | DeadLetter
    media: str
    seconds: float
    """From the event's publication to the word of its ending."""
    url: str
    """Of the DiagnosticReport; empty for a dead letter."""


class Demo:
    """One showing on a running stack."""

    def __init__(self, stack: Stack, checkout: Checkout, progress: Progress) -> None:
        self._stack = stack
        self._checkout = checkout
        self._progress = progress
        self._kafka = KafkaSettings(bootstrap_servers=stack.kafka.bootstrap_servers)

    def show(self, cases: Sequence[Case], tell: Callable[[Told], None], stay: Callable[[], None]) -> None:
        """Runs to the last ending, then calls `stay` while everything is still up. Raises DemoFailed if an ending stays away."""
        create_topics(self._kafka.bootstrap_servers, read_topics(self._checkout.topics))
        with picture_server({case.media_id: (case.media_type, case.content) for case in cases}) as origin:
            self._load(cases, origin)
            with running(self._stack.folder / FOLDER, self._environment(origin), *COMMANDS) as processes:
                published = self._publish(cases)
                self._watch(published, processes, tell)
                stay()

    @property
    def log(self) -> Path:
        """Where `tocsin consume` writes its log."""
        return self._stack.folder / FOLDER / "consume.log"

    def _environment(self, origin: str) -> dict[str, str]:
        stack = self._stack
        more = {
            "TOCSIN_IMAGE__URL_ORIGINS_ALLOWED": orjson.dumps([origin]).decode(),
            "TOCSIN_REPORT__SOURCE": SOURCE,
            "TOCSIN_REDIS__URL": stack.redis.url,
            "TOCSIN_WORK__PROCESSES": "1",
        }
        return environment(
            kafka=stack.kafka.bootstrap_servers, fhir=stack.fhir.base_url, triton=stack.triton.grpc_url, card=self._checkout.card, more=more
        )

    def _load(self, cases: Sequence[Case], origin: str) -> None:
        fhir = FhirClient(FhirSettings(base_url=self._stack.fhir.base_url))
        with self._progress.step("loading made-up patients and their pictures", total=len(cases)) as step:
            for case in cases:
                for resource in resources_of(case, origin):
                    fhir.put(resource)
                step.advance(1)

    def _publish(self, cases: Sequence[Case]) -> dict[str, datetime]:
        """When each Media was announced."""
        sink = KafkaSink(self._kafka.model_copy(update={"send_linger_ms": 0}))
        published: dict[str, datetime] = {}
        try:
            for case in cases:
                event = event_of(case, datetime.now(UTC))
                published[event["media"]] = datetime.now(UTC)
                sink.send(self._kafka.topic_imaging, case.subject.encode("ascii"), orjson.dumps(event))
        finally:
            sink.close()
        return published

    def _watch(self, published: dict[str, datetime], processes: list[Child], tell: Callable[[Told], None]) -> None:
        waiting = dict(published)
        watch = Watch(self._kafka.bootstrap_servers, self._kafka)
        deadline = time.monotonic() + ENDINGS_WITHIN_S
        try:
            while waiting:
                for ending in watch.endings(POLL_S):
                    deadline = time.monotonic() + ENDINGS_WITHIN_S
                    self._tell(ending, waiting, tell)
                _mind(processes, waiting, deadline)
        finally:
            watch.close()

    def _tell(self, ending: Flag | DeadLetter, waiting: dict[str, datetime], tell: Callable[[Told], None]) -> None:
        media = ending.media if isinstance(ending, Flag) else _media_of(ending)
        began = waiting.pop(media, None)
        if began is None:
            return  # told before: flags come at least once
        if isinstance(ending, Flag):
            tell(Told(ending, media, (ending.announced_at - began).total_seconds(), f"{self._stack.fhir.base_url}/{ending.report}"))
        else:
            tell(Told(ending, media, (ending.last_failed_at - began).total_seconds(), ""))


def _mind(processes: list[Child], waiting: dict[str, datetime], deadline: float) -> None:
    if not waiting:
        return
    for process in processes:
        if not process.alive:
            raise DemoFailed(f"{process.name} ended with exit code {process.exit_code}. Its log ends:\n{process.tail()}")
    if time.monotonic() > deadline:
        consumer = processes[0]
        raise DemoFailed(
            f"{len(waiting)} events had no ending for {ENDINGS_WITHIN_S:.0f} s. The log of {consumer.name} ends:\n{consumer.tail()}"
        )


def _media_of(letter: DeadLetter) -> str:
    event = orjson.loads(base64.b64decode(letter.original.value or ""))
    return str(event["media"])
