"""How many of the events that end may be dead letters before something larger than an event must be wrong. Pure: times come in."""

from __future__ import annotations

from collections import deque

from tocsin.settings import ConsumeSettings


class Ceiling:
    """Endings of the last `window_s` seconds."""

    def __init__(self, *, window_s: float, count_max: int, share_max: float) -> None:
        """Broken by more than `count_max` dead letters that are more than `share_max` (0..1) of all endings."""
        self._window_s = window_s
        self._count_max = count_max
        self._share_max = share_max
        self._endings: deque[tuple[float, bool]] = deque()
        self.dead = 0
        """Dead letters in the window."""

    @classmethod
    def of(cls, settings: ConsumeSettings) -> Ceiling:
        """The ceiling the settings ask for."""
        return cls(
            window_s=settings.dead_letter_window_s, count_max=settings.dead_letter_count_max, share_max=settings.dead_letter_share_max
        )

    def count(self, now: float, *, dead: bool) -> None:
        """One more ending, at `now` (monotonic seconds, never going back)."""
        self._endings.append((now, dead))
        self.dead += dead
        while self._endings[0][0] < now - self._window_s:
            self.dead -= self._endings.popleft()[1]

    @property
    def endings(self) -> int:
        """All endings in the window."""
        return len(self._endings)

    @property
    def broken(self) -> bool:
        """Whether to stop and ask a person."""
        return self.dead > self._count_max and self.dead > self._share_max * self.endings
