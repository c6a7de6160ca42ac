"""Asks each neighbour again and again whether it is there.

Each neighbour has a thread of its own, so that whoever wants to know is told at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from tocsin.errors import Deferred, TocsinError, where
from tocsin.telemetry.metrics import NEIGHBOUR_REACHED

SAY_WITHIN_S: Final = 4.0
"""Seconds after which a neighbour that has neither answered nor failed is reported as away."""

CLOSE_WITHIN_S: Final = 1.0
"""Longest wait in seconds for pings under way when the asking ends."""


class Ping(Protocol):
    """Asks one neighbour; one thread owns it."""

    @property
    def neighbour(self) -> str:
        """kafka, fhir, triton or redis."""

    def ask(self) -> None:
        """Return once the neighbour answered as it must. Raises TocsinError with the reason, within the neighbour's time limits."""

    def close(self) -> None:
        """Give the connection to the neighbour back."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What is known of a neighbour; ages in seconds."""

    reached: bool
    detail: str
    """Why the neighbour is not reached; empty where it is."""
    for_s: float
    """How long this has been so."""
    asked_ago_s: float
    """Time since the last answer or failure to get one; before the first, time since the start."""
    ever: bool
    """Whether it was reached at any time since the start."""

    def told(self, *, waited_for: bool = False) -> dict[str, object]:
        """What a health page says of the neighbour."""
        state = "reached" if self.reached else "waited for" if waited_for else "not reached"
        return {"state": state, "detail": self.detail, "for_s": age(self.for_s), "asked_ago_s": age(self.asked_ago_s)}


def age(seconds: float) -> float:
    """The seconds as health pages say them, to a tenth."""
    return round(seconds, 1)


Changed = Callable[[str, bool, str], None]
"""Called with a neighbour, whether it is reached from now on, and why not; on any thread."""


def _nobody(_neighbour: str, _reached: bool, _detail: str) -> None:
    """A listener that drops what it is told."""


class Pings:
    """What is known of each neighbour, asked on a thread of its own. Safe for threads."""

    def __init__(self, pings: Sequence[Ping], every_s: float, changed: Changed = _nobody, *, say_within_s: float = SAY_WITHIN_S) -> None:
        """`every_s`: pause in seconds between two questions to one neighbour.

        `changed` is told once of each neighbour that is away, at the latest `say_within_s` after the first question, and once when it is
        back; it is told nothing of a neighbour that was there from the start.
        """
        self._changed = changed
        self._say_within_s = say_within_s
        self._telling = threading.Lock()
        self._told: dict[str, bool] = {}
        now = time.monotonic()
        self._every_s = every_s
        self._over = threading.Event()
        self._known = {ping.neighbour: _Known(False, "not asked yet", since=now, asked=now, ever=False) for ping in pings}
        self._threads = [threading.Thread(target=self._ask, args=(ping,), name=f"ping-{ping.neighbour}", daemon=True) for ping in pings]

    def reaches(self) -> Mapping[str, Reach]:
        """Each neighbour as it answered last."""
        now = time.monotonic()
        return {name: known.at(now) for name, known in self._known.items()}

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask every neighbour until the block ends."""
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
            since = before.since if before.reached == reached else now
            self._known[ping.neighbour] = _Known(reached, detail, since=since, asked=now, ever=before.ever or reached)
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


def watch_reached(pings: Pings) -> None:
    """Say of these neighbours, as a metric, whether they are reached."""
    NEIGHBOUR_REACHED.watch(lambda: [(float(reach.reached), {"neighbour": name}) for name, reach in pings.reaches().items()])


@dataclass(frozen=True, slots=True)
class _Known:
    reached: bool
    detail: str
    since: float
    asked: float
    ever: bool

    def at(self, now: float) -> Reach:
        return Reach(self.reached, self.detail, now - self.since, now - self.asked, self.ever)


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
