"""How long a hook takes, with 1,000 patients' reports in a record: `.venv/bin/python -m tests.benchmarks.hooks [--hapi] [CALLS]`.

Prints percentiles and judges nothing. A real server (waitress, 8 threads), a real Redis, real signatures, one caller that waits for each
answer; the record holds three flagged reports of each patient. Without `--hapi` it is a stub that answers after a fixed pause, which shows
what Tocsin itself adds. With it, it is a real HAPI, which takes some 150 s of CPU to be filled, and is asked at most WARMING_CALLS times
before anything is measured, as a record is that runs for days.
Cards are asked for with reports and pictures along (prefetch, as discovery asks for), and without, so that the record is searched twice
with the call's token; besides, the record's own two searches are asked for directly, so that it shows how much of the answer is its.
"""

from __future__ import annotations

import argparse
import http.client
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from tocsin.sandbox import redis
from tocsin.serve.cds.records import PICTURES, PREFETCH, REPORTS
from tocsin.settings import Settings

from tests.benchmarks.hooks_record import PATIENTS, PAUSE_S, REPORTS_EACH, hapi, pictures_of, reports_of, stub
from tests.support.cds_caller import Ehr, call_json, drafts, ec_key, jwk, jwks, order
from tests.support.cds_peers import listening
from tests.support.stored import searchset

WARMING_CALLS: Final = 300
ANSWER_WITHIN_S: Final = 10.0
"""Not the bar: a call that takes longer than the setting's half second is to be measured, and not refused."""
ISS: Final = "https://ehr.example.org"

Json = dict[str, Any]


@contextmanager
def service(folder: Path, fhir: str) -> Iterator[str]:
    """The address of the service, whose callers' record lies at `fhir`, until the block ends."""
    keys = folder / "keys.json"
    keys.write_bytes(jwks(jwk(ec_key(), "k1")))
    running = redis.start(folder)
    try:
        cds = {"issuers": {ISS: {"jwks_file": str(keys), "fhir_base_url": fhir}}, "answer_within_s": ANSWER_WITHIN_S}
        settings = Settings.model_validate({"cds": cds, "redis": {"url": running.url}})
        with listening(settings, _NoBus()) as origin:
            yield origin
    finally:
        running.stop()


class _NoBus:
    """No feedback is given here."""

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """See EventSink.send."""
        raise NotImplementedError

    def close(self) -> None:
        """See EventSink.close."""


def as_discovered(number: int) -> Json:
    """The prefetch of one patient's call: each key that discovery asks for."""
    return {REPORTS: searchset(reports_of(number)), PICTURES: searchset(pictures_of(number))}


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


def searched(fhir: str, numbers: Sequence[int]) -> list[float]:
    """Seconds that the record takes for both searches of a call, in rising order."""
    parts, took = urlsplit(fhir), list[float]()
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    for number in numbers:
        began = time.perf_counter()
        for key in (REPORTS, PICTURES):
            connection.request("GET", f"{parts.path}/{PREFETCH[key].replace('{{context.patientId}}', f'p{number}')}")
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status == 200, content
            assert len(orjson.loads(content)["entry"]) == REPORTS_EACH
        took.append(time.perf_counter() - began)
    return sorted(took)


def told(name: str, took: Sequence[float]) -> None:
    """Print one way's line."""
    shares = ", ".join(f"p{share:g} {took[min(len(took) - 1, int(len(took) * share / 100))] * 1000:.1f} ms" for share in (50, 95, 99))
    print(f"{name}: {shares}, most {took[-1] * 1000:.1f} ms")


def main(calls: int, *, real: bool) -> None:
    """Print a line for each way in which a hook is asked."""
    numbers = [number % PATIENTS for number in range(calls)]
    with TemporaryDirectory() as folder, hapi(Path(folder)) if real else stub() as fhir, service(Path(folder), fhir) as origin:
        token = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "user/*.rs", "subject": "tocsin"}
        prefetched = [call_json(patient=f"p{n}", prefetch=as_discovered(n)) for n in numbers]
        fetched = [call_json(patient=f"p{n}", fhirServer=fhir, fhirAuthorization=token) for n in numbers]
        others = [call_json("order-sign", f"p{n}", context={"draftOrders": drafts(order("80146002"))}) for n in numbers]
        print(
            f"{PATIENTS} patients, {REPORTS_EACH} flagged reports each, {calls} calls; the record is "
            + ("HAPI" if real else f"a stub that answers after {PAUSE_S * 1000:.0f} ms")
        )
        if real:
            timed(origin, [orjson.dumps(each) for each in fetched[:WARMING_CALLS]], REPORTS_EACH)
        for name, said, cards in (
            ("with prefetch", prefetched, REPORTS_EACH),
            ("searched", fetched, REPORTS_EACH),
            ("another order", others, 0),
        ):
            told(name, timed(origin, [orjson.dumps(each) for each in said], cards))
        told("the record alone, both searches", searched(fhir, numbers))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How long a hook takes.")
    parser.add_argument("calls", nargs="?", type=int, default=PATIENTS)
    parser.add_argument("--hapi", action="store_true", help="a real HAPI as the record, instead of a stub")
    asked = parser.parse_args()
    main(asked.calls, real=asked.hapi)
