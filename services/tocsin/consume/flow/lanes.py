"""Key ordering: records of one key run one after the other, in the bus's order; those of different keys side by side."""

from __future__ import annotations

from collections import deque

from tocsin.consume.attempt import Attempt


class Lanes:
    """One lane for each key under way."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, deque[Attempt]] = {}
        self.waiting = 0
        """How many records wait for another of their key."""

    def enter(self, attempt: Attempt) -> bool:
        """Whether it may run at once; else it waits for those of its key before it. A record without a key never waits."""
        key = attempt.record.key
        if key is None:
            return True
        lane = self._waiting.get(key)
        if lane is None:
            self._waiting[key] = deque()
            return True
        lane.append(attempt)
        self.waiting += 1
        return False

    def leave(self, attempt: Attempt) -> Attempt | None:
        """This attempt has ended (or is no longer ours): gives the next of its key, which may run now."""
        key = attempt.record.key
        if key is None:
            return None
        lane = self._waiting[key]
        if lane:
            self.waiting -= 1
            return lane.popleft()
        del self._waiting[key]
        return None
