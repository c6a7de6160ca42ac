"""How many of the events that end may be dead letters before something larger than an event must be wrong. Times come in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from tocsin.consume.attempt import Attempt
from tocsin.errors import AttemptsExhausted
from tocsin.outcome import Durable, Refused
from tocsin.settings import ConsumeSettings
from tocsin.telemetry.log import logger

ADVICE: Final = (
    "look at `tocsin dead-letters --count`: a deployment or a producer is wrong; the partitions stay paused, so mend it and restart, "
    "then replay what was dead-lettered in vain"
)

SLOTS: Final = 600
"""Parts of the window. Endings are counted by these, so that a busy process holds no more than a quiet one."""


@dataclass(slots=True)
class _Slot:
    """Endings of one part of the window."""

    until: float
    endings: int = 0
    dead: int = 0


class DeadLetterLimit:
    """Endings of the last `window_s` seconds; each may count for a SLOTS-th of the window longer."""

    def __init__(self, *, window_s: float, count_max: int, share_max: float) -> None:
        """Exceeded by more than `count_max` dead letters that are more than `share_max` (0..1) of all endings."""
        self._window_s = window_s
        self._count_max = count_max
        self._share_max = share_max
        self._slots: deque[_Slot] = deque()
        self.endings = 0
        """All endings in the window."""
        self.dead = 0
        """Dead letters in the window."""
        self.held_by: str | None = None
        """Why a person has to act, once the limit was exceeded; it stays until the process is started anew."""

    @classmethod
    def of(cls, settings: ConsumeSettings) -> DeadLetterLimit:
        """The limit that the settings ask for."""
        return cls(
            window_s=settings.dead_letter_window_s, count_max=settings.dead_letter_count_max, share_max=settings.dead_letter_share_max
        )

    def ended(self, attempt: Attempt, ending: Durable, now: float) -> bool:
        """Whether a person has to act, now that this attempt has ended at `now` (monotonic seconds, never going back).

        What is replayed, and what a neighbour failed on, says nothing of a bad deployment or a broken producer, and is not counted.
        """
        if not attempt.replayed and not isinstance(attempt.refusal, AttemptsExhausted):
            self.count(now, dead=isinstance(ending, Refused))
        if self.exceeded and self.held_by is None:
            self.held_by = f"{self.dead} of the last {self.endings} events were dead-lettered"
            logger().error("nothing more is taken in", reason="dead-letter-ceiling", detail=self.held_by, advice=ADVICE)
        return self.held_by is not None

    def count(self, now: float, *, dead: bool) -> None:
        """One more ending, at `now` (monotonic seconds, never going back)."""
        if not self._slots or self._slots[-1].until <= now:
            self._slots.append(_Slot(now + self._window_s / SLOTS))
        self._add(self._slots[-1], dead)
        while self._slots[0].until < now - self._window_s:
            self._forget(self._slots.popleft())

    def _add(self, slot: _Slot, dead: bool) -> None:
        slot.endings += 1
        slot.dead += dead
        self.endings += 1
        self.dead += dead

    def _forget(self, slot: _Slot) -> None:
        self.endings -= slot.endings
        self.dead -= slot.dead

    @property
    def exceeded(self) -> bool:
        """Whether to stop and ask a person."""
        return self.dead > self._count_max and self.dead > self._share_max * self.endings
