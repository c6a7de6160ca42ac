"""The real parts for tests, started by the starters that `tocsin demo` uses."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from tocsin.errors import Stop
from tocsin.sandbox.artifacts import Part, cache_folder
from tocsin.sandbox.stack import jars_of
from tocsin.terminal import Silent

from tests.support.absent import absent
from tests.support.classes import keep_classes
from tests.support.waiting import eventually

NOOP_MODEL = Path(__file__).with_name("noop_model")
"""A model repository whose one model, noop, takes and gives what the reference model does and computes nothing."""
SHADE_MODEL = Path(__file__).with_name("shade_model")
"""Another, whose one model, shade, takes and gives the same and looks at the light alone: the lighter, the likelier malignant."""


class Running(Protocol):
    """A part that can be ended."""

    def stop(self) -> None:
        """Ends it."""


R = TypeVar("R", bound=Running)


@contextmanager
def running(start: Callable[[], R]) -> Iterator[R]:
    """The part while the block lasts. One that cannot start fails the test where CI=true and skips it elsewhere, with its reason."""
    try:
        part = start()
    except Stop as reason:
        absent(str(reason))
    try:
        yield part
    finally:
        part.stop()


class Leader(Protocol):
    """A process that leads a process group of its own."""

    @property
    def pid(self) -> int:
        """Of the process, and of its group."""


@contextmanager
def frozen(process: Leader) -> Iterator[None]:
    """It takes connections and says nothing, so that whoever asks it hangs."""
    os.killpg(process.pid, signal.SIGSTOP)
    try:
        eventually(lambda: _stands_still(process.pid), what="a stop of every thread")
        yield
    finally:
        os.killpg(process.pid, signal.SIGCONT)


def _stands_still(pid: int) -> bool:
    """Whether every thread has stopped: on a busy machine one may still answer after the signal was sent. proc(5), stat, field 3."""
    states = (stat.read_text().rpartition(") ")[2][0] for stat in Path(f"/proc/{pid}/task").glob("*/stat"))
    return set(states) == {"T"}


def cached_jars(part: Part) -> tuple[Path, ...]:
    """The part's jars from the cache that the demo uses, fetched when absent, with its classes beside them, which halve each start."""
    jars = jars_of(part, cache_folder(os.environ), Silent(), threading.Event())
    keep_classes(part, jars)
    return jars
