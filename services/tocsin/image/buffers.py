"""Memory for pixels that serves one picture after the other, so that it is neither mapped anew nor scattered for each."""

from __future__ import annotations

import mmap
import weakref
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

Buffer = npt.NDArray[np.uint8]
Lend = Callable[[int], Buffer]
"""Gives at least so many bytes, with anything in them. Raises MemoryError."""

KEPT_BYTES_MAX: Final = 50_000_000
"""Largest buffer that is kept: 16 megapixels. A larger one is given back to the system after its picture."""


class Buffers:
    """Buffers that are lent for as long as anybody holds them or an array that looks into them. Safe for threads.

    As many are kept as were held at the same time.
    """

    def __init__(self, kept_bytes_max: int = KEPT_BYTES_MAX) -> None:
        """A buffer larger than `kept_bytes_max` is not kept."""
        self._kept_bytes_max = kept_bytes_max
        self._free: deque[mmap.mmap] = deque()  # its methods are atomic: a buffer may come back in the middle of anything, a lend included

    @property
    def kept_bytes(self) -> int:
        """Bytes that wait for the next picture."""
        return sum(map(len, tuple(self._free)))

    def lend(self, size: int) -> Buffer:
        """See Lend. The bytes come back by themselves once nobody refers to them."""
        memory = self._fitting(size) or _mapped(size)
        lent: Buffer = np.ndarray(len(memory), np.uint8, memory)
        if len(memory) <= self._kept_bytes_max:
            weakref.finalize(lent, self._free.append, memory).atexit = False
        return lent

    def _fitting(self, size: int) -> mmap.mmap | None:
        """The buffer that came back last; one that is too small is dropped, so that a larger one takes its place."""
        try:
            memory = self._free.pop()
        except IndexError:
            return None
        return memory if len(memory) >= size else None


def fresh(size: int) -> Buffer:
    """See Lend. Memory that serves one picture alone."""
    return np.empty(size, np.uint8)


def _mapped(size: int) -> mmap.mmap:
    try:
        return mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError:
        raise MemoryError from None
