"""A standard error that never fails whoever writes to it: its disk may be full, its reader gone, or there may be none at all.

Python's own standard error keeps what it could not write, raises at every further line, and ends a healthy process with exit code 120.
"""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any, Final

STANDARD_ERROR: Final = 2
WRITABLE_WITHIN_S: Final = 1.0
"""Longest wait in seconds for the reader of a pipe that is set not to block."""


class _Raw(io.RawIOBase):
    """Writes what can be written, counts what cannot, and lets it go."""

    lost = 0
    """Line ends that did not get through; one may be missed where two threads write at once."""

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(STANDARD_ERROR)

    def fileno(self) -> int:
        return STANDARD_ERROR

    def write(self, content: Any) -> int:
        left = memoryview(content).cast("B")
        while left:
            try:
                left = left[os.write(STANDARD_ERROR, left) :]
            except BlockingIOError:
                if not select.select([], [STANDARD_ERROR], [], WRITABLE_WITHIN_S)[1]:
                    break
            except OSError:
                break
        self.lost += left.tobytes().count(b"\n")
        return len(content)


def lost_lines() -> int:
    """How many lines this process's standard error has not taken; 0 before `never_fails`.

    A number that is looked at, and no counter of OpenTelemetry's, which may itself write while it holds its lock.
    """
    raw = getattr(sys.stderr, "buffer", None)
    return raw.lost if isinstance(raw, _Raw) else 0


def never_fails() -> None:
    """Replace sys.stderr, so that no line to it can fail. To be called at the process's start, before anything is written.

    A line leaves together with its end: several processes may share one standard error, and none of them may write into another's line.
    """
    try:
        os.fstat(STANDARD_ERROR)
    except OSError:  # closed: the next file or connection would get its number, and with it the watchdog's last words
        _take_its_number()
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    sys.stderr = io.TextIOWrapper(_Raw(), encoding, errors="backslashreplace", newline="\n", line_buffering=True)


def _take_its_number() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if nowhere != STANDARD_ERROR:
        os.dup2(nowhere, STANDARD_ERROR)
        os.close(nowhere)
