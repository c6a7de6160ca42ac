"""The two records that hooks are measured with: a stub that answers after a pause, and a real HAPI that holds all that the reports name."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import orjson
from tocsin.fhir.client import FhirClient
from tocsin.report.resources.identity import device_id
from tocsin.sandbox import fhir
from tocsin.settings import FhirSettings

from tests.support.stack import cached_jars
from tests.support.stored import HIGH, ISSUER, RAISED, searchset, stored
from tests.support.web import serving

PATIENTS: Final = 1000
REPORTS_EACH: Final = 3
PAUSE_S: Final = 0.02
"""What the stub takes for an answer: a fast FHIR server's search."""
READY_WITHIN_S: Final = 60.0
"""For the stub to import what it needs and draw up its answers."""
PATIENTS_A_BUNDLE: Final = 50
"""So many patients with all that is theirs go into HAPI by one transaction."""

Json = dict[str, Any]


def reports_of(number: int) -> list[Json]:
    """The reports of one patient."""
    judged = (HIGH, RAISED, RAISED)
    return [
        stored(judged[each], _media(number, each), subject=f"Patient/p{number}", days=each, sha256=f"{number * REPORTS_EACH + each:064x}")[
            0
        ]
        for each in range(REPORTS_EACH)
    ]


@contextmanager
def stub() -> Iterator[str]:
    """The base address of the stub, in a process of its own, until the block ends."""
    here, there = multiprocessing.Pipe()
    running = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,), daemon=True)
    running.start()
    try:
        there.close()  # so that the end of the process is the end of the pipe
        if not here.poll(READY_WITHIN_S):
            raise TimeoutError(f"the stub did not tell its address within {READY_WITHIN_S:.0f} s")
        yield here.recv()
    finally:
        running.kill()


@contextmanager
def hapi(folder: Path) -> Iterator[str]:
    """The base address of a real HAPI that holds the patients, their pictures and reports, until the block ends."""
    running = fhir.start(cached_jars("fhir"), folder)
    try:
        began = time.perf_counter()
        client = FhirClient(FhirSettings(base_url=running.base_url, request_timeout_s=120))
        client.put({"resourceType": "Device", "id": device_id(ISSUER.source, ISSUER.card.model)})
        for first in range(0, PATIENTS, PATIENTS_A_BUNDLE):
            held = [each for number in range(first, min(first + PATIENTS_A_BUNDLE, PATIENTS)) for each in _held(number)]
            entries = [_entry(running.base_url, each) for each in held]
            client.transact({"resourceType": "Bundle", "type": "transaction", "entry": entries}, "the benchmark's patients")
        print(f"HAPI took {PATIENTS} patients in {time.perf_counter() - began:.0f} s")
        yield running.base_url
    finally:
        running.stop()


def _entry(base_url: str, resource: Json) -> Json:
    place = f"{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": f"{base_url}/{place}", "resource": resource, "request": {"method": "PUT", "url": place}}


def _media(number: int, each: int) -> str:
    return f"Media/p{number}-{each}"


def pictures_of(number: int) -> list[Json]:
    """What the record says of the pictures of one patient's reports."""
    subject = {"reference": f"Patient/p{number}"}
    content = {"contentType": "image/jpeg", "url": "https://pictures.example.org/1.jpg"}
    ids = (_media(number, each).partition("/")[2] for each in range(REPORTS_EACH))
    return [{"resourceType": "Media", "id": each, "status": "completed", "subject": subject, "content": content} for each in ids]


def _held(number: int) -> list[Json]:
    """Everything that HAPI is given of one patient; what a report says of its parts is left out with them."""
    patient = {"resourceType": "Patient", "id": f"p{number}", "active": True}
    return [patient, *pictures_of(number), *({name: of for name, of in each.items() if name != "result"} for each in reports_of(number))]


def _serve(told: Connection) -> None:
    """Serve the stub until killed; tells its address."""
    reports = {f"p{number}": orjson.dumps(searchset(reports_of(number))) for number in range(PATIENTS)}
    pictures = {f"p{number}": orjson.dumps(searchset(pictures_of(number))) for number in range(PATIENTS)}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            held = reports if parts.path.endswith("DiagnosticReport") else pictures
            body = held[parse_qs(parts.query)["patient"][0]]
            time.sleep(PAUSE_S)
            self.send_response(200)
            self.send_header("Content-Type", "application/fhir+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Says nothing."""

    with serving(Handler) as origin:
        told.send(f"{origin}/fhir")
        threading.Event().wait()
