"""tocsin beat: sends `tocsin work` its tasks at their times."""

from __future__ import annotations

from typing import Any

from tocsin.bootstrap import work as bootstrap
from tocsin.bootstrap.telemetry import observed
from tocsin.settings import read_settings
from tocsin.telemetry.log import logger, set_up_logs
from tocsin.work.app import client
from tocsin.work.health import Pulse
from tocsin.work.process import run_beat


def beat() -> None:
    """Ask `tocsin work` for what is to be done regularly, until stopped.

    Every TOCSIN_WORK__REDRIVE_EVERY_S: replay transient dead letters. Every TOCSIN_WORK__RECONCILE_EVERY_S: compare the record with
    what was announced. Every TOCSIN_WORK__RESUME_EVERY_S: go on with backfills. Redis away is waited for; what could not be sent
    is not made up for, as the next of its kind does all there is to do.

    Run one. A second does no harm, and no good. It keeps the times at which it sent what in TOCSIN_WORK__STATE_FOLDER, or forgets
    them at its end, which costs at most one interval.

    On TOCSIN_METRICS__PORT it answers GET /live (200 while it gets on; 503 where a restart would help) and GET /ready (200 where Redis
    takes writes). On one machine each process needs a port of its own. GET /metrics there is for Prometheus.

    Example, comparing record and bus every 10 minutes:

    TOCSIN_METRICS__PORT=9467 TOCSIN_WORK__RECONCILE_EVERY_S=600 tocsin beat

    Exit codes: 0 stopped on request; 78 a setting is wrong.
    """
    settings = read_settings()
    set_up_logs(settings.log)
    app, pulse = client(settings, bootstrap.tasks(settings)), Pulse()
    bootstrap.watch_ticks(pulse)
    with observed(settings, "tocsin-beat") as metrics, bootstrap.work_health(settings, pulse, metrics) as port:
        logger().info("scheduling", detail=_told(app.conf.beat_schedule), port=port)
        run_beat(app, settings.work, pulse)


def _told(entries: dict[str, dict[str, Any]]) -> str:
    return ", ".join(f"{name} every {entry['schedule']:g} s" for name, entry in entries.items())
