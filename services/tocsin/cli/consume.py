"""tocsin consume: judges imaging events; the service itself."""

from __future__ import annotations

import gc
import threading
from typing import Annotated

import typer

from tocsin.bootstrap.telemetry import observed
from tocsin.model_card import read_card
from tocsin.settings import Settings, read_settings
from tocsin.stopping import stopped_by_signals
from tocsin.telemetry.log import logger, set_up_logs

Processes = Annotated[
    int,
    typer.Option(
        "--processes",
        metavar="N",
        min=1,
        max=64,
        help="Run so many consumers on this machine, with one health page, one page of metrics and one end for all of them.",
    ),
]


def consume(processes: Processes = 1) -> None:
    """Judge imaging events until stopped: event -> image -> inference -> risk -> report.

    Run as many as the imaging topic has partitions, at most one for each core; they share the work. With --processes one command runs
    several: one that dies is started again, TOCSIN_CONSUME__RESTARTS_MAX times, and all end together.

    SIGTERM or Ctrl-C lets running journeys end within
    TOCSIN_CONSUME__DRAIN_TIMEOUT_S and commits what has ended; everything else keeps its place on the bus. By default the process
    is gone within 25 seconds: 5 for a rebalance under way, 10 to drain, 5 to commit and 5 to leave the bus.

    On TOCSIN_METRICS__PORT it answers GET /live (200 while it gets on; 503 where a restart would help) and GET /ready (200 where every
    neighbour answers or is waited for). A loop or a journey that is stuck ends the process, so run it under a supervisor that restarts it.
    GET /metrics there is for Prometheus; of several processes each series says by the label `process` whose it is. Two commands on one
    machine need a port each.

    Example, beside another command on the same machine, on two cores:

    TOCSIN_METRICS__PORT=9465 tocsin consume --processes 2

    Exit codes: 0 stopped on request; 1 no thread got the processor for too long; 70 Tocsin itself failed, or was stuck; 75 a neighbour
    was away for too long; 76 a neighbour is not what the settings say; 78 a setting or the model card is wrong.
    """
    settings = read_settings()
    set_up_logs(settings.log)
    stopping = stopped_by_signals()
    if processes > 1:
        raise typer.Exit(_several(settings, processes, stopping))
    _one(settings, stopping)


def _several(settings: Settings, processes: int, stopping: threading.Event) -> int:
    from tocsin.bootstrap import fleet  # whoever watches several consumers needs none of what they import

    return fleet.run(settings, processes, stopping)


def _one(settings: Settings, stopping: threading.Event) -> None:
    gc.disable()  # to look through what is imported again and again takes a fifth of the start
    from tocsin.bootstrap import consume as bootstrap  # takes a second, and 100 MB
    from tocsin.image.malloc import keep_memory

    gc.enable()
    keep_memory()
    if not bootstrap.await_bus(settings, stopping):
        return
    card, ends = read_card(settings.model.card), bootstrap.log_ends(settings)
    with (
        observed(settings, "tocsin-consume", card) as metrics,
        bootstrap.neighbours(settings, card, ends) as pings,
        bootstrap.consumer(settings, card, ends) as consumer,
        bootstrap.health(settings, consumer.progress, pings, metrics) as port,
    ):
        kafka, workers = settings.kafka, settings.consume.workers
        logger().info("consuming", topic=kafka.topic_imaging, group=kafka.group_id, workers=workers, port=port)
        consumer.run(stopping)
