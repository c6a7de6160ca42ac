"""Celery's worker and scheduler as processes of Tocsin: its logs, its signals, its bounds."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from types import FrameType
from typing import Any, Final

from celery import Celery, signals
from celery.apps.worker import Worker
from celery.beat import Service
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from celery.worker import state

from tocsin.errors import Broken, ConfigurationError
from tocsin.settings import WorkSettings
from tocsin.telemetry.log import logger
from tocsin.worker.schedule import Scheduler

STOPPING: Final = (signal.SIGTERM, signal.SIGINT)
SCHEDULE_FILE: Final = "schedule"


class _Worker(Worker):  # type: ignore[misc] # celery ships no types
    """Celery's, whose shutdown has a bound: it would wait for a task for as long as that takes."""

    drain_timeout_s: float

    def install_platform_tweaks(self, worker: Any) -> None:
        """Instead of Celery's signal handlers, which write to standard output and open debuggers."""
        for number in STOPPING:
            signal.signal(number, self._stop)
        signal.signal(signal.SIGALRM, self._break_off)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        state.should_stop = 0  # Celery's loop looks at it
        signal.setitimer(signal.ITIMER_REAL, self.drain_timeout_s)

    def _break_off(self, _number: int, _frame: FrameType | None) -> None:
        if self.consumer is not None:
            self.consumer.cancel_active_requests()  # their messages go back to Redis


def run_worker(app: Celery, settings: WorkSettings) -> None:
    """Do tasks until SIGTERM or SIGINT. Redis away is waited for, without end. Raises Broken."""
    _keep_logs()
    warnings.filterwarnings("ignore", category=SecurityWarning)  # that root reads pickles, which are not accepted here
    worker = _Worker(app=app, quiet=True, loglevel="WARNING", without_mingle=True, without_gossip=True, without_heartbeat=True)
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)  # Celery's next version cancels tasks when Redis goes
    worker.drain_timeout_s = settings.drain_timeout_s
    logger().info("working", workers=settings.processes)
    worker.start()
    signal.setitimer(signal.ITIMER_REAL, 0)
    if worker.exitcode:
        raise Broken(f"Celery's worker ended by itself ({worker.exitcode}); its log says why, and tasks under way are done again")


def run_beat(app: Celery, settings: WorkSettings) -> None:
    """Send tasks at their times until SIGTERM or SIGINT. Redis away is waited for, without end. Raises ConfigurationError."""
    _keep_logs()
    for number in STOPPING:
        signal.signal(number, _leave)
    with _folder(settings.state_folder) as folder:
        scheduler = partial(Scheduler, waiting_max=settings.waiting_max)
        service = Service(app, schedule_filename=str(folder / SCHEDULE_FILE), scheduler_cls=scheduler, remote_control=False)
        logger().info("scheduling", detail=_told(app.conf.beat_schedule))
        service.start()


def _told(entries: dict[str, dict[str, Any]]) -> str:
    return ", ".join(f"{name} every {entry['schedule']:g} s" for name, entry in entries.items())


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)  # ends Celery's service in good order


@contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    if wanted is None:
        with TemporaryDirectory(prefix="tocsin-beat-") as name:
            yield Path(name)
        return
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=wanted):
            pass
    except OSError as error:
        raise ConfigurationError(f"TOCSIN_WORK__STATE_FOLDER {wanted}: {error.strerror}: name a folder that can be written") from None
    yield wanted


def _keep_logs() -> None:
    """Celery sets up no logging where somebody else says that he did."""
    signals.setup_logging.connect(_kept)


def _kept(**_settings: object) -> None:
    """Nothing to do: telemetry/log.py has."""
