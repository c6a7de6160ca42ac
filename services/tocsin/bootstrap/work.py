"""Composes what `tocsin work` and `tocsin beat` run, their health pages, and what the commands over the record need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Final

from tocsin.archive.backfill.backfiller import Backfiller, Backfills, modalities
from tocsin.archive.fhir import FhirArchive
from tocsin.archive.ports import Archive, Enqueue
from tocsin.archive.reconcile.reconciler import Reconciler
from tocsin.archive.types import Query
from tocsin.bootstrap.card import card_in_use
from tocsin.bootstrap.review import pathology, retry
from tocsin.bootstrap.worklist import channels_of, notify, overdue, renew, update_tasks
from tocsin.clock import utc_now
from tocsin.deadletter.disputes import open_disputes
from tocsin.deadletter.redrive import redrive
from tocsin.fhir.client import FhirClient
from tocsin.image.gate import acceptance
from tocsin.kafka.group import KafkaGroup
from tocsin.kafka.reader import KafkaTopicReader
from tocsin.kafka.sink import KafkaSink
from tocsin.settings import Settings
from tocsin.telemetry.health_server import App, serving
from tocsin.telemetry.metrics import QUEUE_DEPTH, TICK_AGE
from tocsin.telemetry.pings import Pings, watch_reached
from tocsin.work.app import client
from tocsin.work.health import Pulse, RedisPing, moment
from tocsin.work.health import pages as work_pages
from tocsin.work.tasks import Message, Task, send

SCHEDULE_QUEUE: Final = "tocsin.schedule"
BACKFILL_QUEUE: Final = "tocsin.backfill"

BACKFILL_STEP: Final = "backfill_step"


def tasks(settings: Settings) -> tuple[Task, ...]:
    """Every task: when beat sends it, where it waits and what a worker does. Reaches out to nobody yet.

    A worker empties the first task's queue before it looks into the next queue.
    """
    often, of_list = settings.work, settings.worklist
    told_s = settings.notify.every_s if channels_of(settings.notify) else None
    return (
        Task("redrive", SCHEDULE_QUEUE, partial(_redrive, settings), every_s=often.redrive_every_s),
        Task("verdicts", SCHEDULE_QUEUE, partial(_verdicts, settings), every_s=settings.verdicts.retry_every_s),
        Task("notify", SCHEDULE_QUEUE, partial(notify, settings), every_s=told_s),
        Task(
            "ehr_tasks", SCHEDULE_QUEUE, partial(update_tasks, settings), every_s=of_list.ehr_tasks_every_s if of_list.ehr_tasks else None
        ),
        Task("renew_flags", SCHEDULE_QUEUE, partial(_renew, settings), every_s=of_list.renew_every_s),
        Task("reconcile", SCHEDULE_QUEUE, partial(_reconcile, settings), every_s=often.reconcile_every_s),
        Task("outcomes", SCHEDULE_QUEUE, partial(_outcomes, settings), every_s=settings.verdicts.outcome_every_s),
        Task("watch", SCHEDULE_QUEUE, partial(_watch, settings), every_s=settings.watch.every_s),
        Task(
            "report_month",
            SCHEDULE_QUEUE,
            partial(_report_month, settings),
            every_s=None if settings.watch.report_folder is None else settings.watch.report_every_s,
        ),
        Task("resume_backfills", SCHEDULE_QUEUE, partial(_overdue, settings), every_s=often.resume_every_s, then=_first_steps),
        Task(BACKFILL_STEP, BACKFILL_QUEUE, partial(_step, settings), then=_next_step),
    )


def work(settings: Settings) -> tuple[Task, ...]:
    """The tasks, for the process that does them. Raises ConfigurationError where one could not be done; reaches out to nobody yet."""
    modalities_wanted(settings)
    overdue(settings, card_in_use(settings.model))
    return tasks(settings)


def _redrive(settings: Settings) -> None:
    with closing(KafkaTopicReader(settings.kafka)) as reader, closing(KafkaSink(settings.kafka)) as sink:
        redrive(reader, sink, settings, utc_now)


def _verdicts(settings: Settings) -> None:
    with retry(settings) as open_verdicts:
        open_verdicts.run(utc_now())


def _renew(settings: Settings) -> None:
    renew(settings, archive_of(settings))


def _outcomes(settings: Settings) -> None:
    with pathology(settings, archive_of(settings)) as laboratory:
        laboratory.find(utc_now())


def _watch(settings: Settings) -> None:
    from tocsin.bootstrap.watch import watch  # numpy and scipy, which nothing else needs that imports this module

    watch(settings, utc_now())


def _report_month(settings: Settings) -> None:
    from tocsin.bootstrap.monthly import report_month  # the same, and what draws the report

    report_month(settings, utc_now())


def _reconcile(settings: Settings) -> None:
    with reconciler(settings) as found:
        found.reconcile(utc_now())


def _step(settings: Settings, backfill: str) -> float | None:
    with backfiller(settings) as taken_on:
        return taken_on.step(backfill)


def _overdue(settings: Settings) -> list[str]:
    with backfiller(settings) as taken_on:
        return taken_on.overdue()


def _first_steps(backfills: Iterable[str]) -> list[Message]:
    return [Message(BACKFILL_STEP, (each,)) for each in backfills]


def _next_step(pause_s: float | None, backfill: str) -> list[Message]:
    return [] if pause_s is None else [Message(BACKFILL_STEP, (backfill,), pause_s)]


@contextmanager
def work_health(settings: Settings, pulse: Pulse, metrics: App, queues: Sequence[str] = ()) -> Iterator[int]:
    """Say over HTTP how a process of `tocsin work` or `tocsin beat` is; gives the port.

    The process's loop gives `pulse`, and it takes tasks from `queues`. Raises ConfigurationError.
    """
    ping = RedisPing(settings.redis, queues)
    pings = Pings([ping], settings.metrics.ping_every_s)
    watch_reached(pings)
    QUEUE_DEPTH.watch(lambda: [(depth, {"queue": queue}) for queue, depth in ping.depths.items()])
    answers = work_pages(lambda: moment(pulse, ping, pings.reaches()[ping.neighbour]), settings.work.silence_max_s)
    with serving(settings.metrics, answers, metrics) as port, pings.asking():
        yield port


def watch_ticks(pulse: Pulse) -> None:
    """Say, as a metric, how long ago the scheduler last went round."""
    TICK_AGE.watch(lambda: [(pulse.turned_ago_s, {})])


def enqueue(settings: Settings) -> Enqueue:
    """The Enqueue port, which has a worker take a backfill's step soon. Raises ConfigurationError; reaches out to nobody yet."""
    app = client(settings, tasks(settings))

    def step(backfill: str, pause_s: float = 0.0) -> None:
        send(app, Message(BACKFILL_STEP, (backfill,), pause_s))

    return step


