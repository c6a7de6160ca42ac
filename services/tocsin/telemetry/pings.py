"""Whether each neighbour is there, asked again and again on threads of its own, so that whoever wants to know is told at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from tocsin.errors import Deferred, TocsinError, where

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


class Pings:
    """Safe for threads."""

    def __init__(self, pings: Sequence[Ping], every_s: float) -> None:
        """`every_s`: pause between two questions to one neighbour."""
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
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            deadline = time.monotonic() + CLOSE_WITHIN_S
            for thread in self._threads:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _ask(self, ping: Ping) -> None:
        while True:
            detail = _reason(ping)
            before, now = self._known[ping.neighbour], time.monotonic()
            reached = not detail
            self._known[ping.neighbour] = _Known(reached, detail, since=before.since if before.reached == reached else now, asked=now)
            if self._over.wait(self._every_s):
                ping.close()
                return


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
