"""Which attempt may start now, and how many records to poll."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from tocsin.consume.attempt import Attempt
from tocsin.consume.flow.backpressure import NOTHING, Backpressure, Demand, Load
from tocsin.consume.flow.circuit_breaker import CircuitBreakers
from tocsin.consume.flow.delay_queue import DelayQueue
from tocsin.consume.flow.lanes import Lanes
from tocsin.consume.flow.retry import Retries, RetryPolicy
from tocsin.kafka.types import Position, Record, TopicPartition
from tocsin.outcome import NEEDED, Contended, Durable, Refused, Undecided
from tocsin.settings import ConsumeSettings

LANE_WAIT_S: Final = 0.02
"""Longest poll while an event waits for another of its key."""


class Topics(NamedTuple):
    """Where imaging events stand."""

    live: str
    backfill: str
    """Those that Tocsin announces itself."""


class Mode(NamedTuple):
    """What keeps attempts from starting side by side; none of it in the usual case, and any of it may be so at once."""

    held: bool
    """A person has to act: nothing more starts, and nothing more is polled."""
    probing: bool
    """A neighbour that every journey needs is waited for: one event at a time finds out whether it serves again."""
    isolating: bool
    """An event killed a process before this one: events run alone, each recorded before it starts."""


class Assigned(Protocol):
    """What the scheduler asks of the assigned partitions."""

    @property
    def undecided(self) -> int:
        """Events without an ending."""

    @property
    def isolating(self) -> bool:
        """Whether events have to run alone."""

    @property
    def unread_suspects(self) -> frozenset[TopicPartition]:
        """Partitions of which something is still to be read that may have killed a process."""

    def undecided_of(self, topic: str) -> int:
        """Events of this topic without an ending."""

    def holds(self, attempt: Attempt) -> bool:
        """Whether the attempt's event is undecided and still ours."""


