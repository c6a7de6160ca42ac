"""How a consumer gets on: written by its loop and its workers, read by whoever asks how the process is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from tocsin.event.model import Position


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment; ages in seconds."""

    polled_ago_s: float
    """Since the last poll that the bus answered (since the start, before the first)."""
    committed_ago_s: float
    """Since the last commit, or since there was last nothing to commit."""
    oldest_running_s: float
    """Age of the journey that has been on a thread for longest; 0 where none is."""
    turned_ago_s: float
    """Since the loop last went round, whatever it met."""
    undecided: int
    """Events delivered and without an ending."""
    paused_for: tuple[str, ...]
    """Neighbours that are deliberately waited for, sorted."""
    held_by: str | None
    """Why nothing more is taken in until a person has acted; None in the usual case."""


class Progress:
    """Safe for threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives monotonic seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._polled = self._committed = self._turned = clock()
        self._running: dict[Position, float] = {}
        self._undecided = 0
        self._paused_for: tuple[str, ...] = ()
        self._held_by: str | None = None

    def polled(self) -> None:
        """The bus answered a poll."""
        self._polled = self._clock()

    def committed(self) -> None:
        """A commit was taken, or there was nothing to commit."""
        self._committed = self._clock()

    def turned(self, *, undecided: int, paused_for: frozenset[str], held_by: str | None) -> None:
        """The loop went round once."""
        self._turned = self._clock()
        self._undecided = undecided
        self._paused_for = tuple(sorted(paused_for))
        self._held_by = held_by

    def began(self, position: Position) -> None:
        """A thread took this event's journey up."""
        with self._lock:
            self._running[position] = self._clock()

    def ended(self, position: Position) -> None:
        """The thread is free again."""
        with self._lock:
            self._running.pop(position, None)

    def snapshot(self) -> Snapshot:
        """This moment."""
        now = self._clock()
        with self._lock:
            oldest = min(self._running.values(), default=now)
        return Snapshot(
            polled_ago_s=now - self._polled,
            committed_ago_s=now - self._committed,
            oldest_running_s=now - oldest,
            turned_ago_s=now - self._turned,
            undecided=self._undecided,
            paused_for=self._paused_for,
            held_by=self._held_by,
        )
