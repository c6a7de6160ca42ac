"""What does one journey cost of our own Python? `python -m tests.benchmarks.journey [--json]`.

One thread: the consumer's handler, FHIR client, reports, flag, log line and metrics are the product's own, with telemetry as
`tocsin consume` has it by default. HTTP, the model and the bus are answered from memory, and no pixel is decoded. Prints the CPU of that
thread in microseconds a journey, the least of the rounds, and each part alone; parts overlap, and do not add up to the whole. Asserts
nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import orjson
from opentelemetry.trace import SpanKind
from tocsin.bootstrap.telemetry import observed
from tocsin.clock import utc_now
from tocsin.consume.attempt import Attempt
from tocsin.consume.handler import Handler
from tocsin.consume.measures import Tally
from tocsin.event.decode import decode
from tocsin.event.types import ImagingEvent
from tocsin.fhir.client import FhirClient
from tocsin.fhir.datatypes import Json
from tocsin.fhir.http import Answer, HeadedAnswer
from tocsin.image.attachment import verify
from tocsin.image.decode import Decoder
from tocsin.image.fhir import FhirPictures
from tocsin.image.gate import acceptance
from tocsin.image.identity import check_media, check_patient
from tocsin.image.kind import kind_of
from tocsin.image.memory_budget import Allowance
from tocsin.image.taken import ages, birth, taken
from tocsin.image.types import PatientFacts, Picture, Pixels
from tocsin.inference.types import Findings, Tensor
from tocsin.journey import Journey
from tocsin.kafka.records import encode
from tocsin.kafka.types import Position, Record, TopicPartition
from tocsin.model_card import ModelCard, read_card
from tocsin.outcome import Published
from tocsin.packaged import REFERENCE_CARD, packaged
from tocsin.report.flag import flag_of
from tocsin.report.grounds import grounds_by
from tocsin.report.kafka import KafkaFlags
from tocsin.report.publish import Publisher
from tocsin.report.resources.compose import compose
from tocsin.report.resources.issuer import issuer_of
from tocsin.report.resources.mark import as_written, stored_report
from tocsin.report.store.fhir import FhirReports
from tocsin.report.store.transaction import TransactionWriter
from tocsin.risk.judge import judge
from tocsin.risk.look import Judge
from tocsin.settings import FhirSettings, Settings
from tocsin.telemetry.calls import http_request, stage
from tocsin.telemetry.log import logger, set_up_logs
from tocsin.telemetry.metrics import HTTP_DURATION, STAGE_DURATION
from tocsin.telemetry.trace import root_span, span

from tests.benchmarks.fhir_stub import Site
from tests.benchmarks.processes import this_machine
from tests.support.command_line import parser
from tests.support.one_by_one import OneByOne
from tests.support.pictures import encoded, textured

T = TypeVar("T")

BASE: Final = "http://fhir.test/fhir"
TOPIC: Final = "imaging.events.v1"
AT_ONCE: Final = 25
"""Journeys, or repetitions of a part, in one round."""
_HTTP_LABELS: Final = {
    "http.request.method": "GET",
    "url.template": "Media/{id}",
    "server.address": "fhir.test",
    "server.port": "80",
    "http.response.status_code": "200",
    "status_class": "2xx",
}


class FromMemory(OneByOne):
    """A FHIR server without a wire: the benchmarks' stub, asked by a call."""

    def __init__(self, site: Site) -> None:
        super().__init__(connect_timeout_s=1, request_timeout_s=1)
        self._site = site

    def exchange(
        self, method: str, url: str, *, neighbour: str, headers: Mapping[str, str], body: bytes | None = None, body_bytes_max: int
    ) -> Answer:
        """See Http.exchange."""
        path = url.removeprefix("http://fhir.test").encode()
        head, _, content = self._site.answer(method.encode(), path, body or b"").partition(b"\r\n\r\n")
        status, kind, _ = head.split(b"\r\n", 2)
        return Answer(int(status[9:12]), kind.partition(b": ")[2].decode(), content)

    def exchange_with_headers(
        self, method: str, url: str, *, neighbour: str, headers: Mapping[str, str], body: bytes | None = None, body_bytes_max: int
    ) -> HeadedAnswer:
        """See Http.exchange_with_headers."""
        plain = self.exchange(method, url, neighbour=neighbour, headers=headers, body=body, body_bytes_max=body_bytes_max)
        return HeadedAnswer(plain.status, plain.content_type, plain.body, headers={"content-type": plain.content_type})


