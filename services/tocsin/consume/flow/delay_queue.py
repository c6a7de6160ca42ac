"""Where events are between two tries: until their time comes, and then until they may go."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable

from tocsin.consume.attempt import Attempt


class WaitingRoom:
    """Holds attempts, never a thread."""

    def __init__(self) -> None:
        self._later: list[tuple[float, int, Attempt]] = []  # a heap: when due, in which order, what
        self._order = itertools.count()
        self._ready: deque[Attempt] = deque()

    def wait(self, attempt: Attempt, until: float) -> None:
        """It is ready from `until` on."""
        heapq.heappush(self._later, (until, next(self._order), attempt))

    def enter(self, attempt: Attempt) -> None:
        """It is ready now, behind those that are."""
        self._ready.append(attempt)

    def turn(self, now: float) -> None:
        """Whose time has come is ready."""
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])

    def pick(self, wanted: Callable[[Attempt], bool]) -> Attempt | None:
        """The first ready one that is wanted, taken out."""
        for place, attempt in enumerate(self._ready):
            if wanted(attempt):
                del self._ready[place]
                return attempt
        return None

    def any_ready(self, wanted: Callable[[Attempt], bool]) -> bool:
        """Whether one that is wanted is ready."""
        return any(map(wanted, self._ready))

    @property
    def next_due(self) -> float | None:
        """When the next one is ready; None if none waits for its time."""
        return self._later[0][0] if self._later else None
