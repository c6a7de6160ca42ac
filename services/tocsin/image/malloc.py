"""Keeps the memory of decoded pictures for the next ones, within a bound."""

from __future__ import annotations

import ctypes
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""Parameters of mallopt, from malloc.h of the GNU C library."""

KEPT_BYTES: Final = 128 * 1024 * 1024


def keep_memory() -> None:
    """Has glibc keep up to KEPT_BYTES of freed memory, for all threads together; does nothing on another C library.

    Call it before the first thread starts. glibc would map each large picture anew, at about 1 us a page: measured, 1 to 3 ms of CPU an
    event. It would also keep what each thread has freed for that thread alone, though few of them hold pixels at the same time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
