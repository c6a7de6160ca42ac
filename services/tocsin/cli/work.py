"""tocsin work: does the tasks that are long, scheduled or fanned out."""

from __future__ import annotations

from functools import partial
from typing import Final

from tocsin.bootstrap import work as bootstrap
from tocsin.bootstrap.card import card_in_use
from tocsin.bootstrap.telemetry import measured, told
from tocsin.settings import read_settings
from tocsin.telemetry.log import logger, set_up_logs
from tocsin.work.app import make_app
from tocsin.work.health import Pulse
from tocsin.work.process import run_worker

SERVICE: Final = "tocsin-work"


def work() -> None:
    """Do the tasks that `tocsin beat` and operators ask for, until stopped.

    Tasks: replay transient dead letters when their pause is over, compare the record with what was announced, and backfills. They
    come over Redis, which holds their names alone: everything they need stands in Kafka and the FHIR server. Redis away is waited for,
    and what it lost is asked for again by `tocsin beat`.

    Run one or more; they share the tasks. SIGTERM or Ctrl-C lets running tasks end within TOCSIN_WORK__DRAIN_TIMEOUT_S; one that
    is broken off is done again, by another worker after at most TOCSIN_WORK__VISIBILITY_TIMEOUT_S if this one was killed.

    On TOCSIN_METRICS__PORT it answers GET /live (200 while it gets on; 503 where a restart would help) and GET /ready (200 where Redis
    takes writes). On one machine each process needs a port of its own. GET /metrics there is for Prometheus.

    Example, with four tasks at the same time:

    TOCSIN_METRICS__PORT=9466 TOCSIN_WORK__PROCESSES=4 tocsin work

    Exit codes: 0 stopped on request; 70 Tocsin itself failed; 78 a setting or the model card is wrong.
    """
    settings = read_settings()
    set_up_logs(settings.log)
    app, pulse = make_app(settings, bootstrap.work(settings)), Pulse()
    card = card_in_use(settings.model)
    with (
        measured(settings, SERVICE, card) as metrics,
        bootstrap.work_health(settings, pulse, metrics, tuple(app.conf.task_queues)) as port,
    ):
        logger().info("working", workers=settings.work.processes, port=port)
        run_worker(app, settings.work, pulse, partial(told, settings, SERVICE, card))
