"""Has labelled pictures judged as a journey judges them, several at a time. Nothing is written to the record."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Final

from tocsin.errors import Deferred, Refused
from tocsin.image.types import Picture
from tocsin.learning.types import Scored
from tocsin.risk.look import Judge
from tocsin.risk.types import Unassessable

PAUSES_S: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Pauses before a picture is tried again whose model server is away or busy; the last one repeats."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A labelled picture that waits for its score."""

    said: Scored
    """All that is known of it; it has neither score nor refusal yet."""
    fetch: Callable[[], Picture]
    """Raises FileNotFoundError, OSError, Refused or Deferred."""
    groups: Callable[[Picture], Mapping[str, str]] = lambda _picture: {}
    """Groups that only the picture tells, besides those of `said`."""


@dataclass(frozen=True, slots=True)
class Judging:
    """Who judges, as a journey does up to its judgement. Safe for threads."""

    judge: Judge
    """By the card alone, so that a score is the model's own."""
    at_once: int
    """Pictures that are under way together: the model server puts them into batches, and others are decoded meanwhile."""
    give_up_after_s: float
    """How long one picture is tried again while a server is away."""
    wait: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def scored(self, asked: Iterable[Asked]) -> Iterator[Scored]:
        """Each picture with its score or the reason why it has none, in their order; at most twice `at_once` are taken ahead.

        Raises Deferred where a server stays away, and Stop; what was given by then is right.
        """
        with _threads(self.at_once) as threads:
            under_way: deque[Future[Scored]] = deque()
            for each in asked:
                under_way.append(threads.submit(self.score, each))
                if len(under_way) >= 2 * self.at_once:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()

    def score(self, asked: Asked) -> Scored:
        """The picture with its score, or the reason why it has none. Raises Deferred and Stop."""
        try:
            return self._patiently(asked)
        except FileNotFoundError:
            return replace(asked.said, refusal="file-missing")
        except OSError:
            return replace(asked.said, refusal="file-unreadable")
        except Refused as refused:
            return replace(asked.said, refusal=refused.reason)

    def _patiently(self, asked: Asked) -> Scored:
        until, pauses = self.clock() + self.give_up_after_s, chain(PAUSES_S, repeat(PAUSES_S[-1]))
        while True:
            try:
                return self._once(asked)
            except Deferred as away:
                pause_s = away.retry_after_s or next(pauses)
                if self.clock() + pause_s > until:
                    raise
                self.wait(pause_s)

    def _once(self, asked: Asked) -> Scored:
        picture = asked.fetch()
        said = replace(asked.said, groups={**asked.said.groups, **asked.groups(picture)})
        judgement = self.judge(picture)
        if isinstance(judgement, Unassessable):
            return replace(said, refusal=judgement.obstacle.reason)
        return replace(said, score=judgement.probability)


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that begin nothing new once the block ends, however it ends."""
    threads = ThreadPoolExecutor(count, thread_name_prefix="evaluate")
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)
