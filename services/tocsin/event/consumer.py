"""The loop of `tocsin consume`: poll, hand out, settle, try again, commit. One thread; journeys run on others."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from tocsin import errors, outcome
from tocsin.event.attempt import Attempt, Lanes
from tocsin.event.deadletter import utc_now
from tocsin.event.handler import Handler
from tocsin.event.model import Record, TopicPartition
from tocsin.event.offsets import OffsetTracker
from tocsin.event.ports import EventSource
from tocsin.event.retry import RetryPolicy
from tocsin.event.workers import Finished, Workers
from tocsin.settings import ConsumeSettings
from tocsin.telemetry.log import logger

LANE_WAIT_S = 0.02
"""Longest poll while an event waits for another of its key."""


class Consumer:
    """Brings every event to a durable ending before its offset is committed."""

    def __init__(
        self,
        source: EventSource,
        handler: Handler,
        settings: ConsumeSettings,
        *,
        poll_wait_s: float,
        clock: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        """`clock` gives monotonic seconds, `jitter` a number in [0, 1)."""
        self._source = source
        self._settings = settings
        self._policy = RetryPolicy.of(settings)
        self._poll_wait_s = poll_wait_s
        self._clock = clock
        self._jitter = jitter
        self._tracker = OffsetTracker()
        self._lanes = Lanes()
        self._workers = Workers(settings.workers, handler.handle)
        self._waiting: list[tuple[float, int, Attempt]] = []  # a heap: when due, in which order, what
        self._order = itertools.count()
        self._served: Counter[str] = Counter()
        self._stalled_since: float | None = None
        self._stalled_by: outcome.Deferred | None = None
        self._commit_due = clock() + settings.commit_interval_s
        self._paused = False
        self._failed_polls = 0

    def run(self, stopping: threading.Event) -> None:
        """Consume until `stopping` is set, then drain and commit. Raises Stop, and Deferred(kafka) if no broker answers at first."""
        self._source.open(self)
        try:
            while not stopping.is_set():
                self._take_in(stopping)
                self._settle(self._poll_wait_s if self._paused else 0)
                self._retry_due()
                self._commit_when_due()
                self._mind_outage()
        finally:
            try:
                self._drain()
            finally:
                self._workers.stop()
                self._source.close()

    # Membership: called while `run` waits in poll or close, so that nothing else touches the tracker meanwhile.

    def leaving(self) -> dict[TopicPartition, int]:
        """See Membership.leaving."""
        return self._tracker.committable()

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """See Membership.assigned: what is under way on a partition that stays goes on."""
        self._tracker.keep(partitions)

    def lost(self) -> None:
        """See Membership.lost."""
        self._tracker.keep(())

    def _take_in(self, stopping: threading.Event) -> None:
        room = self._room()
        if room <= 0:
            self._source.pause()
            self._paused = True
        elif self._paused and room >= min(self._settings.in_flight_max, self._settings.held_max) // 2:
            self._source.resume()
            self._paused = False
        for record in self._polled(max(1, room), stopping):
            if self._tracker.deliver(record.position):
                self._enter(Attempt(record))

    def _room(self) -> int:
        """How many more events may come in: what the workers can soon begin, within what may be held in all.

        Events that wait, for another of their patient or for a neighbour, take no worker's place, so that they never keep out others.
        """
        return min(self._settings.in_flight_max - self._workers.busy, self._settings.held_max - self._tracker.undecided)

    def _polled(self, records_max: int, stopping: threading.Event) -> list[Record]:
        try:
            records = self._source.poll(0 if self._paused else self._poll_time_s(), records_max)
        except errors.Deferred as error:
            self._failed_polls += 1
            delay_s = self._policy.delay_s(self._failed_polls, error.retry_after_s, self._jitter())
            logger().warning("poll failed", neighbour=error.neighbour, detail=error.detail, attempts=self._failed_polls)
            self._stalled(outcome.Deferred(error.neighbour, error.detail))
            stopping.wait(delay_s)
            return []
        self._failed_polls = 0
        return records

    def _poll_time_s(self) -> float:
        times = [self._poll_wait_s]
        if self._lanes.waiting:
            times.append(LANE_WAIT_S)
        if self._waiting:
            times.append(max(0.0, self._waiting[0][0] - self._clock()))
        return min(times)

    def _enter(self, attempt: Attempt) -> None:
        if self._lanes.enter(attempt):
            self._workers.submit(attempt)

    def _settle(self, wait_s: float) -> None:
        for finished in self._workers.collect(wait_s):
            self._settle_one(finished)

    def _settle_one(self, finished: Finished) -> None:
        match finished.result:
            case errors.Stop() as stop:
                raise stop
            case outcome.Deferred() as deferred:
                self._defer(finished.attempt, deferred)
            case outcome.Published():
                self._served.update(("fhir", "triton"))
                self._ended(finished.attempt)
            case outcome.NotAssessable():
                self._served.update(("fhir",))  # the gate asks no model
                self._ended(finished.attempt)
            case outcome.Refused():
                self._ended(finished.attempt)

    def _ended(self, attempt: Attempt) -> None:
        self._stalled_since = self._stalled_by = None
        self._tracker.end(attempt.record.position)
        self._leave(attempt)

    def _leave(self, attempt: Attempt) -> None:
        following = self._lanes.leave(attempt)
        while following is not None and not self._tracker.holds(following.record.position):
            following = self._lanes.leave(following)
        if following is not None:
            self._workers.submit(following)

    def _defer(self, attempt: Attempt, deferred: outcome.Deferred) -> None:
        if not self._tracker.holds(attempt.record.position):
            self._leave(attempt)
            return
        self._stalled(deferred)
        delay_s = self._policy.delay_s(attempt.number, deferred.retry_after_s, self._jitter())
        heapq.heappush(self._waiting, (self._clock() + delay_s, next(self._order), self._after(attempt, deferred)))

    def _after(self, attempt: Attempt, deferred: outcome.Deferred) -> Attempt:
        if attempt.given_up is not None:
            return attempt  # its dead letter was not taken, and is sent again
        failed = attempt.failed(served=self._serving(deferred.neighbour), now=utc_now())
        since_s = 0.0 if failed.first_failed_at is None else (utc_now() - failed.first_failed_at).total_seconds()
        return replace(failed, given_up=deferred) if self._policy.exhausted(failed.counted, since_s) else failed

    def _serving(self, neighbour: str) -> int:
        """How many events this neighbour has served.

        Of an origin that pictures come from it is not known, so that any event served anywhere counts. Kafka is never to blame: without
        it there is no dead letter either.
        """
        if neighbour == "kafka":
            return 0
        return self._served[neighbour if neighbour in ("fhir", "triton") else "fhir"]

    def _stalled(self, by: outcome.Deferred) -> None:
        if self._stalled_since is None:
            self._stalled_since = self._clock()
        self._stalled_by = by

    def _retry_due(self) -> None:
        now = self._clock()
        while self._waiting and self._waiting[0][0] <= now:
            _, _, attempt = heapq.heappop(self._waiting)
            if self._tracker.holds(attempt.record.position):
                self._workers.submit(attempt)
            else:
                self._leave(attempt)

    def _commit_when_due(self) -> None:
        if self._clock() >= self._commit_due:
            self._commit()
            self._commit_due = self._clock() + self._settings.commit_interval_s

    def _commit(self) -> None:
        offsets = self._tracker.committable()
        if not offsets:
            return
        try:
            if self._source.commit(offsets):
                self._tracker.committed(offsets)
            else:
                logger().warning("commit refused: the partitions belong to another member now", partitions=len(offsets))
        except errors.Deferred as error:
            logger().warning("commit failed; it is tried again", neighbour=error.neighbour, detail=error.detail)

    def _mind_outage(self) -> None:
        if not self._tracker.undecided and not self._failed_polls:
            self._stalled_since = self._stalled_by = None
        if self._stalled_since is None or self._stalled_by is None:
            return
        stalled_s = self._clock() - self._stalled_since
        if stalled_s > self._settings.outage_budget_s:
            raise errors.OutageTooLong(
                f"{self._stalled_by.neighbour}: no event has ended for {stalled_s:.0f} s ({self._stalled_by.detail})"
            )

    def _drain(self) -> None:
        """Running journeys may end within the bound; what no thread has begun keeps its place on the bus."""
        self._workers.discard_waiting()
        deadline = self._clock() + self._settings.drain_timeout_s
        while self._workers.busy and (left_s := deadline - self._clock()) > 0:
            for finished in self._workers.collect(left_s):
                if isinstance(finished.result, outcome.Published | outcome.NotAssessable | outcome.Refused):
                    self._tracker.end(finished.attempt.record.position)
        self._commit()
        logger().info("drained", undecided=self._tracker.undecided)
