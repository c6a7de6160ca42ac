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
"""Of a server that only some pictures come from it is not known when it served: what happened long ago counts no more."""


class _Circuit:
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


class Circuits:
    """One for each neighbour that ever failed."""

    def __init__(self, failures_max: int, policy: RetryPolicy) -> None:
        """`failures_max` failures in a row open a circuit; a neighbour that says when to come back opens its own at once.

        In a row: without a success, and less than IN_A_ROW_S apart.
        """
        self._failures_max = failures_max
        self._policy = policy
        self._circuits: dict[str, _Circuit] = {}
        self._probed_last: Position | None = None

    @property
    def open(self) -> frozenset[str]:
        """The neighbours that are waited for."""
        return frozenset(name for name, circuit in self._circuits.items() if circuit.is_open)

    def bar(self, needs: Iterable[str]) -> bool:
        """Whether any of these neighbours is waited for."""
        return bool(self._opened(needs))

    def may_probe(self, needs: Iterable[str], now: float) -> bool:
        """Whether every open circuit among `needs` is due for a probe, and none is being probed."""
        return all(circuit.may_be_probed(now) for circuit in self._opened(needs))

    def failed_last(self, position: Position) -> bool:
        """Whether this event was the last probe, so that another one tells more."""
        return position == self._probed_last

    def probe(self, needs: Iterable[str], position: Position) -> None:
        """This event is on its way to find out; nothing else goes until it is back."""
        for circuit in self._opened(needs):
            circuit.probe = self._probed_last = position

    def failed(self, neighbour: str, position: Position, now: float, retry_after_s: float | None, jitter: float) -> None:
        """It failed on this event. Of an open circuit only the probe's failure lengthens the pause, or the neighbour's own wish."""
        circuit = self._circuits.setdefault(neighbour, _Circuit())
        circuit.failures = 1 if now - circuit.failed_at > IN_A_ROW_S else circuit.failures + 1
        circuit.failed_at = now
        if circuit.is_open and circuit.probe != position:
            circuit.until = max(circuit.until or now, now + self._wish_s(retry_after_s))
        elif circuit.is_open or retry_after_s is not None or circuit.failures >= self._failures_max:
            circuit.openings += 1
            circuit.until = now + self._policy.delay_s(circuit.openings, retry_after_s, jitter)

    def served(self, *neighbours: str) -> None:
        """They did their part for an event: whatever was counted against them is over."""
        for neighbour in neighbours:
            self._circuits.pop(neighbour, None)

    def returned(self, position: Position) -> None:
        """The event is off its thread: if it was a probe, the next one may go when it is time."""
        for circuit in self._circuits.values():
            if circuit.probe == position:
                circuit.probe = None

    def _opened(self, needs: Iterable[str]) -> list[_Circuit]:
        return [circuit for name in needs if (circuit := self._circuits.get(name)) is not None and circuit.is_open]

    def _wish_s(self, retry_after_s: float | None) -> float:
        return 0.0 if retry_after_s is None else min(self._policy.max_s, retry_after_s)