@contextmanager
def backfiller(settings: Settings) -> Iterator[Backfiller]:
    """The Backfiller, which runs backfills. Raises Unavailable(kafka) if no broker answers in time."""
    kafka, archive = settings.kafka, archive_of(settings)
    with closing(KafkaTopicReader(kafka)) as reader, closing(KafkaSink(kafka)) as sink, closing(KafkaGroup(kafka)) as group:
        backfills, disputed = Backfills(reader, sink, kafka.topic_backfills), partial(open_disputes, reader, kafka)
        yield Backfiller(backfills, archive, sink, group, kafka.topic_backfill, settings.backfill, utc_now, disputed)


@contextmanager
def reconciler(settings: Settings) -> Iterator[Reconciler]:
    """The Reconciler of record and bus. Raises ConfigurationError, and Unavailable(kafka) if no broker answers in time."""
    kafka, archive, query = settings.kafka, archive_of(settings), Query(modality=modalities_wanted(settings))
    with closing(KafkaTopicReader(kafka)) as reader, closing(KafkaSink(kafka)) as sink, closing(KafkaGroup(kafka)) as group:
        yield Reconciler(archive, reader, sink, group, kafka, query, settings.report.source, settings.reconcile)


def archive_of(settings: Settings) -> Archive:
    """The archive of pictures and reports that the record holds. Reaches out to nobody yet."""
    return FhirArchive(FhirClient(settings.fhir), settings.report.source, settings.backfill, utc_now)


def modalities_wanted(settings: Settings) -> tuple[str, ...]:
    """The modalities that backfill and reconciliation look for, unless they are told others. Raises ConfigurationError."""
    return modalities(acceptance(card_in_use(settings.model), settings.image), settings.backfill.modality)
