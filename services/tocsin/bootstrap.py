"""Settings -> adapters -> Journey -> Consumer: the only place that chooses."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial

from tocsin.archive.backfill.backfiller import Backfiller, Backfills, modalities
from tocsin.archive.fhir import FhirArchive
from tocsin.archive.ports import Archive, Enqueue
from tocsin.archive.preflight import archive_preflight
from tocsin.archive.reconcile.checkpoint import ask
from tocsin.archive.reconcile.reconciler import Reconciler
from tocsin.archive.sources import sources_preflight
from tocsin.archive.types import Query
from tocsin.clock import utc_now
from tocsin.consume.consumer import Consumer, Topics
from tocsin.consume.handler import Handler
from tocsin.consume.liveness.deadlines import limits_of, too_low
from tocsin.consume.liveness.health import pages
from tocsin.consume.liveness.progress import Progress
from tocsin.consume.liveness.watchdog import watching
from tocsin.deadletter.disputes import open_disputes
from tocsin.deadletter.redrive import redrive
from tocsin.deadletter.refusals import Refusals
from tocsin.errors import ContractError
from tocsin.fhir.client import FhirClient, http_of
from tocsin.fhir.http import Http
from tocsin.fhir.ping import FhirPing
from tocsin.fhir.preflight import fhir_preflight
from tocsin.image.content import Contents
from tocsin.image.decode import Decoder
from tocsin.image.fhir import FhirPictures
from tocsin.image.gate import DICOM_MODALITY, Acceptance
from tocsin.image.kind import canonical, coding_of
from tocsin.image.memory_budget import Allowance
from tocsin.image.preflight import binary_check, named_pictures, pictures_preflight
from tocsin.image.types import Coding
from tocsin.inference.ping import TritonPing
from tocsin.inference.preflight import triton_preflight
from tocsin.inference.triton import TritonClassifier
from tocsin.journey import Journey
from tocsin.kafka import reach as kafka_reach
from tocsin.kafka.group import KafkaGroup
from tocsin.kafka.missing import Missing, say_missing
from tocsin.kafka.ping import KafkaPing
from tocsin.kafka.ports import EventLog, EventSink
from tocsin.kafka.preflight import kafka_preflight
from tocsin.kafka.reader import KafkaLog
from tocsin.kafka.sink import KafkaSink
from tocsin.kafka.source import KafkaSource
from tocsin.model_card import ModelCard, read_card
from tocsin.report.kafka import KafkaFlags
from tocsin.report.resources.compose import Issuer
from tocsin.report.resources.selfcheck import check_reports
from tocsin.report.store.fhir import FhirReports
from tocsin.report.store.preflight import report_preflight
from tocsin.settings import ImageSettings, KafkaSettings, Settings
from tocsin.telemetry.health_server import serving
from tocsin.telemetry.log import logger
from tocsin.telemetry.pings import Ping, Pings
from tocsin.telemetry.preflight import Check, Preflight
from tocsin.work.app import client
from tocsin.work.health import Pulse, RedisPing, moment
from tocsin.work.health import pages as work_pages
from tocsin.work.preflight import redis_preflight
from tocsin.work.redis_client import address
from tocsin.work.tasks import Work, send_step


def journey(settings: Settings, sink: EventSink, heard: Callable[[], None]) -> Journey:
    """The journey these settings ask for. Raises ConfigurationError; reaches out to nobody yet.

    `heard` is called on a journey's thread whenever a server has answered it.
    """
    card = read_card(settings.model.card)
    fhir = FhirClient(settings.fhir, http_of(settings.fhir, heard))
    issuer = Issuer(card, settings.report.source)
    check_reports(issuer)
    return Journey(
        pictures=FhirPictures(fhir, _to_other_origins(settings, heard), settings.image, utc_now),
        decoder=Decoder(
            Allowance(settings.image.in_flight_bytes_max, settings.image.in_flight_wait_s, heard),
            pixels_max=settings.image.pixels_max,
            reduce_to_px=card.image.reduce_to_px,
        ),
        acceptance=acceptance(card, settings.image),
        classifier=TritonClassifier(settings.triton, card, heard),
        issuer=issuer,
        reports=FhirReports(
            fhir, issuer, validate_every=settings.report.validate_every, registration_wait_s=settings.fhir.request_timeout_s
        ),
        flags=KafkaFlags(sink, settings.kafka.topic_flags),
        now=utc_now,
    )


def _to_other_origins(settings: Settings, heard: Callable[[], None]) -> Http:
    return Http(
        connect_timeout_s=settings.fhir.connect_timeout_s,
        request_timeout_s=settings.fhir.request_timeout_s,
        proxy_url=settings.image.proxy_url,
        tls_ca_file=settings.image.tls_ca_file,
        group="IMAGE",
        heard=heard,
    )


def await_bus(settings: Settings, stopping: threading.Event) -> bool:
    """Whether a broker answers; False once `stopping` is set. Raises Unavailable(kafka) and ContractError, saying why none does."""
    return kafka_reach.await_bus(settings.kafka, stopping)


@contextmanager
def consumer(settings: Settings) -> Iterator[Consumer]:
    """What `tocsin consume` runs. Raises ConfigurationError, and Unavailable(kafka) if no broker answers in time."""
    source = KafkaSource(settings.kafka, _missing(settings))
    progress = Progress(time.monotonic, source.stalled)
    sink, letters = KafkaSink(settings.kafka, progress.heard), settings.kafka.topic_dead_letters
    try:
        yield Consumer(
            source,
            Topics(settings.kafka.topic_imaging, settings.kafka.topic_backfill),
            Handler(
                journey(settings, sink, progress.heard),
                sink,
                settings.kafka.topic_dead_letters,
                is_member=source.is_member,
                refused_before=Refusals(
                    lambda: closing(KafkaLog(settings.kafka, progress.heard)),
                    letters,
                    heard=progress.heard,
                    now=utc_now,
                ),
                letter_bytes_max=settings.kafka.send_bytes_max,
                now=utc_now,
            ),
            settings.consume,
            progress,
            poll_wait_s=settings.kafka.poll_wait_ms / 1000,
            clock=time.monotonic,
            jitter=random.random,
        )
    finally:
        sink.close()


def _missing(settings: Settings) -> Callable[[Missing], None]:
    def missing(events: Missing) -> None:
        now, asked = utc_now(), True
        try:
            with closing(KafkaSink(settings.kafka)) as sink:
                ask(sink, settings.kafka.topic_backfills, now - timedelta(seconds=settings.reconcile.catch_up_s), now)
        except ContractError:  # a right that is missing keeps nobody from judging what is there
            asked = False
        say_missing(events, asked=asked)

    return missing


def work(settings: Settings) -> Work:
    """What `tocsin work` does. Raises ConfigurationError; reaches out to nobody yet."""

    def redriving() -> None:
        with closing(KafkaLog(settings.kafka)) as log, closing(KafkaSink(settings.kafka)) as sink:
            redrive(log, sink, settings, utc_now)

    def reconciling() -> None:
        with reconciler(settings) as found:
            found.reconcile(utc_now())

    def step(backfill: str) -> float | None:
        with backfiller(settings) as taken_on:
            return taken_on.step(backfill)

    def overdue() -> list[str]:
        with backfiller(settings) as taken_on:
            return taken_on.overdue()

    modalities_wanted(settings)
    return Work(redriving, reconciling, step, overdue)


@contextmanager
def work_health(settings: Settings, pulse: Pulse, queues: Sequence[str] = ()) -> Iterator[int]:
    """Say over HTTP how a process is whose loop gives this pulse and which takes tasks from these queues; gives the port.

    Raises ConfigurationError.
    """
    ping = RedisPing(settings.redis, queues)
    pings = Pings([ping], settings.metrics.ping_every_s)
    answers = work_pages(lambda: moment(pulse, ping, pings.reaches()[ping.neighbour]), settings.work.silence_max_s)
    with serving(settings.metrics, answers) as port, pings.asking():
        yield port


@contextmanager
def backfiller(settings: Settings) -> Iterator[Backfiller]:
    """What takes backfills on. Raises Unavailable(kafka) if no broker answers in time."""
    kafka, archive = settings.kafka, archive_of(settings)
    with closing(KafkaLog(kafka)) as log, closing(KafkaSink(kafka)) as sink, closing(KafkaGroup(kafka)) as group:
        backfills, disputed = Backfills(log, sink, kafka.topic_backfills), partial(open_disputes, log, kafka)
        yield Backfiller(backfills, archive, sink, group, kafka.topic_backfill, settings.backfill, utc_now, disputed)


@contextmanager
def reconciler(settings: Settings) -> Iterator[Reconciler]:
    """What compares the record with what was announced. Raises ConfigurationError, and Unavailable(kafka) if no broker answers in time."""
    kafka, archive, query = settings.kafka, archive_of(settings), Query(modality=modalities_wanted(settings))
    with closing(KafkaLog(kafka)) as log, closing(KafkaSink(kafka)) as sink, closing(KafkaGroup(kafka)) as group:
        yield Reconciler(archive, log, sink, group, kafka, query, settings.report.source, settings.reconcile)


def modalities_wanted(settings: Settings) -> tuple[str, ...]:
    """Which pictures backfill and reconciliation look for, unless they are told. Raises ConfigurationError."""
    return modalities(acceptance(read_card(settings.model.card), settings.image), settings.backfill.modality)


def enqueue(settings: Settings) -> Enqueue:
    """Has a worker take a backfill's step soon. Reaches out to nobody yet."""
    return partial(send_step, client(settings))


