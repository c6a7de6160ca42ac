"""One try at taking a record to its ending, and the order in which tries may run."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime

from tocsin.event.model import Record


@dataclass(frozen=True, slots=True)
class Attempt:
    """A record on its way."""

    record: Record
    number: int = 1
    """1 for the first try."""
    counted: int = 0
    """Failed tries during which the neighbours served other events."""
    first_failed_at: datetime | None = None
    served_before: int = 0
    """How many events the neighbours had served when this try began."""

    def failed(self, *, served: int, now: datetime) -> Attempt:
        """The same record after a deferred try; `served` is the number of events served by now."""
        return replace(
            self,
            number=self.number + 1,
            counted=self.counted + (served > self.served_before),
            first_failed_at=self.first_failed_at or now,
        )


class Lanes:
    """Records of one key run one after the other, in the bus's order; those of different keys side by side."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, deque[Attempt]] = {}

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
        return False

    def leave(self, attempt: Attempt) -> Attempt | None:
        """This one has ended (or is no longer ours): the next of its key that may run now."""
        key = attempt.record.key
        if key is None:
            return None
        lane = self._waiting[key]
        if lane:
            return lane.popleft()
        del self._waiting[key]
        return None

    @property
    def waiting(self) -> bool:
        """Whether any record waits for another of its key."""
        return any(self._waiting.values())
