"""Keeps the memory of decoded pictures instead of giving it back to the system for every event."""

from __future__ import annotations

import ctypes
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
"""Parameters of mallopt, from malloc.h of the GNU C library."""

KEPT_BYTES: Final = 1 << 30


def keep_memory() -> None:
    """Has glibc keep freed memory, up to KEPT_BYTES; does nothing on another C library.

    glibc would map each large picture anew, at about 1 us a page: measured, 1 to 3 ms of CPU an event. The bound on events in flight bounds
    what is kept.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
