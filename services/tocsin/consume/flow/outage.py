"""How long nothing has ended while something should. Pure: times come in."""

from __future__ import annotations

from tocsin.errors import OutageTooLong
from tocsin.outcome import Unavailable, Undecided


class Outage:
    """Begins with the first failure and is over with the next ending."""

    def __init__(self, budget_s: float) -> None:
        self._budget_s = budget_s
        self._since: float | None = None
        self._by: Undecided = Unavailable("", "")

    def blame(self, by: Undecided, now: float) -> None:
        """Something waits, for this."""
        if self._since is None:
            self._since = now
        self._by = by

    def over(self) -> None:
        """An event has ended, or none waits."""
        self._since = None

    def check(self, now: float) -> None:
        """Raises OutageTooLong beyond the budget."""
        if self._since is not None and now - self._since > self._budget_s:
            raise OutageTooLong(f"{self._by.neighbour}: no event has ended for {now - self._since:.0f} s ({self._by.detail})")
