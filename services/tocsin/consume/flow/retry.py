"""Whether and when an undecided event is tried again: decided without clock or Kafka."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from tocsin import errors
from tocsin.consume.attempt import Attempt
from tocsin.errors import KAFKA, MEMORY, AttemptsExhausted, Deferred
from tocsin.event.decode import media_of
from tocsin.outcome import NEEDED, Contended, Durable, Refused, Unavailable, Undecided
from tocsin.settings import ConsumeSettings
from tocsin.telemetry.log import logger


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Full-jitter exponential back-off (Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015)."""

    attempts_max: int
    give_up_after_s: float
    initial_s: float
    max_s: float

    @classmethod
    def of(cls, settings: ConsumeSettings) -> RetryPolicy:
        """The policy the settings ask for."""
        return cls(settings.attempts_max, settings.give_up_after_s, settings.retry_initial_s, settings.retry_max_s)

    def exhausted(self, counted: int, since_s: float) -> bool:
        """Whether `counted` failures while the neighbour served others, the first of all `since_s` seconds ago, are enough."""
        return counted >= self.attempts_max and since_s >= self.give_up_after_s

    def delay_s(self, attempt: int, retry_after_s: float | None, jitter: float) -> float:
        """Seconds until the try after the `attempt`-th (1, 2, ...), for `jitter` in [0, 1).

        What the neighbour asked for is the least, up to the ceiling; without a wish it is anything from 0 to the doubled pause.
        """
        if retry_after_s is not None:
            return min(self.max_s, retry_after_s + jitter * self.initial_s)
        return self._ceiling_s(attempt) * jitter

    def apart_s(self, attempt: int, jitter: float) -> float:
        """Seconds until two that were in each other's way try again: at least half of the doubled pause, so that neither spins."""
        return self._ceiling_s(attempt) * (1 + jitter) / 2

    def _ceiling_s(self, attempt: int) -> float:
        return min(self.max_s, self.initial_s * 2.0 ** min(attempt - 1, 30))


class Retries:
    """Knows how many events each neighbour has served: whoever serves others and fails on one says something of that event."""

    def __init__(self, policy: RetryPolicy, jitter: Callable[[], float]) -> None:
        """`jitter` gives a number in [0, 1)."""
        self._policy = policy
        self._jitter = jitter
        self._served: Counter[str] = Counter()
        self._journeys = 0

    def ended(self, ending: Durable) -> None:
        """The neighbours of this ending have served one more event."""
        self._served.update(ending.served)
        self._journeys += not isinstance(ending, Refused)

    def delay_s(self, attempt: Attempt, why: Undecided) -> float:
        """Seconds until the attempt's next try."""
        match why:
            case Unavailable(retry_after_s=asked_s):
                return self._policy.delay_s(attempt.deferrals + 1, asked_s, self._jitter())
            case Contended():
                return self._policy.apart_s(attempt.deferrals + 1, self._jitter())
        assert_never(why)

    def after(self, attempt: Attempt, why: Undecided, now: datetime) -> Attempt:
        """The record's next attempt; one that its neighbours failed on often enough while they served others is to be dead-lettered."""
        if why.neighbour in (KAFKA, MEMORY):
            attempt = replace(attempt, seen_before=True)  # a dead letter that was not acknowledged may stand all the same
        if attempt.refusal is not None:
            return replace(attempt, deferrals=attempt.deferrals + 1)
        failed = self._failed(attempt, why, now)
        since_s = 0.0 if failed.first_failed_at is None else (now - failed.first_failed_at).total_seconds()
        if not self._policy.exhausted(failed.counted, since_s):
            return failed
        return replace(failed, refusal=AttemptsExhausted(_in_vain(attempt, why), reference=media_of(attempt.record)))

    def _failed(self, attempt: Attempt, why: Undecided, now: datetime) -> Attempt:
        """A lost race counts against the event, since its neighbours are well. Lack of memory, and of membership, need not be its fault."""
        if isinstance(why, Contended) and why.neighbour not in (MEMORY, KAFKA):
            return attempt.outrun(now=now)
        return attempt.failed(why.neighbour, served=self._served_by(why.neighbour), now=now)

    def _served_by(self, neighbour: str) -> int:
        """How many events this neighbour has served.

        Of an origin that pictures come from it is not known, so that any event judged anywhere counts. Kafka is never to blame: without
        it there is no dead letter either. Every ending takes memory.
        """
        if neighbour == KAFKA:
            return 0
        if neighbour == MEMORY:
            return self._served[KAFKA]
        return self._served[neighbour] if neighbour in NEEDED else self._journeys


class PollRetries:
    """How long to wait after polls that failed in a row."""

    def __init__(self, policy: RetryPolicy, jitter: Callable[[], float]) -> None:
        """`jitter` gives a number in [0, 1)."""
        self._policy = policy
        self._jitter = jitter
        self.failures = 0
        """Polls that failed since one was answered."""

    def answered(self) -> None:
        """The bus answered a poll."""
        self.failures = 0

    def failed(self, error: Deferred | MemoryError) -> tuple[Unavailable, float]:
        """Why the poll failed, and for how many seconds to wait."""
        why = errors.Contended(MEMORY, "no room for what the bus sent") if isinstance(error, MemoryError) else error
        self.failures += 1
        logger().warning("poll failed", neighbour=why.neighbour, detail=why.detail, attempts=self.failures)
        return Unavailable(why.neighbour, why.detail), self._policy.delay_s(self.failures, why.retry_after_s, self._jitter())


def _in_vain(attempt: Attempt, why: Undecided) -> str:
    match why:
        case Unavailable():
            return f"{why.neighbour} failed on this event {attempt.number} times: {why.detail}"
        case Contended():
            return f"{attempt.number} attempts came to nothing over {why.neighbour}: {why.detail}"
    assert_never(why)
