"""Wait for the thing itself, with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def eventually(holds: Callable[[], bool], *, within_s: float = 10.0, what: str = "it") -> None:
    """Return as soon as `holds()`; AssertionError after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not come to hold within {within_s} s"
        pause.wait(0.01)