class Scheduler:
    """Holds every attempt that is not on a thread. One thread owns it."""

    def __init__(
        self, topics: Topics, assigned: Assigned, settings: ConsumeSettings, *, clock: Callable[[], float], jitter: Callable[[], float]
    ) -> None:
        """`clock` gives monotonic seconds, `jitter` a number in [0, 1)."""
        policy = RetryPolicy.of(settings)
        self._topics = topics
        self._assigned = assigned
        self._settings = settings
        self._clock = clock
        self._jitter = jitter
        self._backpressure = Backpressure(topics.live, topics.backfill, settings)
        self._lanes = Lanes()
        self._queue = DelayQueue()
        self._breakers = CircuitBreakers(settings.circuit_failures_max, policy)
        self._retries = Retries(policy, jitter)
        self._held = False
        self._alone_from = clock()

    @property
    def mode(self) -> Mode:
        """The mode at this moment."""
        return Mode(self._held, self._breakers.blocks(NEEDED), self._assigned.isolating)

    @property
    def waits_for(self) -> frozenset[str]:
        """The neighbours that attempts wait for."""
        return self._breakers.open

    def hold(self) -> None:
        """Nothing more starts and nothing more is polled until the process is started anew."""
        self._held = True

    # How many records to poll.

    def demand(self, busy: int) -> Demand:
        """How many records to poll, and of what, while `busy` attempts are on threads."""
        mode = self.mode
        if mode.held:
            return NOTHING
        if not mode.probing and not mode.isolating:
            return self._backpressure.demand(self._load(busy))
        if not self._one_more_would_tell(mode, busy):
            return NOTHING
        return self._backpressure.demand_one(self._assigned.unread_suspects if mode.isolating else frozenset())

    def _load(self, busy: int) -> Load:
        return Load(busy, self._assigned.undecided, self._assigned.undecided_of(self._topics.backfill))

    def endings_to_act(self, busy: int) -> int:
        """How many endings, while nothing is polled, make a difference to what starts or is polled next; a failure makes one at once."""
        if any(self.mode) or self._lanes.waiting or self._queue:
            return 1
        return self._backpressure.until_half_free(self._load(busy))

    def _one_more_would_tell(self, mode: Mode, busy: int) -> bool:
        """Whether a new event could start at once, and all that could start before it has."""
        if (mode.isolating and busy) or (mode.probing and not self._breakers.may_probe(NEEDED, self._clock())):
            return False
        return self._assigned.undecided < self._settings.held_max and not self._queue.any_ready(self._startable(mode, busy))

    def polled(self, demand: Demand, records: Sequence[Record]) -> None:
        """The poll for this demand gave these records."""
        self._backpressure.polled(demand, records)

    def pause_s(self, longest_s: float) -> float:
        """Seconds, at most `longest_s`, for which there is nothing to do but wait for news."""
        times = [longest_s]
        if self._lanes.waiting:
            times.append(LANE_WAIT_S)
        if self._queue.next_due is not None:
            times.append(max(0.0, self._queue.next_due - self._clock()))
        return min(times)

    # Which attempt may start.

    def enter(self, attempt: Attempt) -> None:
        """The attempt is ready, or waits for those of its key before it."""
        if self._lanes.enter(attempt):
            self._queue.put(attempt)

    def release_due(self) -> None:
        """Attempts whose time has come are ready."""
        self._queue.release_due(self._clock())

    def startable(self, busy: Callable[[], int]) -> Iterator[Attempt]:
        """Attempts that may start now, or that are no longer ours and are to leave; `busy` is asked anew for each.

        An event that failed as the last probe goes only where no other can.
        """
        while (attempt := self._next(self.mode, busy())) is not None:
            yield attempt

    def _next(self, mode: Mode, busy: int) -> Attempt | None:
        attempt = self._queue.take_first(self._startable(mode, busy))
        return attempt or self._queue.take_first(lambda each: self._has_a_thread(mode, busy) and self._may_probe(each))

    def _startable(self, mode: Mode, busy: int) -> Callable[[Attempt], bool]:
        free = self._has_a_thread(mode, busy)

        def startable(attempt: Attempt) -> bool:
            if not self._assigned.holds(attempt):
                return True
            if not free:
                return False
            return not self._breakers.blocks(attempt.needs) or (
                self._may_probe(attempt) and not self._breakers.failed_last(attempt.position)
            )

        return startable

    def _may_probe(self, attempt: Attempt) -> bool:
        return self._breakers.may_probe(attempt.needs, self._clock())

    def _has_a_thread(self, mode: Mode, busy: int) -> bool:
        if mode.held:
            return False
        if mode.isolating:
            return not busy and self._clock() >= self._alone_from
        return busy < self._settings.in_flight_max

    def start(self, attempt: Attempt) -> None:
        """The attempt goes to a thread; where a neighbour is waited for, it is the probe."""
        self._breakers.probe(attempt.needs, attempt.position)

    def not_recorded(self, attempt: Attempt) -> None:
        """The group could not be told that this attempt is to run alone: it is ready, and none starts before the next commit is due."""
        self._alone_from = self._clock() + self._settings.commit_interval_s
        self._queue.put(attempt)

    # What became of it.

    def ended(self, attempt: Attempt, ending: Durable) -> None:
        """The attempt has its durable ending: the neighbours of this ending served, also the one that it had waited for."""
        self._retries.ended(ending)
        self._breakers.succeeded(*ending.served)
        if attempt.waits_for is not None and not isinstance(ending, Refused):
            self._breakers.succeeded(attempt.waits_for)
        self.leave(attempt)

    def leave(self, attempt: Attempt) -> None:
        """The attempt has ended, or is no longer ours: the next of its key is ready."""
        following = self._lanes.leave(attempt)
        if following is not None:
            self._queue.put(following)

    def blame(self, attempt: Attempt, why: Undecided) -> bool:
        """Whether every journey has to wait from now on: all of them need the neighbour that failed on this attempt.

        A race that was lost is nobody's fault, and moves no circuit breaker.
        """
        if isinstance(why, Contended):
            return False
        self._breakers.failed(why.neighbour, attempt.position, self._clock(), why.retry_after_s, self._jitter())
        all_wait = self._breakers.blocks(NEEDED)
        self._breakers.succeeded(*why.served)
        return all_wait

    def defer(self, attempt: Attempt, why: Undecided, now: datetime) -> None:
        """The attempt's record is tried again later; `now` is aware."""
        self._queue.put_later(self._retries.after(attempt, why, now), self._clock() + self._retries.delay_s(attempt, why))

    def unstarted(self, attempt: Attempt) -> None:
        """No thread had begun the attempt: it is ready again."""
        self.returned(attempt.position)
        self._queue.put(attempt)

    def returned(self, position: Position) -> None:
        """The event is off its thread: if it was a probe, the next one may go when it is time."""
        self._breakers.release_probe(position)
