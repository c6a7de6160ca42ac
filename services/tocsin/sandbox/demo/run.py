"""Runs the demo: loads the ward into the record, announces its pictures, and tells each ending as it comes."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from tocsin.clock import utc_now
from tocsin.deadletter.types import DeadLetter
from tocsin.errors import Deferred
from tocsin.fhir.client import FhirClient
from tocsin.kafka.sink import KafkaSink
from tocsin.kafka.topics import read_topics
from tocsin.network import HOST, free_ports
from tocsin.packaged import REFERENCE_CARD, TOPICS, packaged
from tocsin.report.flag import Flag
from tocsin.sandbox.commands import Command, environment, running
from tocsin.sandbox.demo.pictures import picture_server
from tocsin.sandbox.demo.ward import TEST_DATA, Case, event_of, resources_of
from tocsin.sandbox.demo.watch import Watch
from tocsin.sandbox.ehr import CLINICIAN, Chart, LittleEhr, little_ehr
from tocsin.sandbox.errors import SandboxError
from tocsin.sandbox.jaeger import Jaeger
from tocsin.sandbox.process import Child
from tocsin.sandbox.stack import Stack
from tocsin.sandbox.topics import create_topics
from tocsin.settings import FhirSettings, KafkaSettings
from tocsin.terminal import Progress

POLL_S: Final = 0.5
ENDINGS_WITHIN_S: Final = 240.0
"""Longest wait for the first ending, and then for each next one: on a slow machine the FHIR server's first answers take minutes."""
FIRST_WRITE_WITHIN_S: Final = 120.0
"""Longest wait until the FHIR server has taken one resource."""
PORTS_WITHIN_S: Final = 30.0
"""Longest wait until each process has logged the port of its health pages."""
SOURCE: Final = "urn:tocsin:demo"
FOLDER: Final = "tocsin"
COMMANDS: Final[tuple[Command, ...]] = ("consume", "work", "beat")
PAGES: Final[Command] = "serve"
"""Runs besides where everything stays up: somebody may look."""


class DemoFailed(SandboxError):
    """Not all of the demo's events came to an ending."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event's ending, as the demo tells it."""

    ending: Flag | DeadLetter
    media: str
    file: str | None
    """Path of the real picture below its folder; None for a drawn one."""
    seconds: float
    """From the event's publication to its flag or dead letter."""
    url: str
    """Address of the DiagnosticReport; empty for a dead letter."""


@dataclass(frozen=True, slots=True)
class Up:
    """What a person can look at while the stack is up."""

    variables: Mapping[str, str]
    """The settings by which Tocsin's own commands find every part."""
    health: Mapping[Command, int]
    """Port on which each process answers /live and /ready; a process that has not logged its port is left out."""
    log: Path
    """The log file of `tocsin consume`."""
    ehr: str
    """Address of the demo's EHR, which lists the flags."""
    review: str | None
    """Address that opens the page of one flag; None where no event became one."""


