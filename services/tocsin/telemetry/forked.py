"""Records what forked processes measure in the process that they were forked from, which alone is asked for metrics.

They write each measure into one pipe, without waiting. A write of up to PIPE_BUF bytes is never mixed with another, and one that does not
wait is taken whole or not at all (POSIX.1-2017, write): a process that is killed takes nothing with it.
"""

from __future__ import annotations

import fcntl
import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import orjson

from tocsin.telemetry.instruments import Labels, record_elsewhere
from tocsin.telemetry.metrics import MEASURES_DROPPED, record_told

ROOM_BYTES: Final = 1024 * 1024
"""Room for some thousands of measures: the most that Linux gives a pipe of an unprivileged user (fs.pipe-max-size)."""


class MeasuresPipe:
    """A pipe for measures, from the processes forked while it is open."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        with suppress(OSError):  # a host that allows less: the room is what the system gives
            fcntl.fcntl(self._writing, fcntl.F_SETPIPE_SZ, ROOM_BYTES)
        self._open = True
        self._dropped = 0

    def forked(self) -> None:
        """Tell instead of recording; to be called first of all in a forked process."""
        if self._open:
            record_elsewhere(self._tell)

    def _tell(self, name: str, value: float, labels: Labels) -> None:
        if self._dropped and self._written(MEASURES_DROPPED.name, self._dropped, {}):
            self._dropped = 0
        if not self._written(name, value, labels):
            self._dropped += 1

    def _written(self, name: str, value: float, labels: Labels) -> bool:
        line = orjson.dumps((name, value, labels), option=orjson.OPT_APPEND_NEWLINE)
        try:
            return len(line) <= select.PIPE_BUF and os.write(self._writing, line) == len(line)
        except OSError:  # full, or nobody is left who reads
            return False

    def hear(self) -> None:
        """Record what is told until no process is left that could tell."""
        with os.fdopen(self._reading, "rb") as lines:
            for line in lines:
                with suppress(Exception):  # the border of a thread
                    record_told(*orjson.loads(line))

    def close(self) -> None:
        """Close this process's own end for writing."""
        self._open = False
        os.close(self._writing)


@contextmanager
def hearing(wait_s: float) -> Iterator[None]:
    """Record what processes forked from this one measure until the block ends, and then what is left within `wait_s`."""
    pipe = MeasuresPipe()
    os.register_at_fork(after_in_child=pipe.forked)
    heard = threading.Thread(target=pipe.hear, name="measures", daemon=True)
    heard.start()
    try:
        yield
    finally:
        pipe.close()
        heard.join(wait_s)
