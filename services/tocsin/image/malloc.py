"""Keeps the memory of decoded pictures for the next ones, within a bound."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""Parameters of mallopt, from malloc.h of the GNU C library."""

KEPT_BYTES: Final = 128 * 1024 * 1024
KEPT_BLOCK_BYTES_BEFORE_2_35: Final = 32 * 1024 * 1024
"""The greatest M_MMAP_THRESHOLD that glibc takes before 2.35 (malloc.c: HEAP_MAX_SIZE / 2, with 8 bytes a long).

RHEL 8 and 9, Ubuntu 20.04 and Debian 11 have such a glibc. Blocks up to this size are kept: 11 megapixels of RGB.
"""


def keep_memory() -> None:
    """Has glibc keep up to KEPT_BYTES of freed memory, for all threads together; does nothing on another C library.

    Call it before the first thread starts. glibc would map each large picture anew, at about 1 us a page: measured, 1 to 3 ms of CPU an
    event. It would also keep what each thread has freed for that thread alone, though few of them hold pixels at the same time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        keep_by(mallopt)


def keep_by(mallopt: Callable[[int, int], int]) -> None:
    """Ask this mallopt, which answers 1 where it takes a value and 0 where it refuses one.

    M_TRIM_THRESHOLD also ends that glibc fits M_MMAP_THRESHOLD to what is freed, so it is left alone where no such threshold was taken:
    at the one that glibc starts with, 128 KiB, every picture would be mapped anew.
    """
    mallopt(M_ARENA_MAX, 1)
    if mallopt(M_MMAP_THRESHOLD, KEPT_BYTES) or mallopt(M_MMAP_THRESHOLD, KEPT_BLOCK_BYTES_BEFORE_2_35):
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
