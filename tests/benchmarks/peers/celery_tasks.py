"""The Celery peer's worker: one task for each event, in prefork processes, with requests, tritonclient and kafka-python.

Run by `python -m tests.benchmarks.peers.celery_tasks`. Written by Celery's own documentation for tasks that must not be lost:
acknowledged late and rejected when a process dies, one task prefetched for each process, no results kept, retried with growing pauses; as
many processes as there are cores, which is the default; clients made in each process after the fork. It is given Tocsin's decoder and
gate, and keeps the memory of its pictures as `tocsin consume` does. Four prices of this design are not in any figure: Redis's CPU, which
counts as a neighbour's; saturated, the feeder's, which has moved the records to Redis mostly before the first reading; that events of one
patient have no order; and that what Redis loses is lost (the benchmark's Redis keeps its file).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import orjson
import requests
from celery import Celery
from kafka import KafkaProducer
from kafka.errors import KafkaError
from tocsin.clock import utc_now
from tocsin.event.types import ImagingEvent
from tocsin.image.malloc import keep_memory
from tocsin.image.types import Obstacle, Picture
from tocsin.risk.types import Judgement
from tocsin.settings import read_settings
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from tests.benchmarks.peers.journey import Site, Tensor, composed, content_url, flag, inputs, judged, picture_of, site
from tests.benchmarks.peers.looks import with_tocsins_functions

TASK: Final = "judge"
FHIR_JSON: Final = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
OFTEN_AGAIN: Final = 8


@dataclass(frozen=True, slots=True)
class Hospital:
    """The clients of one process."""

    site: Site
    fhir: requests.Session
    triton: InferenceServerClient
    kafka: KafkaProducer

    def picture(self, event: ImagingEvent) -> Picture:
        """The verified picture."""
        fetched = utc_now()
        media, patient = (orjson.loads(self._read(reference)) for reference in (event.media, event.subject))
        return picture_of(event, media, patient, self._read(content_url(event, media, patient, self.site)), fetched)

    def classified(self, tensor: Tensor, picture: Picture) -> Judgement:
        """Triton's verdict."""
        card = self.site.card
        within_s = self.site.settings.triton.timeout_s
        answer = self.triton.infer(card.name, inputs(tensor, picture.facts, card), card.version, client_timeout=within_s)
        return judged(answer.as_numpy(card.output.name), card)

    def write(self, bundle: Any) -> None:
        """The report's transaction."""
        fhir = self.site.settings.fhir
        self.fhir.post(fhir.base_url, orjson.dumps(bundle), headers=FHIR_JSON, timeout=fhir.request_timeout_s).raise_for_status()

    def announce(self, told: Any, subject: str) -> None:
        """The flag; returns once Kafka has it."""
        kafka = self.site.settings.kafka
        self.kafka.send(kafka.topic_flags, orjson.dumps(told), subject.encode()).get(kafka.send_timeout_s)

    def _read(self, path: str) -> bytes:
        fhir = self.site.settings.fhir
        answer = self.fhir.get(f"{fhir.base_url.rstrip('/')}/{path}", timeout=fhir.request_timeout_s)
        answer.raise_for_status()
        return bytes(answer.content)


@cache
def hospital() -> Hospital:
    """This process's clients, made on its first event: what is made before the fork does not outlive it."""
    here = site()
    kafka = KafkaProducer(bootstrap_servers=here.settings.kafka.bootstrap_servers)
    return Hospital(here, requests.Session(), InferenceServerClient(here.settings.triton.grpc_url), kafka)


def application() -> Celery:
    """The application, for the worker and for whoever sends tasks."""
    app = Celery("peer", broker=read_settings().redis.url.get_secret_value())
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
    )
    app.task(judge, name=TASK, autoretry_for=(OSError, KafkaError, InferenceServerException), retry_backoff=True, max_retries=OFTEN_AGAIN)
    return app


def judge(record: str) -> None:
    """One event, from its picture to its flag."""
    here, event = hospital(), ImagingEvent.model_validate(orjson.loads(record))
    picture = here.picture(event)
    seen = with_tocsins_functions(picture, here.site)
    report = composed(event, picture, seen if isinstance(seen, Obstacle) else here.classified(seen, picture), here.site)
    here.write(report.bundle)
    here.announce(flag(event, report, here.site), event.subject)


def main() -> None:
    """Work until told to end; what is settled about memory here holds in each process, which is forked from this one."""
    keep_memory()  # before the first thread
    application().worker_main(["worker", "--pool=prefork", "--loglevel=WARNING"])


if __name__ == "__main__":
    main()
