"""Runs Celery's worker and scheduler as processes of Tocsin, with Tocsin's logs, signals and bounds."""

from __future__ import annotations

import errno
import signal
import tempfile
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from types import FrameType
from typing import Any, Final

from billiard import Lock  # type: ignore[import-untyped] # billiard ships no types
from billiard.util import get_logger  # type: ignore[import-untyped] # billiard ships no types
from celery import Celery, bootsteps, signals
from celery.beat import Service
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning

from tocsin.errors import Broken, ConfigurationError
from tocsin.settings import WorkSettings
from tocsin.work.health import Pulse
from tocsin.work.patches import STOPPING, BoundedWorker, tasks_taken, tasks_under_way
from tocsin.work.schedule import RememberingScheduler, Scheduler, times_not_kept

SCHEDULE_FILE: Final = "schedule"
SHARED_MEMORY: Final = Path("/dev/shm")
STATE_BYTES: Final = 64 * 1024
"""Room for the schedule file: more than any of Python's database files takes for a handful of times."""
FULL: Final = (errno.ENOSPC, errno.EDQUOT)
TURN_S: Final = 2.0
"""Seconds between two pulses of a loop."""


Watched = Callable[[], AbstractContextManager[None]]
"""Sends what a process says of itself until the block ends."""


def run_worker(app: Celery, settings: WorkSettings, pulse: Pulse, watched: Watched) -> None:
    """Do tasks until SIGTERM or SIGINT; wait without end for a Redis that is away. Raises Broken and ConfigurationError.

    Tasks run in processes of their own, in each of which `watched` is entered: what sends must not be shared over a fork.
    """
    _keep_logs()
    _watch_each(watched)
    _use_shared_memory()
    app.steps["consumer"].add(_giving(pulse, settings.processes))
    warnings.filterwarnings("ignore", category=SecurityWarning)  # that a worker run by root reads pickles, which are not accepted here
    worker = BoundedWorker(app=app, quiet=True, loglevel="WARNING", without_mingle=True, without_gossip=True, without_heartbeat=True)
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)  # Celery's next version cancels tasks when Redis goes
    worker.drain_timeout_s = settings.drain_timeout_s
    worker.start()
    signal.setitimer(signal.ITIMER_REAL, 0)
    if worker.exitcode:
        raise Broken(
            f"Celery's worker ended with exit code {worker.exitcode}; the lines above say why, and its running tasks are done again. "
            "Start `tocsin work` again"
        )


def _watch_each(watched: Watched) -> None:
    watching = ExitStack()
    signals.worker_process_init.connect(lambda **_said: watching.enter_context(watched()), weak=False)
    signals.worker_process_shutdown.connect(lambda **_said: watching.close(), weak=False)


def _giving(pulse: Pulse, processes: int) -> type[bootsteps.StartStopStep]:
    """The part of Celery's worker that gives its loop's pulse."""

    class Giving(bootsteps.StartStopStep):  # type: ignore[misc] # celery ships no types
        entry: Any = None

        def start(self, consumer: Any) -> None:
            self.entry = consumer.timer.call_repeatedly(TURN_S, self._turned)

        def stop(self, _consumer: Any) -> None:
            if self.entry is not None:  # Celery calls it also where Redis went away before the step was started
                self.entry.cancel()

        def _turned(self) -> None:
            pulse.turned(taken=tasks_taken(), busy=tasks_under_way() >= processes)

    return Giving


def run_beat(app: Celery, settings: WorkSettings, pulse: Pulse) -> None:
    """Send tasks at their times until SIGTERM or SIGINT; wait without end for a Redis that is away. Raises ConfigurationError."""
    _keep_logs()
    scheduler, options = Scheduler, {}
    if settings.state_folder is not None and _has_room(settings.state_folder):
        scheduler, options = RememberingScheduler, {"schedule_filename": str(settings.state_folder / SCHEDULE_FILE)}
    made = partial(scheduler, waiting_max=settings.waiting_max, pulse=pulse)
    service = Service(app, max_interval=TURN_S, scheduler_cls=made, remote_control=False, **options)
    for number in STOPPING:
        signal.signal(number, partial(_leave, service))
    service.start()


def _leave(service: Service, _number: int, _frame: FrameType | None) -> None:
    service.stop()  # its loop looks at this, should Python drop what is raised here
    raise SystemExit(0)  # ends a wait at once, and the service in good order


def _has_room(folder: Path) -> bool:
    """Whether the folder has room for the times of sent tasks; False on a full disk, which ends by itself. Raises ConfigurationError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as probe:
            probe.write(bytes(STATE_BYTES))
            probe.flush()
    except OSError as error:
        if error.errno in FULL:
            times_not_kept(error)
            return False
        raise ConfigurationError(f"TOCSIN_WORK__STATE_FOLDER {folder}: {error.strerror}: name a folder that can be written") from None
    return True


def _use_shared_memory() -> None:
    """Make SHARED_MEMORY the only file system that a worker has to write. Raises ConfigurationError where it cannot be written.

    The processes of a pool share their locks there. Their shared counter lies in a temporary file, or there too if no folder takes one.
    """
    try:
        with TemporaryFile(dir=SHARED_MEMORY):
            pass
        Lock()
    except OSError as error:
        raise ConfigurationError(
            f"{SHARED_MEMORY}: {error.strerror}: `tocsin work` shares locks among its processes there; mount a file system in memory "
            "(in Kubernetes an emptyDir of medium Memory, unless the container has it already)"
        ) from None
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        tempfile.tempdir = str(SHARED_MEMORY)


def _keep_logs() -> None:
    """Keep Tocsin's logging: Celery sets up none of its own where something listens to this signal."""
    signals.setup_logging.connect(_kept)


def _kept(**_settings: object) -> None:
    """Has what billiard says of its processes written as others' lines are: its logger, which Celery has just reset, reaches no handler."""
    get_logger().propagate = True
