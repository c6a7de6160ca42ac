"""The loop of `tocsin consume`: poll, hand out, settle, commit. One thread; journeys run on others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from tocsin import errors, outcome
from tocsin.clock import utc_now
from tocsin.consume.attempt import Attempt
from tocsin.consume.flow.backpressure import Demand
from tocsin.consume.flow.dead_letter_limit import DeadLetterLimit
from tocsin.consume.flow.outage import Outage
from tocsin.consume.flow.retry import PollRetries, RetryPolicy
from tocsin.consume.flow.scheduler import Scheduler, Topics
from tocsin.consume.handler import Handler
from tocsin.consume.liveness.progress import Progress
from tocsin.consume.measures import Tally
from tocsin.consume.partitions.assignment import Assignment
from tocsin.consume.partitions.backlog import Backlog
from tocsin.consume.pool import JourneyPool
from tocsin.kafka.ports import EventSource
from tocsin.kafka.types import Record, TopicPartition
from tocsin.settings import ConsumeSettings
from tocsin.telemetry.log import logger

LOOK_EVERY_S: Final = 1.0
"""How often it is looked what is not done of each partition; its age is said as of the asking."""

HEARD_WITHIN_S: Final = 0.2
"""Longest poll while journeys run: a poll does not return for one that ends, nor for one that fails."""


class Consumer:
    """Brings every event to a durable ending before its offset is committed."""

    def __init__(
        self,
        source: EventSource,
        topics: Topics,
        handler: Handler,
        settings: ConsumeSettings,
        progress: Progress,
        *,
        poll_wait_s: float,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        codes: frozenset[str] = frozenset(),
        log_ends: Callable[[], Mapping[TopicPartition, int]] = dict,
    ) -> None:
        """`clock` gives monotonic seconds, `jitter` a number in [0, 1).

        For metrics: `codes` are those of bands and obstacles, and `log_ends` knows the ends of partitions that are not listened to.
        """
        self.progress = progress
        self._source = source
        self._settings = settings
        self._poll_wait_s = poll_wait_s
        self._clock = clock
        self._tally = Tally(topics.backfill, codes)
        self._log_ends = log_ends
        self.backlog = Backlog(topics.backfill)
        self._look_due = clock()
        self._assignment = Assignment(
            source, handler.partitions_changed, self.backlog, deaths_max=settings.deaths_max, reach=settings.held_max
        )
        self._scheduler = Scheduler(topics, self._assignment, settings, clock=clock, jitter=jitter)
        self._pool = JourneyPool(settings.workers_running, handler.handle, progress)
        self._polls = PollRetries(RetryPolicy.of(settings), jitter)
        self._limit = DeadLetterLimit.of(settings)
        self._outage = Outage(settings.outage_budget_s)
        self._commit_due = clock() + settings.commit_interval_s
        self._poll_due = clock()

    def run(self, stopping: threading.Event) -> None:
        """Consume until `stopping` is set, then drain and commit. Raises Stop, and Unavailable(kafka) if no broker answers at first."""
        with self._assignment.handed_over():
            self._source.open(self._assignment)
        self._pool.start()
        found: errors.Stop | None = None
        try:
            while not stopping.is_set():
                self._turn(stopping)
        finally:
            try:
                found = self._drain()
            finally:
                self._pool.stop()
                with self._assignment.handed_over():
                    self._source.close()
        if found is not None:
            raise found

    def _turn(self, stopping: threading.Event) -> None:
        demand = self._scheduler.demand(self._pool.busy)
        if demand.records or self._clock() >= self._poll_due:  # with no demand, a poll only keeps up the membership
            self._take_in(demand, stopping)
        self._hand_out()
        self.progress.moved()
        self._settle(0 if demand.records else self._rest_s())
        self.progress.moved()
        self._commit_when_due()
        self._look_around()

    def _rest_s(self) -> float:
        return max(0.0, min(self._scheduler.pause_s(self._poll_wait_s), self._poll_due - self._clock()))

    def _take_in(self, demand: Demand, stopping: threading.Event) -> None:
        self._source.listen(demand.topics, demand.only)
        for record in self._polled(demand, stopping):
            attempt = self._assignment.take(record)
            if attempt is not None:
                self.backlog.took(record, self._tally.origin(record), utc_now().timestamp())
                self._scheduler.enter(attempt)

    @property
    def _longest_poll_s(self) -> float:
        return min(self._poll_wait_s, HEARD_WITHIN_S) if self._pool.busy else self._poll_wait_s

    def _polled(self, demand: Demand, stopping: threading.Event) -> list[Record]:
        wait_s = self._scheduler.pause_s(self._longest_poll_s) if demand.records else 0
        try:
            with self._assignment.handed_over():
                records = self._source.poll(wait_s, max(1, demand.records))
        except (errors.Deferred, MemoryError) as error:
            self._wait_after(error, stopping)
            return []
        finally:
            self._poll_due = self._clock() + self._poll_wait_s
        self._polls.answered()
        self.progress.polled()
        self._scheduler.polled(demand, records)
        return records

    def _wait_after(self, error: errors.Deferred | MemoryError, stopping: threading.Event) -> None:
        """A poll that failed is tried again, more and more slowly; events that end meanwhile give memory back."""
        why, wait_s = self._polls.failed(error)
        self._outage.blame(why, self._clock())
        self.progress.moved()
        stopping.wait(wait_s)

    def _hand_out(self) -> None:
        self._scheduler.release_due()
        self.progress.moved()
        if not self._assignment.claim():
            return
        self.progress.moved()
        for attempt in self._scheduler.startable(lambda: self._pool.busy):
            self._start(attempt)

    def _start(self, attempt: Attempt) -> None:
        if not self._assignment.holds(attempt):
            self._scheduler.leave(attempt)
        elif self._assignment.isolating and not self._assignment.record_isolated(attempt.position):
            self._scheduler.not_recorded(attempt)
        else:
            self._scheduler.start(attempt)
            self._pool.submit(attempt)

    def _settle(self, wait_s: float) -> None:
        for finished in self._pool.finished(wait_s, self._scheduler.endings_to_act(self._pool.busy)):
            self._settle_one(*finished)
        if self._assignment.isolating:
            self._assignment.commit()

    def _settle_one(self, attempt: Attempt, result: outcome.Outcome | errors.Stop, at: datetime) -> None:
        if isinstance(result, errors.Stop):
            raise result
        self._tally.tried(attempt, result, at)
        if isinstance(result, outcome.Undecided):
            self._defer(attempt, result)
        else:
            self._end(attempt, result)
        self._scheduler.returned(attempt.position)

    def _end(self, attempt: Attempt, ending: outcome.Durable) -> None:
        self._outage.over()
        if self._limit.ended(attempt, ending, self._clock()):
            self._scheduler.hold()
        self._assignment.end(attempt)
        self._scheduler.ended(attempt, ending)

    def _defer(self, attempt: Attempt, why: outcome.Undecided) -> None:
        self._assignment.back(attempt.position)
        if self._scheduler.blame(attempt, why):
            for unstarted in self._pool.cancel_unstarted():
                self._scheduler.unstarted(unstarted)
        if self._assignment.holds(attempt):
            self._outage.blame(why, self._clock())
            self._scheduler.defer(attempt, why, utc_now())
        else:
            self._scheduler.leave(attempt)

    def _commit_when_due(self) -> None:
        if self._clock() >= self._commit_due:
            if self._assignment.commit():
                self.progress.committed()
            self._commit_due = self._clock() + self._settings.commit_interval_s

    def _look_around(self) -> None:
        if self._assignment.isolating:
            self._assignment.bound_isolation(self._source.ends())
        if self._limit.held_by is not None or (not self._assignment.undecided and not self._polls.failures):
            self._outage.over()
        self._outage.check(self._clock())
        self._look_at_backlog()
        self.progress.turned(undecided=self._assignment.undecided, paused_for=self._scheduler.waits_for, held_by=self._limit.held_by)

    def _look_at_backlog(self) -> None:
        if self._clock() < self._look_due:
            return
        self._look_due = self._clock() + LOOK_EVERY_S
        ours, known = self._source.ends(), self._log_ends()
        ends = {each: max(ours.get(each, 0), known.get(each, 0)) for each in self._assignment.partitions if each in ours or each in known}
        self.backlog.look(ends, self._source.reached(), utc_now().timestamp())

    def _drain(self) -> errors.Stop | None:
        """Running journeys may end within the bound; what no thread has begun keeps its place. Gives what a person has to act on."""
        self.progress.moved()
        self._pool.cancel_unstarted()
        found: errors.Stop | None = None
        deadline = self._clock() + self._settings.drain_timeout_s
        while self._pool.busy and (left_s := deadline - self._clock()) > 0:
            for attempt, result, at in self._pool.finished(left_s):
                if isinstance(result, errors.Stop):
                    found = found or result
                    continue
                self._tally.tried(attempt, result, at)
                if isinstance(result, outcome.Durable):
                    self._assignment.end(attempt)
        self.progress.moved()
        self._assignment.commit(clean_shutdown=True)
        self.progress.moved()
        logger().info("drained", undecided=self._assignment.undecided)
        return found
