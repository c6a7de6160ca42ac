"""A fixed number of threads that run whole journeys."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from tocsin.clock import utc_now
from tocsin.consume.attempt import Attempt
from tocsin.consume.liveness.progress import Progress
from tocsin.errors import Broken, Stop, where
from tocsin.outcome import Durable, Outcome


class Finished(NamedTuple):
    """An attempt that is off its thread; `result` is a Stop where a person has to act."""

    attempt: Attempt
    result: Outcome | Stop
    at: datetime
    """When it came off its thread, aware: its owner may hear of it later."""


class JourneyPool:
    """A fixed number of daemon threads, so that one that hangs in a neighbour never keeps the process from ending."""

    def __init__(self, count: int, handle: Callable[[Attempt], Outcome], progress: Progress) -> None:
        """`handle` takes an attempt to its outcome; from `start` on it runs on several threads at once."""
        self._handle = handle
        self._progress = progress
        self._attempts: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._finished: list[Finished] = []
        self._news = threading.Condition()
        self._enough = 1
        self._urgent = False
        self._threads = [threading.Thread(target=self._work, name=f"journey-{number}", daemon=True) for number in range(count)]
        self.busy = 0
        """Attempts that were submitted and have not come back by `finished`; the owner's thread alone counts."""

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def submit(self, attempt: Attempt) -> None:
        """Handle the attempt as soon as a thread is free."""
        self.busy += 1
        self._attempts.put(attempt)

    def finished(self, wait_s: float, enough: int = 1) -> list[Finished]:
        """The attempts that have finished; waits up to `wait_s` seconds for `enough` of them, or for one that has no durable ending."""
        with self._news:
            self._enough = enough
            if wait_s > 0:
                self._news.wait_for(self._is_news, wait_s)
            results, self._finished, self._urgent = self._finished, [], False
        self.busy -= len(results)
        return results

    def _is_news(self) -> bool:
        return self._urgent or len(self._finished) >= self._enough

    def cancel_unstarted(self) -> list[Attempt]:
        """Take back the attempts that no thread has started."""
        attempts: list[Attempt] = []
        ends = 0
        with suppress(queue.Empty):
            while True:
                attempt = self._attempts.get_nowait()
                ends += attempt is None
                attempts += [] if attempt is None else [attempt]
        for _ in range(ends):
            self._attempts.put(None)
        self.busy -= len(attempts)
        return attempts

    def stop(self) -> None:
        """Let each thread end after its present attempt. Does not wait."""
        for _ in self._threads:
            self._attempts.put(None)

    def _work(self) -> None:
        while (attempt := self._attempts.get()) is not None:
            self._progress.began(attempt.position)
            try:
                result: Outcome | Stop = self._handle(attempt)
            except Stop as error:
                result = error
            except Exception as error:  # the border of a thread: one that dies in silence would hold its event for ever
                result = Broken(where(error))
            finished = Finished(attempt, result, utc_now())
            self._progress.ended()
            self._tell(finished)

    def _tell(self, finished: Finished) -> None:
        with self._news:
            self._finished.append(finished)
            self._urgent |= not isinstance(finished.result, Durable)
            if self._is_news():
                self._news.notify()