class Demo:
    """One run of the demo on a running stack."""

    def __init__(self, stack: Stack, progress: Progress, traces: Jaeger | None = None, *, staying: bool = False) -> None:
        """`traces` is where every event is traced to; None: nowhere. `staying`: the pages for clinicians run too."""
        self._stack = stack
        self._progress = progress
        self._traces = traces
        self._commands: tuple[Command, ...] = (*COMMANDS, PAGES) if staying else COMMANDS
        self._kafka = KafkaSettings(bootstrap_servers=stack.kafka.bootstrap_servers)

    def show(self, cases: Sequence[Case], tell: Callable[[Told], None], stay: Callable[[Callable[[], Up]], None]) -> None:
        """Show the cases to their last ending, then call `stay` while the stack is up. Raises DemoFailed if an ending does not come."""
        create_topics(self._kafka.bootstrap_servers, read_topics(packaged(TOPICS)))
        served = {case.media_id: (case.media_type, partial(_content, case)) for case in cases}
        (port,) = free_ports(1)
        with picture_server(served) as origin, little_ehr(self._stack.fhir.base_url, f"http://{HOST}:{port}") as ehr:
            self._load(cases, origin)
            variables = self._environment(origin) | ehr.settings(self._stack.fhir.base_url) | {"TOCSIN_SERVE__PORT": str(port)}
            with running(self._stack.folder / FOLDER, variables, *self._commands) as processes:
                files, told = {f"Media/{case.media_id}": case.file for case in cases}, partial(_tell_both, ehr, tell)
                self._watch(self._publish(cases), files, processes, told)
                stay(lambda: self._up(origin, ehr))

    def _up(self, origin: str, ehr: LittleEhr) -> Up:
        folder = self._stack.folder / FOLDER
        ports, first = _ports(folder, self._commands, PORTS_WITHIN_S), next(iter(ehr.charts), None)
        return Up(self._addresses(origin), ports, folder / "consume.log", ehr.origin, None if first is None else ehr.launch_url(first))

    def _environment(self, origin: str) -> dict[str, str]:
        stack, more = self._stack, {**self._addresses(origin), **self._tracing(), "TOCSIN_WORK__PROCESSES": "1"}
        kafka, card = stack.kafka.bootstrap_servers, packaged(REFERENCE_CARD)
        return environment(kafka=kafka, fhir=stack.fhir.base_url, triton=stack.triton.grpc_url, card=card, more=more)

    def _tracing(self) -> dict[str, str]:
        """By which the demo's processes send every trace, soon after its end."""
        if self._traces is None:
            return {}
        return {"TOCSIN_OTLP__ENDPOINT": self._traces.otlp_http_url, "TOCSIN_OTLP__EVERY_S": "0.5", "TOCSIN_TRACES__RATIO": "1"}

    def _addresses(self, origin: str) -> dict[str, str]:
        stack = self._stack
        topics = {name: value for name, value in self._kafka if name.startswith("topic_")}
        return {
            "TOCSIN_KAFKA__BOOTSTRAP_SERVERS": stack.kafka.bootstrap_servers,
            **{f"TOCSIN_KAFKA__{name.upper()}": str(value) for name, value in topics.items()},
            "TOCSIN_FHIR__BASE_URL": stack.fhir.base_url,
            "TOCSIN_TRITON__GRPC_URL": stack.triton.grpc_url,
            "TOCSIN_REDIS__URL": stack.redis.url,
            "TOCSIN_MODEL__CARD": str(packaged(REFERENCE_CARD)),
            "TOCSIN_REPORT__SOURCE": SOURCE,
            "TOCSIN_IMAGE__URL_ORIGINS_ALLOWED": orjson.dumps([origin]).decode(),
            **({} if self._traces is None else {"TOCSIN_TRACES__QUERY_URL": self._traces.query_url}),
        }

    def _load(self, cases: Sequence[Case], origin: str) -> None:
        fhir = FhirClient(FhirSettings(base_url=self._stack.fhir.base_url))
        with self._progress.step("loading patients and their pictures", total=len(cases)) as step:
            _put(fhir, {"resourceType": "Practitioner", "id": CLINICIAN, "meta": TEST_DATA, "name": [{"text": "Demo clinician"}]})
            for case in cases:
                for resource in _resources(case, origin):
                    _put(fhir, resource)
                step.advance(1)

    def _publish(self, cases: Sequence[Case]) -> dict[str, datetime]:
        """Announce the cases; returns when each Media was announced."""
        sink = KafkaSink(self._kafka)
        published: dict[str, datetime] = {}
        try:
            for case in cases:
                event = event_of(case, utc_now())
                published[event["media"]] = utc_now()
                sink.send(self._kafka.topic_imaging, case.subject.encode("ascii"), orjson.dumps(event))
        finally:
            sink.close()
        return published

    def _watch(
        self, waiting: dict[str, datetime], files: Mapping[str, str | None], processes: list[Child], tell: Callable[[Told], None]
    ) -> None:
        watch = Watch(self._kafka.bootstrap_servers, self._kafka)
        deadline = time.monotonic() + ENDINGS_WITHIN_S
        try:
            while waiting:
                for ending in watch.endings(POLL_S):
                    deadline = time.monotonic() + ENDINGS_WITHIN_S
                    self._tell(ending, waiting, files, tell)
                _mind(processes, waiting, deadline)
        finally:
            watch.close()

    def _tell(
        self, ending: Flag | DeadLetter, waiting: dict[str, datetime], files: Mapping[str, str | None], tell: Callable[[Told], None]
    ) -> None:
        media = ending.media if isinstance(ending, Flag) else _media_of(ending)
        began = waiting.pop(media, None)
        if began is None:
            return  # told before: flags come at least once
        ended, url = (
            (ending.announced_at, f"{self._stack.fhir.base_url}/{ending.report}")
            if isinstance(ending, Flag)
            else (ending.last_failed_at, "")
        )
        tell(Told(ending, media, files.get(media), (ended - began).total_seconds(), url))


def _tell_both(ehr: LittleEhr, tell: Callable[[Told], None], told: Told) -> None:
    """Tell the ending, and have the EHR list it where it is a flag; one that was flagged stands first."""
    if isinstance(told.ending, Flag):
        flag = told.ending
        chart = Chart(flag.report, flag.subject, f"{flag.subject}, {told.media}: {flag.band or flag.outcome}")
        ehr.list(chart, first=flag.flagged is True)
    tell(told)


def _content(case: Case) -> bytes:
    return case.content


def _resources(case: Case, origin: str) -> list[dict[str, Any]]:
    try:
        return resources_of(case, origin)
    except OSError as error:
        raise DemoFailed(
            f"{case.file} could be read a moment ago and now cannot ({error.strerror}): look at it and run it again."
        ) from None


def _put(fhir: FhirClient, resource: dict[str, Any]) -> None:
    """Write the resource, again until the server takes it: a machine that starts the whole stack may be slow at first."""
    deadline = time.monotonic() + FIRST_WRITE_WITHIN_S
    while True:
        try:
            return fhir.put(resource)
        except Deferred as late:
            if time.monotonic() > deadline:
                reference = f"{resource['resourceType']}/{resource['id']}"
                raise DemoFailed(
                    f"the FHIR server did not take {reference} within {FIRST_WRITE_WITHIN_S:.0f} s ({late.detail}). Close what keeps this "
                    "machine busy and run it again."
                ) from None
            time.sleep(POLL_S)


def _ports(folder: Path, commands: Sequence[Command], within_s: float) -> dict[Command, int]:
    """The port of each process that logs one within `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while True:
        ports = {command: port for command in commands if (port := _port(folder / f"{command}.log")) is not None}
        if len(ports) == len(commands) or time.monotonic() > deadline:
            return ports
        time.sleep(POLL_S)


def _port(log: Path) -> int | None:
    lines = log.read_bytes().splitlines() if log.exists() else []
    for line in lines:
        if line.startswith(b"{") and b'"port"' in line:
            return int(orjson.loads(line)["port"])
    return None


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
