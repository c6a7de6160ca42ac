"""Composes what `tocsin consume` runs: the consumer, its pings and its health pages."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from typing import get_args

from tocsin.archive.reconcile.checkpoint import ask
from tocsin.bootstrap.journey import journey
from tocsin.clock import utc_now
from tocsin.consume.consumer import Consumer
from tocsin.consume.flow.scheduler import Topics
from tocsin.consume.gauges import watch
from tocsin.consume.handler import Handler
from tocsin.consume.liveness.deadlines import deadlines_of, too_low
from tocsin.consume.liveness.health import bus_answers_for_s, pages
from tocsin.consume.liveness.progress import Progress
from tocsin.consume.liveness.watchdog import watching
from tocsin.deadletter.refused_before import Refusals
from tocsin.errors import ContractError
from tocsin.fhir.client import FhirClient
from tocsin.fhir.ping import FhirPing
from tocsin.image.loops.choice import chosen
from tocsin.image.types import ObstacleCode
from tocsin.inference.ping import TritonPing
from tocsin.kafka import reach as kafka_reach
from tocsin.kafka.missing_events import Missing, say_missing
from tocsin.kafka.ping import KafkaPing, LogEnds
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.sink import KafkaSink
from tocsin.kafka.source import KafkaSource
from tocsin.model_card import ModelCard
from tocsin.settings import Settings
from tocsin.site.file import site_of
from tocsin.telemetry.health_server import App, serving
from tocsin.telemetry.log import logger
from tocsin.telemetry.metrics import INFO, TRITON_REQUESTS, TRITON_TIME
from tocsin.telemetry.pings import Ping, Pings, watch_reached


def await_bus(settings: Settings, stopping: threading.Event) -> bool:
    """Wait until a broker answers; False once `stopping` is set. Raises Unavailable(kafka) and ContractError, saying why none does."""
    return kafka_reach.await_bus(settings.kafka, stopping)


@contextmanager
def consumer(settings: Settings, card: ModelCard, ends: LogEnds) -> Iterator[Consumer]:
    """The consumer that `tocsin consume` runs, whose metrics count by `ends` what is not taken in.

    Raises ConfigurationError, and Unavailable(kafka) if no broker answers in time.
    """
    source = KafkaSource(settings.kafka, _missing(settings))
    progress = Progress(time.monotonic, source.stalled)
    sink, letters = KafkaSink(settings.kafka, progress.heard), settings.kafka.topic_dead_letters
    try:
        made = Consumer(
            source,
            Topics(settings.kafka.topic_imaging, settings.kafka.topic_backfill),
            Handler(
                journey(settings, card, sink, progress.heard),
                sink,
                settings.kafka.topic_dead_letters,
                is_member=source.is_member,
                refused_before=Refusals(
                    lambda: closing(KafkaTopicReader(settings.kafka, progress.heard)),
                    letters,
                    heard=progress.heard,
                    now=utc_now,
                ),
                letter_bytes_max=settings.kafka.send_bytes_max,
                now=utc_now,
                group=settings.kafka.group_id,
                producer=settings.traces.producer,
            ),
            settings.consume,
            progress,
            poll_wait_s=settings.kafka.poll_wait_ms / 1000,
            clock=time.monotonic,
            jitter=random.random,
            codes=frozenset(band.code for band in card.operating_point.bands) | frozenset(get_args(ObstacleCode)),
            log_ends=lambda: ends.known,
        )
        logger().info("loops over pixels", detail=chosen().said)
        watch(progress, lambda: made.backlog.view, time.time)
        running = _what_runs(settings, card)
        INFO.watch(lambda: [(1, running)])
        yield made
    finally:
        sink.close()


def _missing(settings: Settings) -> Callable[[Missing], None]:
    def missing(events: Missing) -> None:
        now, asked = utc_now(), True
        try:
            with closing(KafkaSink(settings.kafka)) as sink:
                ask(sink, settings.kafka.topic_backfills, now - timedelta(seconds=settings.reconcile.catch_up_s), now)
        except ContractError:  # a missing right to ask keeps nobody from judging what is there
            asked = False
        say_missing(events, asked=asked)

    return missing


@contextmanager
def neighbours(settings: Settings, card: ModelCard, ends: LogEnds) -> Iterator[Pings]:
    """Ask each neighbour of a consumer again and again, and log which is away and which is back; keep `ends` up to date.

    Raises ConfigurationError.
    """
    triton = TritonPing(settings.triton, card)
    asked: list[Ping] = [KafkaPing(settings.kafka, ends), FhirPing(FhirClient(settings.fhir)), triton]
    TRITON_TIME.watch(lambda: [(spent_s, {"phase": phase}) for phase, spent_s in triton.statistics.time_s.items()])
    TRITON_REQUESTS.watch(lambda: [(count, {"result": result}) for result, count in triton.statistics.requests.items()])
    pings = Pings(asked, settings.metrics.ping_every_s, partial(_say_reached, _addresses(settings)))
    watch_reached(pings)
    with pings.asking():
        yield pings


def log_ends(settings: Settings) -> LogEnds:
    """The ends of the logs that events stand on; `neighbours` keeps them up to date."""
    return LogEnds((settings.kafka.topic_imaging, settings.kafka.topic_backfill))


def _what_runs(settings: Settings, card: ModelCard) -> dict[str, str]:
    site = site_of(card)
    return {
        "version": version("tocsin"),
        "card_sha256": hashlib.sha256(settings.model.card.read_bytes()).hexdigest(),
        "site_file": "" if site is None else str(site),
        "edition": str(settings.report.edition),
    }


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
        advice = "Events keep their places until the neighbour answers; `tocsin check` looks closer."
        logger().warning("a neighbour does not answer", neighbour=neighbour, detail=f"{addresses[neighbour]}: {detail}", advice=advice)


@contextmanager
def health(settings: Settings, progress: Progress, pings: Pings, metrics: App) -> Iterator[int]:
    """Say over HTTP how this consumer is, and end the process where the consumer is stuck; gives the port. Raises ConfigurationError."""
    deadlines = deadlines_of(settings)
    for sentence in too_low(settings):
        logger().warning(
            "settings: a deadline is shorter than a slow neighbour may take, so that a healthy process may be ended",
            detail=sentence,
            advice="Raise the setting that the detail names, or leave it unset.",
        )
    answers = pages(lambda: (progress.snapshot(), pings.reaches()), deadlines)
    with (
        serving(settings.metrics, answers, metrics) as port,
        watching(progress, deadlines, lambda: bus_answers_for_s(pings.reaches())),
    ):
        yield port
