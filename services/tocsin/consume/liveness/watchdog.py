"""Ends a process whose loop, journey or commits are stuck, so that its supervisor starts another.

No thread can be ended from outside, and one that hangs in a decoder or a library keeps its event, and every commit behind it, for ever.
What was under way is done again by the next process.
"""

from __future__ import annotations

import faulthandler
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from tocsin.consume.liveness.deadlines import Deadlines
from tocsin.consume.liveness.progress import Progress, Snapshot
from tocsin.errors import Broken
from tocsin.kafka.types import Position
from tocsin.telemetry.log import logger

LOOK_EVERY_S: Final = 1.0
LOOKS: Final = 3
"""In a row before the end: a process that was stopped as a whole (a debugger, a frozen machine) first gets a moment to go on."""
SPEAK_WITHIN_S: Final = 5.0
"""A standard error that nobody reads holds whoever writes to it; the process then ends without a word."""
STANDARD_ERROR: Final = 2


@dataclass(frozen=True, slots=True)
class Stuck:
    """Something goes on for longer than it may."""

    what: str
    for_s: float
    limit_s: float
    position: Position | None
    """The event that it is at, where there is one."""

    def __str__(self) -> str:
        return f"{self.what} for {self.for_s:.0f} s, longer than {self.limit_s:g} s"


def stuck(snapshot: Snapshot, deadlines: Deadlines, bus_answers_for_s: float) -> Stuck | None:
    """What a restart would mend, if anything is stuck at this moment; `bus_answers_for_s` is 0 where the bus does not answer."""
    if snapshot.turned_ago_s > deadlines.turn_max_s:
        return Stuck("the loop has not moved", snapshot.turned_ago_s, deadlines.turn_max_s, None)
    if snapshot.quiet_s > deadlines.wedged_after_s:
        return Stuck("a journey has had no answer", snapshot.quiet_s, deadlines.wedged_after_s, snapshot.quietest)
    overdue_s = min(snapshot.committed_ago_s, bus_answers_for_s)
    if overdue_s > deadlines.commit_overdue_s:
        return Stuck("no commit was taken although the bus answers", overdue_s, deadlines.commit_overdue_s, None)
    return None


def end_process(found: Stuck, speak_within_s: float = SPEAK_WITHIN_S) -> None:
    """Say within `speak_within_s` what is stuck and where every thread stands, then exit with 70. Places in the code, no values."""
    last = threading.Timer(speak_within_s, os._exit, (Broken.exit_code,))
    last.daemon = True
    last.start()
    advice = "the process ends here and its events are done again by the next; the threads' places below show what hangs"
    logger().error("stuck", detail=str(found), advice=advice, **_place(found.position))
    faulthandler.dump_traceback(STANDARD_ERROR, all_threads=True)
    os._exit(Broken.exit_code)


@contextmanager
def watching(
    progress: Progress,
    deadlines: Deadlines,
    bus_answers_for_s: Callable[[], float],
    *,
    end: Callable[[Stuck], None] = end_process,
    every_s: float = LOOK_EVERY_S,
) -> Iterator[None]:
    """Look every `every_s` seconds, until the block ends, and call `end` once where something is stuck (see `stuck`).

    Should no thread of this process get the interpreter for `turn_max_s`, because one keeps it inside a C library, the interpreter's own
    watchdog prints every thread's place and exits with 1.
    """
    over = threading.Event()
    _arm(deadlines)
    found = partial(_found, progress, deadlines, bus_answers_for_s)
    thread = threading.Thread(target=_watch, args=(found, deadlines, end, every_s, over), name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(SPEAK_WITHIN_S)
        faulthandler.cancel_dump_traceback_later()


def _found(progress: Progress, deadlines: Deadlines, bus_answers_for_s: Callable[[], float]) -> Stuck | None:
    return stuck(progress.snapshot(), deadlines, bus_answers_for_s())


def _watch(
    look: Callable[[], Stuck | None], deadlines: Deadlines, end: Callable[[Stuck], None], every_s: float, over: threading.Event
) -> None:
    looks = 0
    while not over.wait(every_s):
        _arm(deadlines)
        found = look()
        looks = 0 if found is None else looks + 1
        if found is not None and looks == LOOKS:
            end(found)
            return


def _arm(deadlines: Deadlines) -> None:
    faulthandler.dump_traceback_later(deadlines.turn_max_s, exit=True, file=STANDARD_ERROR)


def _place(position: Position | None) -> dict[str, str | int]:
    if position is None:
        return {}
    return {"topic": position.topic_partition.topic, "partition": position.topic_partition.partition, "offset": position.offset}
