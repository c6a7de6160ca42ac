"""Standard errors that cannot be written to."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

Lost = Callable[[], IO[bytes]]


def full_disk() -> IO[bytes]:
    """As on a disk that has no room."""
    return Path("/dev/full").open("wb", buffering=0)


def reader_gone() -> IO[bytes]:
    """A pipe whose reader has ended."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "wb", buffering=0)


CLOSED: Final = 'exec 2>&-; exec "$@"'
"""A shell's way to start a program without a standard error."""

LOST: Final[Mapping[str, Lost | None]] = {"a-full-disk": full_disk, "a-reader-that-is-gone": reader_gone, "none-at-all": None}


def start(command: Sequence[str], lost: str, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A process with that standard error."""
    made = LOST[lost]
    if made is None:
        return subprocess.Popen(["sh", "-c", CLOSED, "sh", *command], env=dict(env), stdout=subprocess.DEVNULL)
    with made() as stderr:
        return subprocess.Popen(command, env=dict(env), stderr=stderr, stdout=subprocess.DEVNULL)
