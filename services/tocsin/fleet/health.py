"""One health page and one page of metrics for a whole fleet, made of those of its members.

what is seen                                    live  ready  why
a member says that a restart would help         no    -      it ends of itself; whoever asks sees it until then
a member answered once, and not for SILENT_S    no    -      not even its watchdog gets on: only ending it helps
a member does not answer (yet)                  yes   no     it starts, or starts again
a member is not ready                           yes   no     as the member says
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import orjson

from tocsin.telemetry.health_server import Pages, State, live_and_ready

SILENT_S: Final = 60.0
"""Longest silence in seconds of a member that has answered before."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of one member."""

    page: Mapping[str, Any] | None
    """Its health page; None where it did not answer the last time."""
    silent_s: float | None
    """Seconds since it last answered; None where it never did."""


class Look:
    """Asks the members again and again, and remembers what they said. Safe for threads."""

    def __init__(self, ask: Callable[[], Sequence[bytes | None]], clock: Callable[[], float] = time.monotonic) -> None:
        """`ask` has the health page of each member, in their order, within a bounded time; None for one that did not answer."""
        self._ask = ask
        self._clock = clock
        self._told: Mapping[int, tuple[float, Mapping[str, Any] | None]] = {}
        self._count = 0

    def take(self) -> None:
        """Ask all members once."""
        answers, now = self._ask(), self._clock()
        self._count = len(answers)
        told = dict(self._told)
        for number, body in enumerate(answers):
            page = _page(body)
            if page is not None or number in told:
                told[number] = (now if page is not None else told[number][0], page)
        self._told = told

    @property
    def members(self) -> list[Told]:
        """What is known of each."""
        now, told = self._clock(), self._told
        return [_told(told.get(number), now) for number in range(self._count)]

    @contextmanager
    def asking(self, every_s: float) -> Iterator[None]:
        """Ask every so many seconds until the block ends."""
        over = threading.Event()

        def run() -> None:
            self.take()
            while not over.wait(every_s):
                self.take()

        thread = threading.Thread(target=run, name="fleet-health", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()


def _told(known: tuple[float, Mapping[str, Any] | None] | None, now: float) -> Told:
    return Told(None, None) if known is None else Told(known[1], now - known[0])


def _page(body: bytes | None) -> Mapping[str, Any] | None:
    with suppress(orjson.JSONDecodeError):
        found = orjson.loads(body or b"null")
        if isinstance(found, dict) and {"live", "ready"} <= found.keys():
            return found
    return None


def pages(members: Callable[[], Sequence[Told]]) -> Pages:
    """What the fleet answers to /live and /ready."""
    return live_and_ready(lambda: _state(members()))


def _state(members: Sequence[Told]) -> State:
    return State(
        not_live=[f"process {number}: {why}" for number, told in enumerate(members) for why in _not_live(told)],
        not_ready=[f"process {number}: {why}" for number, told in enumerate(members) for why in _not_ready(told)] or _none_yet(members),
        facts={"processes": [told.page for told in members]},
    )


def _none_yet(members: Sequence[Told]) -> list[str]:
    return [] if members else ["no process was asked yet"]


def _not_live(told: Told) -> Iterator[str]:
    if told.page is not None:
        yield from told.page.get("not_live_because", [])
    elif told.silent_s is not None and told.silent_s > SILENT_S:
        yield f"no answer for {told.silent_s:.0f} s, longer than {SILENT_S:g} s"


def _not_ready(told: Told) -> Iterator[str]:
    if told.page is None:
        yield "it does not answer yet" if told.silent_s is None else "it does not answer"
    else:
        yield from told.page.get("not_ready_because", [])
