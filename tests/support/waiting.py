"""Wait for the thing itself, with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def eventually(holds: Callable[[], bool], *, within_s: float = 10.0, what: str = "it") -> None:
    """Return as soon as `holds()`; AssertionError after `within_s` seconds."""
    assert comes_to_hold(holds, within_s=within_s), f"{what} did not come to hold within {within_s} s"


def comes_to_hold(holds: Callable[[], bool], *, within_s: float) -> bool:
    """Whether `holds()` within that many seconds; returns as soon as it does."""
    deadline = time.monotonic() + within_s
    pause = threading.Event()
    while not holds():
        if time.monotonic() >= deadline:
            return False
        pause.wait(0.01)
    return True
