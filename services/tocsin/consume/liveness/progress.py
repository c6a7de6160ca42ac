"""How a consumer gets on: its loop and its threads write it, and whoever asks how the process is reads it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from tocsin.kafka.types import Position


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A consumer at one moment; ages in seconds."""

    joined: bool
    """Whether a poll has been answered since the start."""
    polled_ago_s: float
    """Since the last poll that ended without an error (since the start, before the first).

    kafka-python answers a poll with nothing where the broker is away, so that this alone does not say that the bus is there.
    """
    committed_ago_s: float
    """Since the last commit, or since there was nothing to commit."""
    oldest: Position | None
    """The event whose journey has been on a thread for longest."""
    oldest_running_s: float
    """How long that journey has been on its thread; 0 where none is on one."""
    quietest: Position | None
    """The event whose journey has gone longest without an answer."""
    quiet_s: float
    """How long that journey has had no answer, since its start at most; 0 where none is on a thread."""
    turned_ago_s: float
    """Since the loop last gave a sign: it gives one after each of its waits."""
    undecided: int
    """Events that were delivered and have no ending."""
    paused_for: tuple[str, ...]
    """Neighbours that attempts wait for, sorted."""
    held_by: str | None
    """Why nothing more is taken in until a person has acted; None in the usual case."""
    stalled: tuple[str, ...] = ()
    """Reasons why the bus itself holds events back, a sentence each."""
    running: int = 0
    """Journeys that are on a thread."""


@dataclass(slots=True)
class _Running:
    position: Position
    began: float
    heard: float


class Progress:
    """Safe for threads."""

    def __init__(self, clock: Callable[[], float], stalled: Callable[[], tuple[str, ...]] = tuple) -> None:
        """`clock` gives monotonic seconds; `stalled` gives Snapshot.stalled and is called on any thread."""
        self._stalled = stalled
        self._clock = clock
        self._lock = threading.Lock()
        self._joined = False
        self._polled = self._committed = self._moved = clock()
        self._running: dict[int, _Running] = {}  # by thread, in the order in which they began
        self._undecided = 0
        self._paused_for: tuple[str, ...] = ()
        self._held_by: str | None = None

    def polled(self) -> None:
        """The bus answered a poll."""
        with self._lock:
            self._polled = self._moved = self._clock()
            self._joined = True

    def committed(self) -> None:
        """A commit was taken, or there was nothing to commit."""
        with self._lock:
            self._committed = self._moved = self._clock()

    def moved(self) -> None:
        """The loop has come out of one of its waits, however that ended."""
        with self._lock:
            self._moved = self._clock()

    def turned(self, *, undecided: int, paused_for: frozenset[str], held_by: str | None) -> None:
        """The loop has gone round once."""
        with self._lock:
            self._moved = self._clock()
            self._undecided = undecided
            self._paused_for = tuple(sorted(paused_for))
            self._held_by = held_by

    def began(self, position: Position) -> None:
        """The calling thread starts this event's journey. Another thread may still run the same event, from before a rebalance."""
        with self._lock:
            self._running[threading.get_ident()] = _Running(position, began := self._clock(), began)

    def heard(self) -> None:
        """A neighbour answered the journey on the calling thread, where one runs there."""
        with self._lock:
            running = self._running.get(threading.get_ident())
            if running is not None:
                running.heard = self._clock()

    def ended(self) -> None:
        """The calling thread's journey is over, and the thread is free again."""
        with self._lock:
            self._running.pop(threading.get_ident(), None)

    def snapshot(self) -> Snapshot:
        """The consumer at this moment."""
        stalled = self._stalled()
        with self._lock:
            now = self._clock()
            oldest = next(iter(self._running.values()), None)
            quietest = min(self._running.values(), key=lambda each: each.heard, default=None)
            return Snapshot(
                joined=self._joined,
                polled_ago_s=now - self._polled,
                committed_ago_s=now - self._committed,
                oldest=None if oldest is None else oldest.position,
                oldest_running_s=0.0 if oldest is None else now - oldest.began,
                quietest=None if quietest is None else quietest.position,
                quiet_s=0.0 if quietest is None else now - quietest.heard,
                turned_ago_s=now - self._moved,
                undecided=self._undecided,
                paused_for=self._paused_for,
                held_by=self._held_by,
                stalled=stalled,
                running=len(self._running),
            )
