"""Whether each neighbour is there, asked again and again on threads of its own, so that whoever wants to know is told at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from tocsin.errors import Deferred, TocsinError, where

SAY_WITHIN_S: Final = 4.0
"""A neighbour that has given no answer by then, not even that it is away, is told of as one that is."""

CLOSE_WITHIN_S: Final = 1.0
"""Longest wait for pings under way when nobody wants to know any more."""


class Ping(Protocol):
    """Asks one neighbour; one thread owns it."""

    @property
    def neighbour(self) -> str:
        """kafka, fhir, triton or redis."""

    def ask(self) -> None:
        """Return once it answered as it must. Raises TocsinError with the reason, within the neighbour's own time limits."""

    def close(self) -> None:
        """Give its connection back."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What is known of a neighbour; ages in seconds."""

    reached: bool
    detail: str
    """Why not; empty where it is reached."""
    for_s: float
    """How long this has been so."""
    asked_ago_s: float
    """Since the last answer, or the last failure to get one; since the start, before the first."""

    def told(self, *, waited_for: bool = False) -> dict[str, object]:
        """As a health page says it."""
        state = "reached" if self.reached else "waited for" if waited_for else "not reached"
        return {"state": state, "detail": self.detail, "for_s": age(self.for_s), "asked_ago_s": age(self.asked_ago_s)}


def age(seconds: float) -> float:
    """As health pages say it."""
    return round(seconds, 1)


Changed = Callable[[str, bool, str], None]
"""A neighbour, whether it is reached from now on, and why not; called on any thread."""


def _nobody(_neighbour: str, _reached: bool, _detail: str) -> None:
    """Whom nothing is told."""


class Pings:
    """Safe for threads."""

    def __init__(self, pings: Sequence[Ping], every_s: float, changed: Changed = _nobody, *, say_within_s: float = SAY_WITHIN_S) -> None:
        """`every_s`: pause between two questions to one neighbour.

        `changed` is told once of each that is away, at the latest `say_within_s` after the first question, and once when it is back; of one
        that was there from the start it is told nothing.
        """
        self._changed = changed
        self._say_within_s = say_within_s
        self._telling = threading.Lock()
        self._told: dict[str, bool] = {}
        now = time.monotonic()
        self._every_s = every_s
        self._over = threading.Event()
        self._known = {ping.neighbour: _Known(False, "not asked yet", since=now, asked=now) for ping in pings}
        self._threads = [threading.Thread(target=self._ask, args=(ping,), name=f"ping-{ping.neighbour}", daemon=True) for ping in pings]

    def reaches(self) -> Mapping[str, Reach]:
        """Each neighbour as it answered last."""
        now = time.monotonic()
        return {name: Reach(known.reached, known.detail, now - known.since, now - known.asked) for name, known in self._known.items()}

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask until the block ends."""
        late = threading.Timer(self._say_within_s, self._tell_late)
        late.daemon = True
        late.start()
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            late.cancel()
            deadline = time.monotonic() + CLOSE_WITHIN_S
            for thread in self._threads:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _ask(self, ping: Ping) -> None:
        while True:
            detail = _reason(ping)
            before, now = self._known[ping.neighbour], time.monotonic()
            reached = not detail
            self._known[ping.neighbour] = _Known(reached, detail, since=before.since if before.reached == reached else now, asked=now)
            self._tell(ping.neighbour, reached, detail)
            if self._over.wait(self._every_s):
                ping.close()
                return

    def _tell(self, neighbour: str, reached: bool, detail: str) -> None:
        if self._over.is_set():
            return
        with self._telling:
            same = self._told.get(neighbour, True) == reached
            self._told[neighbour] = reached
        if not same:
            self._changed(neighbour, reached, detail)

    def _tell_late(self) -> None:
        for neighbour in self._known.keys() - self._told.keys():
            self._tell(neighbour, False, f"no answer within {self._say_within_s:g} s")


@dataclass(frozen=True, slots=True)
class _Known:
    reached: bool
    detail: str
    since: float
    asked: float


def _reason(ping: Ping) -> str:
    try:
        ping.ask()
    except Deferred as away:
        return away.detail
    except TocsinError as error:
        return str(error)
    except Exception as error:  # the border of a thread: one that dies would leave its last answer standing for ever
        return where(error)
    return ""
