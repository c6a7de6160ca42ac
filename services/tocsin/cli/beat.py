"""tocsin beat: the clock of `tocsin work`."""

from __future__ import annotations

from tocsin.settings import read_settings
from tocsin.telemetry.log import set_up_logs
from tocsin.telemetry.trace import set_up_traces
from tocsin.worker.app import client
from tocsin.worker.running import run_beat


def beat() -> None:
    """Ask `tocsin work` for what is to be done regularly, until stopped.

    Every TOCSIN_WORK__REDRIVE_EVERY_S: replay transient dead letters. Every TOCSIN_WORK__RECONCILE_EVERY_S: compare the record with
    what was announced. Every TOCSIN_WORK__RESUME_EVERY_S: go on with backfills. Redis away is waited for; what could not be sent
    is not made up for, as the next of its kind does all there is to do.

    Run one. A second does no harm, and no good. It keeps the times at which it sent what in TOCSIN_WORK__STATE_FOLDER, or forgets
    them at its end, which costs at most one interval.

    Exit codes: 0 stopped on request; 78 a setting is wrong.
    """
    settings = read_settings()
    set_up_logs(settings.log)
    set_up_traces("tocsin-beat")
    run_beat(client(settings), settings.work)
