"""How a process hears that it is to end."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def stopped_by_signals() -> threading.Event:
    """The event that SIGTERM or Ctrl-C sets from now on. Call it once, from the main thread.

    A handler runs between two steps of the main thread, which may hold the event's lock at that moment: it would wait for it for ever. So
    Python's own handler, in C, writes the signal's number into a pipe, and a thread that reads there sets the event.
    """
    stopped, (reading, writing) = threading.Event(), os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in SIGNALS:
        signal.signal(number, _heard)
    threading.Thread(target=_await, args=(reading, stopped), name="signals", daemon=True).start()
    return stopped


def _heard(_number: int, _frame: FrameType | None) -> None:
    """Has Python not end the process; the pipe has the number already."""


def _await(reading: int, stopped: threading.Event) -> None:
    while not stopped.is_set():
        if set(SIGNALS).intersection(os.read(reading, 16)):
            stopped.set()
