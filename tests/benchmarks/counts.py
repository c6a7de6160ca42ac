"""How often each event did something, in a byte an event, so that a million of them weigh a megabyte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST: Final = 255
"""Beyond it nobody counts on."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many events of one run did it at all, and how many of them exactly once."""

    events: int
    once: int


class Counts:
    """Counted by ids of the form NAME-NUMBER; for one thread."""

    def __init__(self) -> None:
        self._by_name: dict[str, bytearray] = {}

    def add(self, id_: str) -> int:
        """Counts one more; returns how often it was by now."""
        name, _, number = id_.rpartition("-")
        seen, place = self._by_name.setdefault(name, bytearray()), int(number)
        if place >= len(seen):
            seen.extend(bytes(place + 1 - len(seen)))
        seen[place] = min(MOST, seen[place] + 1)
        return seen[place]

    def by_id(self) -> dict[str, int]:
        """Every id that was counted."""
        return {f"{name}-{place}": count for name, seen in self._by_name.items() for place, count in enumerate(seen) if count}

    def tally(self, name: str) -> Tally:
        """Of all ids with this name."""
        seen = self._by_name.get(name, bytearray())
        return Tally(len(seen) - seen.count(0), seen.count(1))
