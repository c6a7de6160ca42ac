"""When a neighbour may be asked: closed while it serves; open while it does not, and then half-open for one probe at a time.

Pure: times come in. After Nygard, "Release It!" (2007), circuit breaker.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Final

from tocsin.consume.flow.retry import RetryPolicy
from tocsin.kafka.types import Position

IN_A_ROW_S: Final = 60.0
"""Failures further apart do not count as consecutive: of a picture server it is not known whether it succeeded in between."""


class _Breaker:
    """One neighbour's."""

    def __init__(self) -> None:
        self.failures = 0
        self.failed_at = -inf
        self.openings = 0
        self.until: float | None = None
        self.probe: Position | None = None

    @property
    def is_open(self) -> bool:
        return self.until is not None

    def may_be_probed(self, now: float) -> bool:
        return self.probe is None and self.until is not None and now >= self.until


class CircuitBreakers:
    """One for each neighbour that ever failed."""

    def __init__(self, failures_max: int, policy: RetryPolicy) -> None:
        """`failures_max` failures in a row open a breaker; a neighbour that says when to come back opens its own at once.

        In a row: without a success, and less than IN_A_ROW_S apart.
        """
        self._failures_max = failures_max
        self._policy = policy
        self._breakers: dict[str, _Breaker] = {}
        self._probed_last: Position | None = None

    @property
    def open(self) -> frozenset[str]:
        """The neighbours that are waited for."""
        return frozenset(name for name, breaker in self._breakers.items() if breaker.is_open)

    def blocks(self, needs: Iterable[str]) -> bool:
        """Whether any of these neighbours is waited for."""
        return bool(self._opened(needs))

    def may_probe(self, needs: Iterable[str], now: float) -> bool:
        """Whether every open breaker among `needs` is due for a probe, and none is being probed."""
        return all(breaker.may_be_probed(now) for breaker in self._opened(needs))

    def failed_last(self, position: Position) -> bool:
        """Whether this event was the last probe, so that another one tells more."""
        return position == self._probed_last

    def probe(self, needs: Iterable[str], position: Position) -> None:
        """This event is on its way to find out; nothing else goes until it is back."""
        for breaker in self._opened(needs):
            breaker.probe = self._probed_last = position

    def failed(self, neighbour: str, position: Position, now: float, retry_after_s: float | None, jitter: float) -> None:
        """It failed on this event. Of an open breaker only the probe's failure lengthens the pause, or the neighbour's own wish."""
        breaker = self._breakers.setdefault(neighbour, _Breaker())
        breaker.failures = 1 if now - breaker.failed_at > IN_A_ROW_S else breaker.failures + 1
        breaker.failed_at = now
        if breaker.is_open and breaker.probe != position:
            breaker.until = max(breaker.until or now, now + self._asked_s(retry_after_s))
        elif breaker.is_open or retry_after_s is not None or breaker.failures >= self._failures_max:
            breaker.openings += 1
            breaker.until = now + self._policy.delay_s(breaker.openings, retry_after_s, jitter)

    def succeeded(self, *neighbours: str) -> None:
        """They did their part for an event: whatever was counted against them is over."""
        for neighbour in neighbours:
            self._breakers.pop(neighbour, None)

    def release_probe(self, position: Position) -> None:
        """The event is off its thread: if it was a probe, the next one may go when it is time."""
        for breaker in self._breakers.values():
            if breaker.probe == position:
                breaker.probe = None

    def _opened(self, needs: Iterable[str]) -> list[_Breaker]:
        return [breaker for name in needs if (breaker := self._breakers.get(name)) is not None and breaker.is_open]

    def _asked_s(self, retry_after_s: float | None) -> float:
        return 0.0 if retry_after_s is None else min(self._policy.max_s, retry_after_s)
