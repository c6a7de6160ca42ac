"""A fixed number of threads that run whole journeys."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from tocsin.consume.attempt import Attempt
from tocsin.consume.liveness.progress import Progress
from tocsin.errors import Broken, Stop, where
from tocsin.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of an attempt; `Stop` where a person has to act."""

    attempt: Attempt
    result: Outcome | Stop


class Workers:
    """Daemon threads, so that one wedged in a neighbour never keeps the process from ending."""

    def __init__(self, count: int, handle: Callable[[Attempt], Outcome], progress: Progress) -> None:
        """`handle` takes an attempt to its ending; it runs on several threads at once, from `start` on."""
        self._handle = handle
        self._progress = progress
        self._attempts: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._finished: queue.SimpleQueue[Finished] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"journey-{number}", daemon=True) for number in range(count)]
        self.busy = 0
        """Attempts handed in and not yet collected; kept by the owner's thread alone."""

    def start(self) -> None:
        """Begin to handle what is submitted."""
        for thread in self._threads:
            thread.start()

    def submit(self, attempt: Attempt) -> None:
        """Handle it as soon as a thread is free."""
        self.busy += 1
        self._attempts.put(attempt)

    def collect(self, wait_s: float) -> list[Finished]:
        """Everything that has finished; waits up to `wait_s` seconds for the first."""
        results: list[Finished] = []
        try:
            results.append(self._finished.get(timeout=wait_s) if wait_s > 0 else self._finished.get_nowait())
            while True:
                results.append(self._finished.get_nowait())
        except queue.Empty:
            self.busy -= len(results)
            return results

    def take_back(self) -> list[Attempt]:
        """What no thread has begun; the words by which threads end stay."""
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
        """Let the threads end after their present attempt; does not wait for them."""
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
            self._progress.ended()
            self._finished.put(Finished(attempt, result))
