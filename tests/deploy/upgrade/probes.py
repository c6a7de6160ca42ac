"""A few pictures that are announced anew after each roll-out, and what the record says of them then: whose verdict holds."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import urlsplit

from kafka import KafkaProducer

from tests.chaos import hospital
from tests.chaos.hospital import Archive, HospitalStuck
from tests.chaos.parts import TOPICS
from tests.chaos.watch import Watch
from tests.deploy.upgrade.site import Site

COUNT: Final = 4
TOLD_WITHIN_S: Final = 300.0
LOOK_S: Final = 0.2
PATIENT: Final = 900
"""Number of the first probe's patient: none of the load's."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The report on one probe, as the record has it, and the flag that was told of it last."""

    report: str
    version: str
    """Of the resource: how often it was written."""
    edition: int
    """The number of the deployment that judged."""
    band: str
    flags: int
    """Told so far."""
    flagged_as: str
    """The band that the last flag names."""


class Probes:
    """The pictures, once they are in the record."""

    def __init__(self, site: Site, watch: Watch) -> None:
        """Raises HospitalStuck."""
        self._site, self._watch = site, watch
        self._round = 0
        archive = Archive(site.fhir, threading.Event())
        for number in range(COUNT):
            archive.put(hospital.patient(PATIENT + number))
            archive.put(hospital.media(f"probe-{number}", _subject(number), hospital.photograph(7_000_000 + number)))

    def announced(self) -> Sequence[Standing]:
        """How each stands once it was announced anew and its flag told. Raises HospitalStuck where no flag comes."""
        self._round += 1
        with closing(KafkaProducer(bootstrap_servers=self._site.kafka, metrics_enabled=False)) as producer:
            for number in range(COUNT):
                producer.send(TOPICS.imaging, _value(self._event(number), number), _subject(number).encode()).get(timeout=30)
        return [self._standing(number) for number in range(COUNT)]

    def _event(self, number: int) -> str:
        return f"probe-{number}-round-{self._round}"

    def _standing(self, number: int) -> Standing:
        deadline, pause = time.monotonic() + TOLD_WITHIN_S, threading.Event()
        while not (flags := self._watch.flags_of(self._event(number))):
            if time.monotonic() > deadline:
                raise HospitalStuck(f"no flag for {self._event(number)} within {TOLD_WITHIN_S:.0f} s")
            pause.wait(LOOK_S)
        told = sum(len(self._watch.flags_of(f"probe-{number}-round-{each}")) for each in range(1, self._round + 1))
        [report] = _reports(self._site.fhir, f"Media/probe-{number}")
        said = {name: value for part in report["extension"] for name, value in _mark(part)}
        version = report["meta"]["versionId"]
        return Standing(report["id"], version, said.get("edition", 0), said["code"], told, flags[-1].get("band") or "")


def _subject(number: int) -> str:
    return f"Patient/chaos-{PATIENT + number}"


def _value(event: str, number: int) -> bytes:
    whole = {"version": 1, "id": event, "source": "urn:chaos:camera", "occurred_at": "2026-03-01T09:30:00+01:00"}
    return json.dumps(whole | {"media": f"Media/probe-{number}", "subject": _subject(number)}).encode()


def _reports(fhir: str, media: str) -> list[dict[str, Any]]:
    server = urlsplit(fhir)
    with closing(HTTPConnection(server.netloc, timeout=30)) as connection:
        connection.request("GET", f"{server.path}/DiagnosticReport?media={media}", headers={"Cache-Control": "no-cache"})
        page = json.loads(connection.getresponse().read())
    return [entry["resource"] for entry in page.get("entry", [])]


def _mark(extension: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and value of each part of Tocsin's mark."""
    for part in extension.get("extension", []):
        yield part["url"], next((value for name, value in part.items() if name.startswith("value")), None)