def archive_of(settings: Settings) -> Archive:
    """The pictures and reports that the record holds. Reaches out to nobody yet."""
    return FhirArchive(FhirClient(settings.fhir), settings.report.source, settings.backfill, utc_now)


def event_log(settings: KafkaSettings) -> EventLog:
    """The bus for whoever looks things up. Raises Unavailable(kafka) if no broker answers in time."""
    return KafkaLog(settings)


def event_sink(settings: KafkaSettings) -> EventSink:
    """The bus for whoever sends. Raises Unavailable(kafka) if no broker answers in time."""
    return KafkaSink(settings)


@contextmanager
def neighbours(settings: Settings) -> Iterator[Pings]:
    """Asks each neighbour of a consumer again and again, and logs which is away and which is back. Raises ConfigurationError."""
    card = read_card(settings.model.card)
    asked: list[Ping] = [KafkaPing(settings.kafka), FhirPing(FhirClient(settings.fhir)), TritonPing(settings.triton, card)]
    pings = Pings(asked, settings.metrics.ping_every_s, partial(_say_reached, _addresses(settings)))
    with pings.asking():
        yield pings


def _addresses(settings: Settings) -> dict[str, str]:
    return {
        "kafka": f"{settings.kafka.bootstrap_servers} (TOCSIN_KAFKA__BOOTSTRAP_SERVERS)",
        "fhir": f"{settings.fhir.base_url} (TOCSIN_FHIR__BASE_URL)",
        "triton": f"{settings.triton.grpc_url} (TOCSIN_TRITON__GRPC_URL)",
    }


