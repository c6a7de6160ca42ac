"""Where attempts wait: until their time comes, and then until they may start."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable

from tocsin.consume.attempt import Attempt


class DelayQueue:
    """Holds attempts, never a thread."""

    def __init__(self) -> None:
        self._later: list[tuple[float, int, Attempt]] = []  # a heap: when due, in which order, what
        self._order = itertools.count()
        self._ready: deque[Attempt] = deque()

    def __bool__(self) -> bool:
        """Whether it holds any."""
        return bool(self._ready or self._later)

    def put_later(self, attempt: Attempt, until: float) -> None:
        """The attempt is ready from `until` on (monotonic seconds)."""
        heapq.heappush(self._later, (until, next(self._order), attempt))

    def put(self, attempt: Attempt) -> None:
        """The attempt is ready now, behind those that are."""
        self._ready.append(attempt)

    def release_due(self, now: float) -> None:
        """Attempts whose time has come by `now` are ready."""
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])

    def take_first(self, wanted: Callable[[Attempt], bool]) -> Attempt | None:
        """The first ready attempt that is wanted, taken out; None where none is."""
        for place, attempt in enumerate(self._ready):
            if wanted(attempt):
                del self._ready[place]
                return attempt
        return None

    def any_ready(self, wanted: Callable[[Attempt], bool]) -> bool:
        """Whether an attempt that is wanted is ready."""
        return any(map(wanted, self._ready))

    @property
    def next_due(self) -> float | None:
        """When the next attempt is ready (monotonic seconds); None where none waits for its time."""
        return self._later[0][0] if self._later else None
