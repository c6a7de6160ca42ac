"""A file by which processes keep out of each other's way; one that ends lets go of it."""

from __future__ import annotations

import fcntl
from typing import TextIO


def held(lock: TextIO) -> bool:
    """Whether this process holds the file by now; False, at once, where another one does."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
