"""How much memory pictures may take at the same time, whatever the number of workers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tocsin.errors import MEMORY, Contended


class Allowance:
    """Bytes that are lent to a few at a time and given back, first come, first served.

    Safe for threads; nobody may ask for room while holding some.
    """

    def __init__(self, bytes_max: int, wait_s: float, heard: Callable[[], None] = lambda: None, *, holders_max: int | None = None) -> None:
        """`bytes_max` is lent at most, and to `holders_max` at a time (None: to any number).

        `wait_s` is the longest wait for room; `heard` is called on the asking thread once it has some.
        """
        self._heard = heard
        self._bytes_max = bytes_max
        self._holders_max = holders_max
        self._holders = 0
        self._wait_s = wait_s
        self._free = bytes_max
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()

    @property
    def waiting(self) -> int:
        """How many threads wait for room."""
        return len(self._waiting)

    @property
    def lent_bytes(self) -> int:
        """How many bytes are lent."""
        return self._bytes_max - self._free

    @contextmanager
    def room(self, needed_bytes: int) -> Iterator[None]:
        """Lends the bytes until the block ends. Raises Contended(memory) where it is not this thread's turn within `wait_s`.

        Whoever needs more than `bytes_max` takes all of it and is alone.
        """
        lent = min(needed_bytes, self._bytes_max)
        self._take(lent)
        try:
            yield
        finally:
            self._give_back(lent)

    def _take(self, lent: int) -> None:
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                if not self._changed.wait_for(lambda: self._waiting[0] is ticket and self._has_room(lent), self._wait_s):
                    raise Contended(MEMORY, f"no room for {lent} bytes of pixels within {self._wait_s} s")
                self._free -= lent
                self._holders += 1
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        self._heard()

    def _has_room(self, lent: int) -> bool:
        return self._free >= lent and (self._holders_max is None or self._holders < self._holders_max)

    def _give_back(self, lent: int) -> None:
        with self._changed:
            self._free += lent
            self._holders -= 1
            self._changed.notify_all()