class WithoutPixels(Decoder):
    """Enters the stage of decoding and decodes nothing."""

    def unfolded(self, picture: Picture, look: Callable[[Pixels], T]) -> T:
        """See Decoder.unfolded; `look` is a journey's own, which would look at pixels."""
        with stage("decode"):
            pass
        with stage("gate"):
            return np.zeros((1, 1, 3), np.float32)  # type: ignore[return-value] # what a journey's look makes of pixels


@dataclass(frozen=True, slots=True)
class Always:
    """A model that answers the same to every picture."""

    findings: Findings

    def classify(self, image: Tensor, facts: PatientFacts) -> Findings:
        """See Classifier."""
        return self.findings


class Nowhere:
    """A bus that takes everything and keeps nothing, and the dead letters that nobody sent."""

    def send(self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """See EventSink."""

    def close(self) -> None:
        """See EventSink."""

    def stands(self, record: Record) -> bool:
        """See RefusedBefore."""
        return False

    def forget(self) -> None:
        """See RefusedBefore."""

    def remember(self, record: Record) -> None:
        """See RefusedBefore."""


class Bench:
    """Everything of a consumer between its bus and its neighbours."""

    def __init__(self, card: ModelCard, settings: Settings) -> None:
        self.card = card
        self.issuer = issuer_of(card, settings.report)
        self.http = FromMemory(Site([encoded(textured(64, 48), quality=50)]))
        self.fhir = FhirClient(FhirSettings(base_url=BASE), self.http)
        self.findings = Findings(card.model, _probabilities(card))
        self.pictures = FhirPictures(self.fhir, self.http, settings.image, utc_now)
        accepted = acceptance(card, settings.image)
        self.grounds = grounds_by(card, accepted, edition=settings.report.edition)
        self.reports = FhirReports(
            self.fhir, self.issuer, TransactionWriter(self.fhir, self.issuer), validate_every=0, registration_wait_s=1
        )
        self.flags = KafkaFlags(Nowhere(), "flags")
        decoder = WithoutPixels(Allowance(1 << 30, 1), pixels_max=1, reduce_to_px=None)
        publisher = Publisher(self.reports, self.flags, self.issuer, utc_now)
        self.handler = Handler(
            Journey(self.pictures, Judge(decoder, accepted, Always(self.findings), card), self.grounds, publisher),
            Nowhere(),
            "dead-letters",
            is_member=lambda: True,
            refused_before=Nowhere(),
            letter_bytes_max=1 << 20,
            now=utc_now,
            group="tocsin",
            producer=settings.traces.producer,
        )
        self.tally = Tally("backfill", frozenset(band.code for band in card.operating_point.bands))
        self._numbers = itertools.count()

    def attempts(self, count: int) -> list[Attempt]:
        """Events that nobody has seen before."""
        return [Attempt(self._record(number)) for number in itertools.islice(self._numbers, count)]

    def take(self, attempts: Sequence[Attempt]) -> None:
        """Bring each to its ending."""
        for each in attempts:
            ending = self.handler.handle(each)
            if not isinstance(ending, Published):
                raise AssertionError(ending)
            self.tally.tried(each, ending, utc_now())

    def _record(self, number: int) -> Record:
        event = {
            "version": 1,
            "id": f"event-{number}",
            "source": "urn:test:camera",
            "occurred_at": "2026-03-01T09:30:00+01:00",
            "media": f"Media/m-{number}",
            "subject": f"Patient/m-{number}",
        }
        headers = (("traceparent", b"00-%032x-%016x-00" % (number + 1, number + 1)),)
        return Record(Position(TopicPartition(TOPIC, 0), number), b"Patient/p", orjson.dumps(event), headers, 1_772_354_400_000)


def _probabilities(card: ModelCard) -> dict[str, float]:
    first, *others = card.output.classes
    return {each.code: 0.3 / len(others) for each in others} | {first.code: 0.7}


def parts(bench: Bench) -> dict[str, Callable[[], object]]:
    """Part of a journey -> its work, once. `x 7` in a name says how often a journey does that."""
    record = bench.attempts(1)[0].record
    event = decode(record)
    fhir, base, issuer, now = bench.fhir, bench.fhir.service_base, bench.issuer, utc_now()
    media, patient = _read(fhir, event.media), _read(fhir, event.subject)
    picture, findings = bench.pictures.fetch(event), bench.findings
    grounds, judgement = bench.grounds(picture), judge(findings, bench.card)
    report = compose(event, picture, grounds, judgement, issuer, now, "ab" * 16)
    resource, stored = report.bundle["entry"][0]["resource"], as_written(report)
    others = (replace(picture, content_sha256=f"{number:064x}") for number in itertools.count())  # whose ids are not known yet
    seen = partial(taken, media, announced=event.taken_at, stored=now)
    flag = flag_of(event, stored, stored.mark or report.mark, issuer, now)
    url, line = f"{BASE}/{event.media}", {"media": event.media, "report": stored.reference, "topic": TOPIC, "partition": 0, "offset": 1}
    return {
        "event parse": lambda: decode(record),
        "fetch, with its 3 exchanges": lambda: bench.pictures.fetch(event),
        "  identity of Media and Patient": lambda: _identified(bench, event, media, patient),
        "  attachment against its bytes": lambda: verify(media["content"], picture.content, event.media),
        "  kind, time, age": lambda: (kind_of(media), ages(birth(patient.get("birthDate")), seen().days)),
        "grounds": lambda: bench.grounds(picture),
        "find, with its exchange": lambda: bench.reports.find(picture, grounds),
        "judge": lambda: judge(findings, bench.card),
        "compose": lambda: compose(event, next(others), grounds, judgement, issuer, now, "ab" * 16),
        "as written": lambda: as_written(report),
        "a report as it stands x 1": lambda: stored_report(resource, base),
        "bundle to JSON": lambda: orjson.dumps(report.bundle),
        "flag": lambda: flag_of(event, stored, stored.mark or report.mark, issuer, now),
        "flag to JSON": lambda: encode(flag),
        "exchange, server included x 7": lambda: fhir.get(event.media),
        "  server in memory": lambda: bench.http.exchange("GET", url, neighbour="fhir", headers={}, body_bytes_max=1 << 20),
        "  span and measure": _one_request,
        "stage x 7": _one_stage,
        "  span": _one_span,
        "histogram, 1 label x 8": lambda: STAGE_DURATION.record(0.01, {"stage": "find"}),
        "histogram, 6 labels x 8": lambda: HTTP_DURATION.record(0.01, _HTTP_LABELS),
        "tally": lambda: bench.tally.tried(Attempt(record), Published(stored.reference, stored.code), now),
        "log line": lambda: logger().info("published", band=stored.code, duration_ms=1.5, stages_ms={"fetch": 1.0, "find": 0.5}, **line),
    }


def _read(fhir: FhirClient, reference: str) -> Json:
    return fhir.read(reference, unknown=lambda: AssertionError(reference))


def _identified(bench: Bench, event: ImagingEvent, media: Json, patient: Json) -> None:
    check_media(media, event, bench.fhir.service_base)
    check_patient(patient, event)


def _one_request() -> None:
    with http_request("GET", "Media/{id}", "fhir.test", 80) as request:
        request.answered(200)


def _one_stage() -> None:
    with stage("find"):
        pass


def _one_span() -> None:
    with span("find"):
        pass


@contextmanager
def observing(settings: Settings, card: ModelCard) -> Iterator[None]:
    """Telemetry as `tocsin consume` has it; its log lines go nowhere."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        set_up_logs(settings.log)
        with observed(settings, "tocsin-consume", card):
            yield


def costs_us(rounds: int) -> dict[str, float]:
    """What is measured -> the least CPU of the rounds, microseconds a time; the whole journey first."""
    settings, card = Settings(), read_card(packaged(REFERENCE_CARD))
    with observing(settings, card):
        bench = Bench(card, settings)
        alone = parts(bench)
        bench.take(bench.attempts(AT_ONCE))  # registers the model
        costs = [_round_us(bench, alone) for _ in range(rounds)]
    return {name: min(each[name] for each in costs) for name in costs[0]}


def _round_us(bench: Bench, alone: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    attempts = bench.attempts(AT_ONCE)
    whole = _cpu_us(lambda: bench.take(attempts))
    with root_span("process", SpanKind.CONSUMER, {}):  # each part belongs to a trace, as in a journey
        return {"journey": whole} | {name: _cpu_us(partial(_repeated, work)) for name, work in alone.items()}


def _repeated(work: Callable[[], object]) -> None:
    for _ in range(AT_ONCE):
        work()


def _cpu_us(work: Callable[[], object]) -> float:
    began = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - began) / 1000 / AT_ONCE


def main() -> None:
    """Prints the table."""
    options = _options().parse_args()
    costs = costs_us(options.rounds)
    if options.json:
        print(json.dumps(costs))
        return
    print(f"{this_machine()}; CPU in microseconds, the least of {options.rounds} rounds of {AT_ONCE}")
    for name, cost in costs.items():
        print(f"{name:36} {cost:8.1f}")


def _options() -> argparse.ArgumentParser:
    options = parser("tests.benchmarks.journey", __doc__)
    options.add_argument("--rounds", type=int, default=200, help="how often everything is measured (200)")
    options.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    return options


if __name__ == "__main__":
    main()