def _say_reached(addresses: Mapping[str, str], neighbour: str, reached: bool, detail: str) -> None:
    if reached:
        logger().info("a neighbour answers again", neighbour=neighbour, detail=addresses[neighbour])
    else:
        advice = "events keep their places until it does; `tocsin check` looks closer"
        logger().warning("a neighbour does not answer", neighbour=neighbour, detail=f"{addresses[neighbour]}: {detail}", advice=advice)


@contextmanager
def health(settings: Settings, progress: Progress, pings: Pings) -> Iterator[int]:
    """Say over HTTP how this consumer is, and end the process where it is stuck; gives the port. Raises ConfigurationError."""
    limits = limits_of(settings)
    for sentence in too_low(settings):
        logger().warning("a slow neighbour may be taken for a defect, and the process ended for nothing", detail=sentence)
    answers = pages(lambda: (progress.snapshot(), pings.reaches()), limits)
    with serving(settings.metrics, answers) as port, watching(progress, limits):
        yield port


def preflights(settings: Settings) -> list[Preflight]:
    """How to find out whether each neighbour is fit, the card first. Raises ConfigurationError; reaches out to nobody yet."""
    card = read_card(settings.model.card)
    issuer = Issuer(card, settings.report.source)
    check_reports(issuer)
    fit = Check("card", str(settings.model.card), True, f"{card.title}, {card.model}; its reports are FHIR", "")
    kafka, fhir, triton, redis = settings.kafka, settings.fhir, settings.triton, settings.redis
    source, image = settings.report.source, settings.image
    origins = ", ".join(image.url_origins_allowed)
    return [
        Preflight("card", lambda: iter([fit])),
        Preflight("kafka", lambda: kafka_preflight(kafka), kafka.bootstrap_servers, "TOCSIN_KAFKA__BOOTSTRAP_SERVERS"),
        Preflight("fhir", lambda: _record_preflight(settings, issuer), fhir.base_url, "TOCSIN_FHIR__BASE_URL"),
        Preflight(
            "image",
            lambda: pictures_preflight(_to_other_origins(settings, lambda: None), image),
            origins,
            "TOCSIN_IMAGE__URL_ORIGINS_ALLOWED",
        ),
        Preflight("triton", lambda: triton_preflight(triton, card, settings.model.card), triton.grpc_url, "TOCSIN_TRITON__GRPC_URL"),
        Preflight("redis", lambda: redis_preflight(redis), str(address(redis)), "TOCSIN_REDIS__URL"),
        Preflight("report", lambda: sources_preflight(FhirClient(fhir), source), fhir.base_url, "TOCSIN_FHIR__BASE_URL"),
    ]


def _record_preflight(settings: Settings, issuer: Issuer) -> Iterator[Check]:
    """Nothing more is asked of a server that does not answer."""
    fhir, others, answers = FhirClient(settings.fhir), _to_other_origins(settings, lambda: None), False
    contents = Contents(fhir, others, settings.image)
    for each in fhir_preflight(fhir, utc_now):
        answers = answers or each.passed is True
        yield each
    if answers:
        yield binary_check(contents)
        yield from report_preflight(fhir, issuer)
        yield from archive_preflight(fhir, archive_of(settings), Query(modality=modalities_wanted(settings)), utc_now())
    yield from named_pictures(contents, settings.image)


def acceptance(card: ModelCard, settings: ImageSettings) -> Acceptance:
    """What the card accepts, what the site calls so besides, and what it vouches for where a Media does not say."""
    vouched = settings.modality_when_absent
    return Acceptance(
        modalities=frozenset(
            [
                *(canonical(Coding(each.system, each.code)) for each in card.accepts.modalities),
                *map(coding_of, settings.modalities_also_accepted),
            ]
        ),
        refused=frozenset(canonical(Coding(each.system, each.code)) for each in card.accepts.refused),
        limits=card.accepts.quality,
        modality_when_absent=None if vouched is None else Coding(DICOM_MODALITY, vouched),
    )
