"""How long a hook takes, with the reports of many patients in a record: `.venv/bin/python -m tests.benchmarks.hooks [CALLS]`.

Prints percentiles and judges nothing. A real server (waitress, 8 threads), a real Redis, real signatures, one caller that waits for each
answer; the record is a stub in a process of its own that holds 1,000 patients with three flagged reports each and answers after PAUSE_S.
Cards are asked for with the reports along (prefetch), and without, so that the record is searched twice with the call's token.
"""

from __future__ import annotations

import http.client
import multiprocessing
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import orjson
from tocsin.sandbox import redis
from tocsin.settings import Settings

from tests.support.cds_caller import Ehr, call_json, drafts, ec_key, jwk, jwks, order
from tests.support.cds_peers import listening
from tests.support.stored import HIGH, RAISED, searchset, stored
from tests.support.web import serving

PATIENTS: Final = 1000
REPORTS_EACH: Final = 3
PAUSE_S: Final = 0.02
"""What the record takes for an answer: a fast FHIR server's search (HAPI with 1,000 patients: 10 to 40 ms on this kind of machine)."""
ISS: Final = "https://ehr.example.org"

Json = dict[str, Any]


def resources(number: int) -> list[Json]:
    """The reports of one patient."""
    subject = f"Patient/p{number}"
    judged = (HIGH, RAISED, RAISED)
    return [
        stored(judged[each], f"Media/p{number}-{each}", subject=subject, days=each, sha256=f"{number * REPORTS_EACH + each:064x}")[0]
        for each in range(REPORTS_EACH)
    ]


def record(told: Connection) -> None:
    """Serve the record until killed; tells its address."""
    reports = {f"p{number}": orjson.dumps(searchset(resources(number))) for number in range(PATIENTS)}
    pictures = {
        patient: orjson.dumps(
            searchset(
                [
                    {"resourceType": "Media", "id": f"{patient}-{each}", "subject": {"reference": f"Patient/{patient}"}}
                    for each in range(REPORTS_EACH)
                ]
            )
        )
        for patient in reports
    }

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


@contextmanager
def service(folder: Path) -> Iterator[tuple[str, str]]:
    """The addresses of the service and of the record, until the block ends."""
    here, there = multiprocessing.Pipe()
    stub = multiprocessing.get_context("spawn").Process(target=record, args=(there,), daemon=True)
    stub.start()
    fhir = here.recv()
    keys = folder / "keys.json"
    keys.write_bytes(jwks(jwk(ec_key(), "k1")))
    running = redis.start(folder)
    try:
        cds = {"issuers": {ISS: {"jwks_file": str(keys), "fhir_base_url": fhir}}}
        settings = Settings.model_validate({"cds": cds, "redis": {"url": running.url}})
        with listening(settings, _NoBus()) as origin:
            yield origin, fhir
    finally:
        running.stop()
        stub.kill()


class _NoBus:
    """No feedback is given here."""

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """See EventSink.send."""
        raise NotImplementedError

    def close(self) -> None:
        """See EventSink.close."""


def timed(origin: str, bodies: Sequence[bytes], cards: int) -> list[float]:
    """Seconds of each call, in rising order; every one of them must be answered with so many cards."""
    ehr, address = Ehr(time.time()), f"{origin}/cds-services/tocsin-flags"
    tokens = [ehr.token(address, iss=ISS) for _ in bodies]
    connection, took = http.client.HTTPConnection(urlsplit(origin).netloc, timeout=10), list[float]()
    for token, body in zip(tokens, bodies, strict=True):
        began = time.perf_counter()
        connection.request("POST", "/cds-services/tocsin-flags", body, {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        content = answer.read()
        took.append(time.perf_counter() - began)
        assert answer.status == 200, content
        assert len(orjson.loads(content)["cards"]) == cards
    return sorted(took)


def main(calls: int) -> None:
    """Print a line for each way in which a hook is asked."""
    numbers = [number % PATIENTS for number in range(calls)]
    with TemporaryDirectory() as folder, service(Path(folder)) as (origin, fhir):
        token = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "user/*.rs", "subject": "tocsin"}
        prefetched = [call_json(patient=f"p{n}", prefetch={"reports": searchset(resources(n)), "pictures": None}) for n in numbers]
        fetched = [call_json(patient=f"p{n}", fhirServer=fhir, fhirAuthorization=token) for n in numbers]
        others = [call_json("order-sign", f"p{n}", context={"draftOrders": drafts(order("80146002"))}) for n in numbers]
        ways = {"with prefetch": (prefetched, REPORTS_EACH), "searched": (fetched, REPORTS_EACH), "another order": (others, 0)}
        print(f"{PATIENTS} patients, {REPORTS_EACH} flagged reports each, {calls} calls; the record answers after {PAUSE_S * 1000:.0f} ms")
        for name, (said, cards) in ways.items():
            took = timed(origin, [orjson.dumps(each) for each in said], cards)
            told = ", ".join(f"p{share:g} {took[min(len(took) - 1, int(len(took) * share / 100))] * 1000:.1f} ms" for share in (50, 95, 99))
            print(f"{name}: {told}, most {took[-1] * 1000:.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PATIENTS)
